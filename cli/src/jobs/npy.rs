//! Arrays of NumPy's .npz as they are to stand in a container.

use fedlink_jobs::container::{ArrayOutline, Dtype};

/// What each .npy file begins with, before its version.
const MAGIC: &[u8] = b"\x93NUMPY";

/// An array in a .npy file: what it is, and its elements.
pub(super) fn read<'a>(name: &str, file: &'a [u8]) -> Result<(ArrayOutline, &'a [u8]), String> {
    let (header, elements) = header(file).ok_or("is no .npy file, or one of a later version")?;
    let descr = value(header, "descr").ok_or("has a header without a type")?;
    let dtype = dtype(descr)?;
    let shape = value(header, "shape").and_then(shape);
    let shape = shape.ok_or("has a header without a shape")?;
    let columns_first = value(header, "fortran_order").is_some_and(|it| it.starts_with("True"));
    if columns_first && shape.len() > 1 {
        return Err("is in Fortran order: save numpy.ascontiguousarray of it".to_owned());
    }
    let outline = ArrayOutline::new(name, dtype, shape);
    Ok((outline, elements))
}

/// The header of a .npy file, and what comes after it.
fn header(file: &[u8]) -> Option<(&str, &[u8])> {
    let rest = file.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = match version {
        [1, _] => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        [2 | 3, _] => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u32::from_le_bytes(*length)).ok()?, rest)
        }
        _ => return None,
    };
    let (header, elements) = rest.split_at_checked(length)?;
    Some((str::from_utf8(header).ok()?, elements))
}

/// What stands behind this key in the header, which is a dict of Python.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    Some(rest.trim_start())
}

fn dtype(descr: &str) -> Result<Dtype, String> {
    let quoted = descr.strip_prefix('\'').and_then(|it| it.split_once('\''));
    let Some((text, _)) = quoted else {
        return Err("has a type of several fields: save each as an array of its own".to_owned());
    };
    Ok(match text {
        "|b1" => Dtype::BOOL,
        "|u1" => Dtype::U8,
        "|i1" => Dtype::I8,
        "<u2" => Dtype::U16,
        "<i2" => Dtype::I16,
        "<u4" => Dtype::U32,
        "<i4" => Dtype::I32,
        "<u8" => Dtype::U64,
        "<i8" => Dtype::I64,
        "<f2" => Dtype::F16,
        "<f4" => Dtype::F32,
        "<f8" => Dtype::F64,
        "<c8" => Dtype::C64,
        other => {
            return Err(format!(
                "is of type {other:?}, which a model cannot hold: convert it with astype to one that it can, as \"<f4\" or \"<i8\""
            ));
        }
    })
}

fn shape(text: &str) -> Option<Vec<usize>> {
    let (inner, _) = text.strip_prefix('(')?.split_once(')')?;
    let dimensions = inner.split(',').map(str::trim).filter(|it| !it.is_empty());
    dimensions.map(|it| it.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, elements: &[u8]) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), elements].concat()
    }

    #[test]
    fn an_array_is_read_with_its_type_and_shape() {
        for (header, shape) in [
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                vec![2],
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }",
                vec![1, 2],
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
                vec![],
            ),
            // Of one dimension there is but one order.
            (
                "{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }",
                vec![2],
            ),
        ] {
            let file = npy(header, &[1, 2, 3, 4]);
            let (outline, elements) = read("w", &file).unwrap();
            assert_eq!(outline, ArrayOutline::new("w", Dtype::F32, shape));
            assert_eq!(elements, [1, 2, 3, 4]);
        }
    }

    #[test]
    fn what_a_model_cannot_hold_is_refused_with_a_remedy() {
        for (header, problem) in [
            (
                "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }",
                "astype",
            ),
            (
                "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
                "astype",
            ),
            (
                "{'descr': [('a', '<f4')], 'shape': (2,), }",
                "several fields",
            ),
            (
                "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }",
                "ascontiguousarray",
            ),
            ("{'descr': '<f4', 'shape': 2}", "without a shape"),
            ("{'shape': (2,)}", "without a type"),
        ] {
            let refused = read("w", &npy(header, &[])).unwrap_err();
            assert!(refused.contains(problem), "{header}: {refused}");
        }
        assert!(read("w", b"PK").is_err());
    }
}
