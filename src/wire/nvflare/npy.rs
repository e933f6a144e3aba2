//! Arrays in the .npy format of numpy.

mod header;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use header::Header;

/// The first bytes of every .npy file; version 1.0 follows.
const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The data begin at a multiple of this many bytes.
const ALIGN: usize = 64;
/// Digits that numpy leaves room for.
const GROWTH: usize = 21;

/// An array: its type, its shape, and its elements one after another.
#[derive(Clone, PartialEq, Eq)]
pub struct Array {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
    data: Bytes,
}

/// The bytes are not a .npy file that can be used, or the elements are of another type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// Not a .npy file, or its header cannot be read.
    #[error("not a .npy file of version 1 to 3: write it with numpy.save")]
    Header,
    /// The array holds Python objects, which only unpickling could read.
    #[error("the array holds Python objects (type {0}): convert it to numbers")]
    Objects(String),
    /// The data are not as long as type and shape say.
    #[error("an array of {expected} bytes has {found}: it was cut short or the shape is wrong")]
    Length {
        /// What type and shape say.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// The elements are of another type than the one asked for.
    #[error("the elements are {found}, not {wanted}: ask for the right type")]
    Type {
        /// What was asked for.
        wanted: &'static str,
        /// What they are.
        found: String,
    },
}

impl Array {
    /// An array of `values` in C order.
    ///
    /// # Errors
    /// When there are not as many values as the shape says.
    pub fn new<T: Element>(
        shape: impl Into<Vec<usize>>,
        values: impl IntoIterator<Item = T>,
    ) -> Result<Self, NpyError> {
        let mut data = BytesMut::new();
        for value in values {
            value.put(&mut data);
        }
        let array = Self {
            descr: T::DESCR.to_owned(),
            fortran_order: false,
            shape: shape.into(),
            data: data.freeze(),
        };
        array.check_length()?;
        Ok(array)
    }

    /// Reads a .npy file; the data are a slice of `file`.
    ///
    /// # Errors
    /// When it is not one, holds Python objects, or is not as long as it says.
    pub fn parse(mut file: Bytes) -> Result<Self, NpyError> {
        let (header, start) = header(&file)?;
        let array = Self {
            descr: header.descr,
            fortran_order: header.fortran_order,
            shape: header.shape,
            data: file.split_off(start),
        };
        array.check_length()?;
        Ok(array)
    }

    /// The type and the shape of the array whose .npy file begins so: its header has to be
    /// there, the elements need not.
    ///
    /// # Errors
    /// When it is not a .npy file, or the array holds Python objects.
    pub fn describe(start: &[u8]) -> Result<(String, Vec<usize>), NpyError> {
        let (header, _) = header(start)?;
        Ok((header.descr, header.shape))
    }

    /// The type as numpy names it, such as `<f4`; a list for a structured type.
    #[must_use]
    pub fn descr(&self) -> &str {
        &self.descr
    }

    /// Whether the first index changes fastest.
    #[must_use]
    pub const fn fortran_order(&self) -> bool {
        self.fortran_order
    }

    /// The length of each dimension; empty for a single number.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements as they are stored.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// The elements in the order in which they are stored.
    ///
    /// # Errors
    /// When they are of another type than `T`.
    pub fn values<T: Element>(&self) -> Result<Vec<T>, NpyError> {
        let swapped = self.descr.starts_with('>');
        if self.descr.trim_start_matches(['<', '>', '|', '=']) != T::DESCR.get(1..).unwrap_or("") {
            return Err(NpyError::Type {
                wanted: T::DESCR,
                found: self.descr.clone(),
            });
        }
        Ok(self
            .data
            .chunks_exact(size_of::<T>())
            .filter_map(|bytes| T::get(bytes, swapped))
            .collect())
    }

    /// The file, in one piece.
    #[must_use]
    pub fn to_npy(&self) -> Bytes {
        let head = self.head();
        [&head[..], &self.data].concat().into()
    }

    /// What goes before the data, as numpy writes it: version 1.0, which is in Latin-1, or
    /// version 3.0, which is in UTF-8, where names of fields need it.
    pub(crate) fn head(&self) -> Bytes {
        let descr = if self.descr.starts_with('[') {
            self.descr.clone()
        } else {
            format!("'{}'", self.descr)
        };
        let order = if self.fortran_order { "True" } else { "False" };
        let mut text = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': (");
        for (at, length) in self.shape.iter().enumerate() {
            let gap = if at == 0 { "" } else { " " };
            let comma = if at + 1 < self.shape.len() || at == 0 {
                ","
            } else {
                ""
            };
            text.push_str(&format!("{gap}{length}{comma}"));
        }
        text.push_str("), }");
        // numpy leaves room for the dimension along which a file may grow. The newline at
        // the end counts too.
        let growing = if self.fortran_order {
            self.shape.last()
        } else {
            self.shape.first()
        };
        let room = growing.map_or(0, |length| GROWTH.saturating_sub(length.to_string().len()));
        let latin: Option<Vec<u8>> = text.chars().map(|it| u8::try_from(it).ok()).collect();
        let (version, text, length_bytes) = match latin {
            Some(latin) => (1, latin, 2),
            None => (3, text.into_bytes(), 4),
        };
        let unpadded = MAGIC.len() + 2 + length_bytes + text.len() + room + 1;
        let padding = room + unpadded.next_multiple_of(ALIGN) - unpadded;
        let length = text.len() + padding + 1;
        let mut head = BytesMut::with_capacity(unpadded + ALIGN);
        head.put_slice(MAGIC);
        head.put_slice(&[version, 0]);
        head.put_uint_le(length as u64, length_bytes);
        head.put_slice(&text);
        head.put_bytes(b' ', padding);
        head.put_u8(b'\n');
        head.freeze()
    }

