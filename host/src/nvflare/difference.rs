//! The difference between a trained model and the one that it was trained from, as the Client
//! API of NVFlare computes it: new minus old, in the type of the elements.

use bytes::Bytes;
use fedlink::nvflare::{Array, Model};
use half::{bf16, f16};
use serde_json::Value;

/// Why there is no difference.
#[derive(Debug, thiserror::Error)]
pub(super) enum DifferenceError {
    #[error("the result has none of the task's arrays")]
    NothingInCommon,
    #[error("array `{name}`: {what}")]
    Array { name: String, what: String },
}

/// A type of numbers that can be subtracted, and how many bytes one has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Float(usize),
    Brain,
    /// Signed or not: both wrap around alike.
    Whole(usize),
}

/// An array as it is stored.
struct Stored<'a> {
    number: Number,
    /// Numbers in one element: 2 if it is complex.
    parts: usize,
    big_endian: bool,
    shape: Vec<usize>,
    /// Whether the first index changes fastest.
    fortran_order: bool,
    data: &'a [u8],
}

/// The difference of all that both have. Arrays of `new` alone are left out, as NVFlare
/// does.
pub(super) fn difference(new: &Model, old: &Model) -> Result<Model, DifferenceError> {
    let mut model = Model::new();
    for (name, array) in new.arrays() {
        let Some(before) = old.get(name) else {
            continue;
        };
        let of_array = || {
            let mut file = array.to_npy().to_vec();
            let start = file.len() - array.data().len();
            subtract(&stored(array)?, &stored(before)?, &mut file[start..])?;
            Array::parse(file.into()).map_err(|error| error.to_string())
        };
        model.insert(name, of_array().map_err(at(name))?);
    }
    for (name, file) in new.tensors() {
        let Some((_, before)) = old.tensors().find(|(other, _)| *other == name) else {
            continue;
        };
        let of_tensor = || {
            let mut difference = file.to_vec();
            let start = difference.len() - tensor(file)?.data.len();
            subtract(&tensor(file)?, &tensor(before)?, &mut difference[start..])?;
            Ok(Bytes::from(difference))
        };
        model.insert_tensor(name, of_tensor().map_err(at(name))?);
    }
    if model.arrays().next().is_none() && model.tensors().next().is_none() {
        return Err(DifferenceError::NothingInCommon);
    }
    Ok(model)
}

fn at(name: &str) -> impl Fn(String) -> DifferenceError {
    move |what| DifferenceError::Array {
        name: name.to_owned(),
        what,
    }
}

fn stored(array: &Array) -> Result<Stored<'_>, String> {
    let plain = array.descr().trim_start_matches(['<', '>', '|', '=']);
    let (kind, size) = plain.split_at_checked(1).unwrap_or_default();
    let (number, parts) = match (kind, size) {
        ("f", "2") => (Number::Float(2), 1),
        ("f", "4") => (Number::Float(4), 1),
        ("f", "8") => (Number::Float(8), 1),
        ("c", "8") => (Number::Float(4), 2),
        ("c", "16") => (Number::Float(8), 2),
        ("i" | "u", "1") => (Number::Whole(1), 1),
        ("i" | "u", "2") => (Number::Whole(2), 1),
        ("i" | "u", "4") => (Number::Whole(4), 1),
        ("i" | "u", "8") => (Number::Whole(8), 1),
        _ => return Err(no_numbers(array.descr())),
    };
    Ok(Stored {
        number,
        parts,
        big_endian: array.descr().starts_with('>'),
        shape: array.shape().to_vec(),
        fortran_order: array.fortran_order(),
        data: array.data(),
    })
}

/// The only tensor of a safetensors file.
fn tensor(file: &[u8]) -> Result<Stored<'_>, String> {
    let read = || {
        let (length, rest) = file.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (header, data) = rest.split_at_checked(length)?;
        let header: Value = serde_json::from_slice(header).ok()?;
        let tensors = header.as_object()?;
        let (_, tensor) = tensors.iter().find(|(name, _)| *name != "__metadata__")?;
        let shape = tensor.get("shape")?.as_array()?.iter();
        let shape = shape.map(|length| usize::try_from(length.as_u64()?).ok());
        Some((
            tensor.get("dtype")?.as_str()?.to_owned(),
            shape.collect::<Option<Vec<usize>>>()?,
            data,
        ))
    };
    let (kind, shape, data) = read().ok_or("it is no safetensors file")?;
    let number = match kind.as_str() {
        "F16" => Number::Float(2),
        "F32" => Number::Float(4),
        "F64" => Number::Float(8),
        "BF16" => Number::Brain,
        "I8" | "U8" => Number::Whole(1),
        "I16" | "U16" => Number::Whole(2),
        "I32" | "U32" => Number::Whole(4),
        "I64" | "U64" => Number::Whole(8),
        _ => return Err(no_numbers(&kind)),
    };
    Ok(Stored {
        number,
        parts: 1,
        big_endian: false,
        shape,
        fortran_order: false,
        data,
    })
}

