//! Each way in which a result does not fit, with the array that is named.

use super::*;
use crate::container::TREE;

fn outline(arrays: &[(&str, Dtype, &[usize])], tree: Option<&str>) -> Header {
    let outlines = arrays
        .iter()
        .map(|(name, dtype, shape)| ArrayOutline::new(*name, *dtype, *shape));
    let metadata = tree.map(|tree| (TREE.to_owned(), tree.to_owned()));
    Header::new(outlines, metadata.into_iter().collect()).unwrap()
}

fn fault(result: &[(&str, Dtype, &[usize])]) -> String {
    let model = outline(&[("a", Dtype::F32, &[2, 3]), ("n", Dtype::I64, &[])], None);
    let result = outline(result, None);
    check(Some(&model), &result, Kind::Full, false)
        .unwrap_err()
        .to_string()
}

#[test]
fn names_shapes_and_types_are_the_models() {
    let n: (&str, Dtype, &[usize]) = ("n", Dtype::I64, &[]);
    let a: (&str, Dtype, &[usize]) = ("a", Dtype::F32, &[2, 3]);
    assert_eq!(fault(&[n]), r#"array "a" of the model is missing"#);
    assert_eq!(
        fault(&[a, n, ("b", Dtype::F32, &[1])]),
        r#"array "b" is not in the model"#
    );
    assert_eq!(
        fault(&[("a", Dtype::F32, &[3, 2]), n]),
        r#"array "a" has shape (3, 2), the model's has (2, 3)"#
    );
    assert_eq!(
        fault(&[a, ("n", Dtype::I64, &[1])]),
        r#"array "n" has shape (1,), the model's has ()"#
    );
    let expected = r#"array "a" is F64, the model's is F32: convert it back before it is returned"#;
    assert_eq!(fault(&[("a", Dtype::F64, &[2, 3]), n]), expected);
    assert_eq!(fault(&[]), "no arrays came");
    let model = outline(&[a, n], None);
    assert_eq!(check(Some(&model), &model, Kind::Full, false), Ok(()));
    assert_eq!(check(Some(&model), &model, Kind::Diff, false), Ok(()));
    let partial = outline(&[a], None);
    assert_eq!(check(Some(&model), &partial, Kind::Full, true), Ok(()));
}

#[test]
fn types_without_a_mean_are_named() {
    use Dtype::{BOOL, F4, F8_E4M3, F8_E8M0, U8, U16, U32, U64};
    for dtype in [F4, F8_E4M3, F8_E8M0] {
        let model = outline(&[("a", dtype, &[2])], None);
        for model in [None, Some(&model)] {
            let fault = check(
                model,
                &outline(&[("a", dtype, &[2])], None),
                Kind::Full,
                false,
            );
            assert!(
                matches!(fault, Err(ResultError::NoMean { .. })),
                "{fault:?}"
            );
        }
    }
    for dtype in [BOOL, U8, U16, U32, U64] {
        let model = outline(&[("a", dtype, &[2])], None);
        let fault = check(Some(&model), &model, Kind::Diff, false);
        assert!(
            matches!(fault, Err(ResultError::Difference { .. })),
            "{fault:?}"
        );
    }
    for mark in ["$npy", "$bytes"] {
        let tree = format!(r#"[{{"{mark}":"a"}},{{"$array":"w"}}]"#);
        let arrays: [(_, _, &[usize]); 2] = [("a", U8, &[2]), ("w", Dtype::F32, &[2])];
        let result = outline(&arrays, Some(&tree));
        let fault = check(Some(&result), &result, Kind::Full, false);
        assert_eq!(fault, Err(ResultError::Opaque("a".to_owned())));
    }
}

#[test]
fn what_is_no_array_is_the_models() {
    let with = |tree| outline(&[("w", Dtype::F32, &[2])], tree);
    let check = |model, result| check(Some(&with(model)), &with(result), Kind::Full, false);
    let nested = |rate| format!(r#"{{"w":{{"$array":"w"}},"rate":{rate}}}"#);
    let (slow, fast) = (
        nested("1180591620717411303424"),
        nested("1180591620717411303425"),
    );
    assert_eq!(check(Some(&slow), Some(&slow)), Ok(()));
    assert_eq!(
        check(
            Some(&slow),
            Some(r#"{"rate":1180591620717411303424, "w":{"$array":"w"}}"#)
        ),
        Ok(())
    );
    assert_eq!(check(Some(&slow), Some(&fast)), Err(ResultError::Tree));
    assert_eq!(check(Some(&slow), None), Err(ResultError::Tree));
    assert_eq!(check(None, Some(r#"{"w":{"$array":"w"}}"#)), Ok(()));
    let broken = check(Some(&slow), Some("{"));
    assert!(matches!(broken, Err(ResultError::Container(_))));
}

#[test]
fn a_model_of_plain_values_asks_for_nothing() {
    let model = outline(&[], Some(r#"{"penalty":"l2"}"#));
    let result = outline(&[("coef", Dtype::F64, &[1, 4])], None);
    for model in [None, Some(&model)] {
        assert_eq!(check(model, &result, Kind::Full, false), Ok(()));
        assert_eq!(
            check(model, &result, Kind::Diff, false),
            Err(ResultError::NoModel)
        );
    }
    let other = single(Dtype::F64, vec![0; 8]);
    let returned = [
        full("a", 1.0, single(Dtype::F32, vec![0; 4])),
        full("b", 1.0, other),
    ];
    let refused = begin(None, &returned, false).unwrap_err();
    assert!(matches!(
        refused,
        MeanError::Result {
            fault: ResultError::Type { .. },
            ..
        }
    ));
}

#[test]
fn values_are_finite_and_named_by_array_and_element() {
    let check = |dtype, elements: Vec<u8>| {
        let file = single(dtype, elements);
        let header = header(&file);
        chunks(&header).try_for_each(|chunk| {
            let range = chunk.range();
            chunk.check(&file[range.start as usize..range.end as usize])
        })
    };
    let bad = |element, value: &str| {
        Err(ResultError::Value {
            array: "x".to_owned(),
            element,
            value: value.to_owned(),
        })
    };
    let mut long = vec![0f32; CHUNK_ELEMENTS as usize + 9];
    assert_eq!(check(Dtype::F32, bytes(&long, f32::to_le_bytes)), Ok(()));
    long[CHUNK_ELEMENTS as usize + 5] = f32::NAN;
    long[CHUNK_ELEMENTS as usize + 7] = f32::INFINITY;
    assert_eq!(
        check(Dtype::F32, bytes(&long, f32::to_le_bytes)),
        bad(CHUNK_ELEMENTS + 5, "NaN")
    );
    let infinite = [f64::MAX, f64::NEG_INFINITY];
    assert_eq!(
        check(Dtype::F64, bytes(&infinite, f64::to_le_bytes)),
        bad(1, "-inf")
    );
    assert_eq!(check(Dtype::F16, vec![0, 0, 0, 0x7c]), bad(1, "inf"));
    assert_eq!(check(Dtype::BF16, vec![0xc0, 0x7f, 0, 0]), bad(0, "NaN"));
    let imaginary = [0.0, 0.0, 0.0, f32::NAN];
    assert_eq!(
        check(Dtype::C64, bytes(&imaginary, f32::to_le_bytes)),
        bad(1, "NaN")
    );
    assert_eq!(check(Dtype::BOOL, vec![0, 1, 1, 255]), bad(3, "255"));
    assert_eq!(check(Dtype::U8, vec![0, 255]), Ok(()));
}