    fn check_length(&self) -> Result<(), NpyError> {
        let Some(item) = item_size(&self.descr) else {
            return Ok(());
        };
        let expected = self
            .shape
            .iter()
            .try_fold(item, |bytes, length| bytes.checked_mul(*length))
            .unwrap_or(usize::MAX);
        if expected == self.data.len() {
            Ok(())
        } else {
            Err(NpyError::Length {
                expected,
                found: self.data.len(),
            })
        }
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Array({} {:?})", self.descr, self.shape)
    }
}

/// A type that elements of an [`Array`] may have.
pub trait Element: sealed::Element {}

mod sealed {
    use bytes::BytesMut;

    pub trait Element: Sized {
        /// Its name in numpy.
        const DESCR: &'static str;
        fn put(self, out: &mut BytesMut);
        fn get(bytes: &[u8], swapped: bool) -> Option<Self>;
    }
}

macro_rules! elements {
    ($($type:ty, $descr:literal;)*) => {$(
        impl Element for $type {}
        impl sealed::Element for $type {
            const DESCR: &'static str = $descr;

            fn put(self, out: &mut BytesMut) {
                out.put_slice(&self.to_le_bytes());
            }

            fn get(bytes: &[u8], swapped: bool) -> Option<Self> {
                let bytes = *bytes.first_chunk()?;
                Some(if swapped { Self::from_be_bytes(bytes) } else { Self::from_le_bytes(bytes) })
            }
        }
    )*};
}

elements! {
    f32, "<f4"; f64, "<f8";
    i8, "|i1"; i16, "<i2"; i32, "<i4"; i64, "<i8";
    u8, "|u1"; u16, "<u2"; u32, "<u4"; u64, "<u8";
}

/// The header of a file, and where the elements begin.
fn header(file: &[u8]) -> Result<(Header, usize), NpyError> {
    let (version, start, len) = header_range(file).ok_or(NpyError::Header)?;
    let end = start.saturating_add(len);
    let header = file
        .get(start..end)
        .and_then(|header| Header::read(version, header))
        .ok_or(NpyError::Header)?;
    match header.has_objects {
        true => Err(NpyError::Objects(header.descr)),
        false => Ok((header, end)),
    }
}

/// The version of a file, and where its header stands: its start and its length.
fn header_range(file: &[u8]) -> Option<(u8, usize, usize)> {
    let rest = file.strip_prefix(MAGIC)?;
    let version = *rest.first()?;
    let (start, len) = match version {
        1 => (
            10,
            usize::from(u16::from_le_bytes(*rest.get(2..)?.first_chunk()?)),
        ),
        2 | 3 => {
            let len = u32::from_le_bytes(*rest.get(2..)?.first_chunk()?);
            (12, usize::try_from(len).ok()?)
        }
        _ => return None,
    };
    Some((version, start, len))
}