fn no_numbers(kind: &str) -> String {
    format!("elements of type {kind} cannot be subtracted: send them as another type")
}

impl Number {
    const fn size(self) -> usize {
        match self {
            Self::Brain => 2,
            Self::Float(size) | Self::Whole(size) => size,
        }
    }

    fn subtract(self, new: u64, old: u64) -> u64 {
        let f32_of = |bits: u64| f32::from_bits(bits as u32);
        match self {
            Self::Float(2) => {
                let of = |bits: u64| f16::from_bits(bits as u16).to_f32();
                f16::from_f32(of(new) - of(old)).to_bits().into()
            }
            Self::Brain => {
                let of = |bits: u64| bf16::from_bits(bits as u16).to_f32();
                bf16::from_f32(of(new) - of(old)).to_bits().into()
            }
            Self::Float(4) => (f32_of(new) - f32_of(old)).to_bits().into(),
            Self::Float(_) => (f64::from_bits(new) - f64::from_bits(old)).to_bits(),
            // What is above the element is cut off.
            Self::Whole(_) => new.wrapping_sub(old),
        }
    }
}

/// Subtracts element by element; `out` has the bytes of `new`.
fn subtract(new: &Stored<'_>, old: &Stored<'_>, out: &mut [u8]) -> Result<(), String> {
    if (new.number, new.parts) != (old.number, old.parts) || new.shape != old.shape {
        return Err("its type or shape is not that of the task".to_owned());
    }
    let size = new.number.size();
    let element = size * new.parts;
    for (out, place) in out.chunks_exact_mut(element).zip(Places::of(new, old)) {
        let before = old.data.get(place * element..(place + 1) * element);
        let before = before.ok_or("the task's array is cut short")?;
        for (out, before) in out.chunks_exact_mut(size).zip(before.chunks_exact(size)) {
            let (after, before) = (bits(out, new.big_endian), bits(before, old.big_endian));
            let difference = new.number.subtract(after, before).to_le_bytes();
            out.copy_from_slice(&difference[..size]);
            if new.big_endian {
                out.reverse();
            }
        }
    }
    Ok(())
}

fn bits(bytes: &[u8], big_endian: bool) -> u64 {
    let shift = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if big_endian {
        bytes.iter().fold(0, shift)
    } else {
        bytes.iter().rev().fold(0, shift)
    }
}

/// For each element of one array in turn, the place of the same element in another of the
/// same shape.
struct Places {
    /// The length of each dimension, that first which changes fastest, and how far apart
    /// neighbours along it are in the other array.
    axes: Vec<(usize, usize)>,
    index: Vec<usize>,
    next: usize,
}

impl Places {
    fn of(new: &Stored<'_>, old: &Stored<'_>) -> Self {
        let fastest_first = |stored: &Stored<'_>| -> Vec<usize> {
            let axes = 0..stored.shape.len();
            match stored.fortran_order {
                true => axes.collect(),
                false => axes.rev().collect(),
            }
        };
        let mut strides = vec![0; old.shape.len()];
        let mut stride = 1_usize;
        for axis in fastest_first(old) {
            strides[axis] = stride;
            stride = stride.saturating_mul(old.shape[axis]);
        }
        let axes = fastest_first(new).into_iter();
        let axes: Vec<_> = axes.map(|axis| (new.shape[axis], strides[axis])).collect();
        Self {
            index: vec![0; axes.len()],
            axes,
            next: 0,
        }
    }
}