/// Bytes of one element, for types that are plain. Of others the length is not checked.
fn item_size(descr: &str) -> Option<usize> {
    let plain = descr.trim_start_matches(['<', '>', '|', '=']);
    let kind = plain.chars().next()?;
    let count: usize = plain.get(1..)?.parse().ok()?;
    match kind {
        'b' | 'i' | 'u' | 'f' | 'c' | 'S' | 'V' => Some(count),
        'U' => count.checked_mul(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back() {
        let array = Array::new([2, 3], [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.5]).unwrap();
        let file = array.to_npy();
        assert_eq!(file.len() % 8, 0);
        let back = Array::parse(file).unwrap();
        assert_eq!(back, array);
        assert_eq!(back.values::<f32>().unwrap().last(), Some(&6.5));
        assert!(back.values::<f64>().is_err());
        for shape in [vec![], vec![0], vec![5], vec![1, 2, 3]] {
            let len = shape.iter().product();
            let array = Array::new(shape, vec![7_u8; len]).unwrap();
            assert_eq!(Array::parse(array.to_npy()), Ok(array));
        }
        assert!(Array::new([2], [1_i64]).is_err());
    }

    fn file(header: &str, data: &[u8]) -> Bytes {
        let len = u16::try_from(header.len()).unwrap().to_le_bytes();
        [&MAGIC[..], &[1, 0], &len, header.as_bytes(), data]
            .concat()
            .into()
    }

    #[test]
    fn headers_are_read_leniently() {
        let lenient = "{\"shape\" :( 2 ,),'descr':'>i2', 'fortran_order':True}";
        let array = Array::parse(file(lenient, &[0, 1, 1, 0])).unwrap();
        assert_eq!((array.shape(), array.fortran_order()), (&[2][..], true));
        assert_eq!(array.values::<i16>(), Ok(vec![1, 256]));
        let structured = "{'descr': [('a', '<f4'), ('b', [('c', '|u1')])], 'fortran_order': False, 'shape': (1,), }";
        let array = Array::parse(file(structured, &[0; 5])).unwrap();
        assert_eq!(array.descr(), "[('a', '<f4'), ('b', [('c', '|u1')])]");
        let again = Array::parse(array.to_npy());
        assert_eq!(again, Ok(array));
    }

    #[test]
    fn later_versions_are_read_too() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }";
        let len = u32::try_from(header.len()).unwrap().to_le_bytes();
        for version in [2, 3] {
            let file = [&MAGIC[..], &[version, 0], &len, header.as_bytes(), &[7]].concat();
            let array = Array::parse(file.into()).unwrap();
            assert_eq!(array.values::<u8>(), Ok(vec![7]));
        }
    }

    #[test]
    fn what_lies_or_needs_unpickling_is_refused() {
        let header = |descr: &str, shape: &str| {
            format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}")
        };
        let parse = |header: &str| Array::parse(file(header, &[0; 8]));
        assert!(parse(&header("'<f8'", "()")).is_ok());
        assert!(parse(&header("'<U2'", "(1,)")).is_ok());
        for (descr, shape) in [
            ("'<f8'", "(2,)"),
            ("'<f8'", "(18446744073709551615, 18446744073709551615)"),
            ("'<f8'", "(-1,)"),
            ("'<f8'", "(1"),
            ("<f8", "(1,)"),
            ("[('a'", "(1,)"),
            ("'<U3'", "(1,)"),
            ("'|O'", "(1,)"),
            ("[('a', '|O')]", "(1,)"),
        ] {
            assert!(parse(&header(descr, shape)).is_err(), "{descr} {shape}");
        }
        assert!(parse("").is_err());
        assert!(Array::parse(Bytes::from_static(b"\x93NUMPY\x02\x00\xff\xff\xff\xff")).is_err());
        let many = format!("({})", "1,".repeat(65));
        assert!(parse(&header("'<f8'", &many)).is_err());
        let deep = format!("{}'<f8'{}", "[('a', ".repeat(999), ")]".repeat(999));
        assert!(parse(&header(&deep, "(1,)")).is_err());
    }

    /// What numpy wrote: see `tests/nvflare/npy/make.py`.
    macro_rules! numpy {
        ($name:literal) => {
            Bytes::from_static(include_bytes!(concat!(
                "../../../tests/nvflare/npy/",
                $name,
                ".npy"
            )))
        };
    }

    #[test]
    fn names_of_fields_are_no_types() {
        for (file, descr) in [
            (numpy!("named-o"), "[('Ohm', '<i2'), ('O', '|u1')]"),
            (numpy!("ohm"), "[('Ohm', '<f4'), ('\u{2126}', '<f8')]"),
            (
                numpy!("latin"),
                "[('gr\u{f6}\u{df}e', '<i2'), (\"it's ['O']\", '|u1')]",
            ),
            (
                numpy!("latin-2"),
                "[('gr\u{f6}\u{df}e', '<i2'), ('b', '|u1')]",
            ),
            (
                numpy!("utf-8"),
                "[('gr\u{f6}\u{df}e', '<i2'), ('\u{2126}', '|u1')]",
            ),
            (
                numpy!("nested"),
                "[('a', [('O', '<f4'), ('b', '|S3')], (2,)), (('Title', 'n'), '<i8')]",
            ),
        ] {
            let array = Array::parse(file.clone()).unwrap();
            assert_eq!(array.descr(), descr);
            let written = array.to_npy();
            assert_eq!(Array::parse(written.clone()), Ok(array));
            // numpy writes version 2 only when it is told to.
            if file[6] != 2 {
                assert_eq!(written, file);
            }
        }
        let plain = Array::parse(numpy!("plain")).unwrap();
        assert_eq!(plain.values::<i32>(), Ok(vec![0, 1, 2]));
    }

    #[test]
    fn objects_are_found_wherever_they_are() {
        for file in [
            numpy!("object"),
            numpy!("object-field"),
            numpy!("object-nested"),
        ] {
            assert!(matches!(Array::parse(file), Err(NpyError::Objects(_))));
        }
    }
}