/// Ends never: there are as many elements as there are.
impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let place = self.next;
        for ((length, stride), index) in self.axes.iter().zip(&mut self.index) {
            *index += 1;
            self.next += stride;
            if *index < *length {
                break;
            }
            self.next -= stride * *index;
            *index = 0;
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, array: Array) -> Model {
        let mut model = Model::new();
        model.insert(name, array);
        model
    }

    fn of_files(new: Bytes, old: Bytes) -> Result<Array, String> {
        let parse = |file| model("w", Array::parse(file).unwrap());
        let difference = difference(&parse(new), &parse(old)).map_err(|error| error.to_string())?;
        Ok(difference.get("w").unwrap().clone())
    }

    fn file(descr: &str, order: &str, shape: &str, data: &[u8]) -> Bytes {
        let text =
            format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let length = u16::try_from(text.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), data]
            .concat()
            .into()
    }

    #[test]
    fn floats_are_subtracted_in_their_own_type() {
        let new = Array::new([3], [4.0_f32, 0.1, -1.0]).unwrap();
        let old = Array::new([3], [1.0_f32, 0.3, f32::INFINITY]).unwrap();
        let found = difference(&model("w", new), &model("w", old)).unwrap();
        let values = found.get("w").unwrap().values::<f32>().unwrap();
        assert_eq!(values, [3.0, 0.1 - 0.3, f32::NEG_INFINITY]);

        let half = |value: f32| f16::from_f32(value).to_le_bytes();
        let found = of_files(
            file("<f2", "False", "()", &half(1.5)),
            file("<f2", "False", "()", &half(0.25)),
        );
        assert_eq!(found.unwrap().data()[..], half(1.25));
        let complex = |re: f32, im: f32| [re.to_be_bytes(), im.to_be_bytes()].concat();
        let found = of_files(
            file(">c8", "False", "(1,)", &complex(3.0, 5.0)),
            file(">c8", "False", "(1,)", &complex(1.0, 7.0)),
        );
        assert_eq!(found.unwrap().data()[..], complex(2.0, -2.0));
    }

    #[test]
    fn whole_numbers_wrap_around_as_numpys_do() {
        let new = Array::new([2], [1_u8, 200]).unwrap();
        let old = Array::new([2], [3_u8, 100]).unwrap();
        let found = difference(&model("w", new), &model("w", old)).unwrap();
        assert_eq!(found.get("w").unwrap().values::<u8>().unwrap(), [254, 100]);
        let new = Array::new([1], [i64::MIN]).unwrap();
        let old = Array::new([1], [1_i64]).unwrap();
        let found = difference(&model("w", new), &model("w", old)).unwrap();
        assert_eq!(found.get("w").unwrap().values::<i64>().unwrap(), [i64::MAX]);
    }

    #[test]
    fn each_element_meets_its_own_whatever_the_order_in_which_they_are_stored() {
        // Element (i, j, k) of the old one is 100 i + 10 j + k, of the new one five more.
        let all = |fortran: bool, more: i16| {
            let mut elements = Vec::new();
            for a in 0..2 {
                for b in 0..3 {
                    for c in 0..4 {
                        elements.push(((a, b, c), (100 * a + 10 * b + c + more).to_le_bytes()));
                    }
                }
            }
            if fortran {
                elements.sort_by_key(|((a, b, c), _)| (*c, *b, *a));
            }
            let data: Vec<u8> = elements.into_iter().flat_map(|(_, bytes)| bytes).collect();
            let order = if fortran { "True" } else { "False" };
            file("<i2", order, "(2, 3, 4)", &data)
        };
        for (new, old) in [(false, false), (false, true), (true, false), (true, true)] {
            let found = of_files(all(new, 5), all(old, 0)).unwrap();
            assert_eq!(found.values::<i16>().unwrap(), [5; 24], "{new} {old}");
            assert_eq!(found.fortran_order(), new);
        }
        let empty = || file("<i2", "False", "(2, 0)", b"");
        assert!(of_files(empty(), empty()).unwrap().data().is_empty());
    }

    #[test]
    fn tensors_are_subtracted_too() {
        let tensor = |kind: &str, data: &[u8]| -> Bytes {
            let len = data.len();
            let header =
                format!(r#"{{"t":{{"dtype":"{kind}","shape":[1],"data_offsets":[0,{len}]}}}}"#);
            let length = (header.len() as u64).to_le_bytes();
            [&length[..], header.as_bytes(), data].concat().into()
        };
        let subtracted = |kind: &str, new: &[u8], old: &[u8]| {
            let of = |data| {
                let mut model = Model::new();
                model.insert_tensor("w", tensor(kind, data));
                model
            };
            let found = difference(&of(new), &of(old)).map_err(|error| error.to_string())?;
            let found = found.tensors().next().unwrap().1.clone();
            Ok::<_, String>(found[found.len() - new.len()..].to_vec())
        };
        let [new, old] = [3.0_f32, 1.0].map(|it| bf16::from_f32(it).to_le_bytes());
        assert_eq!(
            subtracted("BF16", &new, &old).unwrap(),
            bf16::from_f32(2.0).to_le_bytes()
        );
        let [new, old] = [3.0_f64, 1.0].map(f64::to_le_bytes);
        assert_eq!(
            subtracted("F64", &new, &old).unwrap(),
            2.0_f64.to_le_bytes()
        );
        assert!(subtracted("BOOL", &[1], &[0]).unwrap_err().contains("BOOL"));
    }

    #[test]
    fn what_is_in_one_model_alone_is_left_out_and_nothing_in_common_is_an_error() {
        let one = || Array::new([1], [1.0_f64]).unwrap();
        let mut new = model("w", one());
        new.insert("new", one());
        let mut old = model("w", one());
        old.insert("old", one());
        let found = difference(&new, &old).unwrap();
        let names: Vec<_> = found.arrays().map(|(name, _)| name).collect();
        assert_eq!(names, ["w"]);
        let error = difference(&model("a", one()), &model("b", one())).unwrap_err();
        assert!(matches!(error, DifferenceError::NothingInCommon));
        for other in [
            Array::new([1], [1.0_f32]).unwrap(),
            Array::new([1, 1], [1.0_f64]).unwrap(),
        ] {
            let error = difference(&model("w", one()), &model("w", other)).unwrap_err();
            assert!(
                error.to_string().contains("not that of the task"),
                "{error}"
            );
        }
        let text = || file("|S1", "False", "(1,)", b"a");
        assert!(of_files(text(), text()).unwrap_err().contains("|S1"));
    }
}
