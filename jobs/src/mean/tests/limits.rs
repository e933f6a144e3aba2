//! The ends of each type, pieces of arrays, and what cannot be averaged.

use half::f16;

use super::*;

fn mean_u8(dtype: Dtype, results: &[(u8, f64)]) -> u8 {
    let names: Vec<String> = (0..results.len()).map(|it| it.to_string()).collect();
    let returned: Vec<_> = names
        .iter()
        .zip(results)
        .map(|(name, (value, weight))| full(name, *weight, single(dtype, vec![*value])))
        .collect();
    elements(None, &returned).unwrap()[0]
}

#[test]
fn halves_go_to_the_even_number() {
    assert_eq!(mean_u8(Dtype::U8, &[(0, 1.0), (1, 1.0)]), 0);
    assert_eq!(mean_u8(Dtype::U8, &[(1, 1.0), (2, 1.0)]), 2);
    assert_eq!(mean_u8(Dtype::U8, &[(2, 1.0), (3, 1.0)]), 2);
    assert_eq!(mean_u8(Dtype::I8, &[(-1i8 as u8, 1.0), (0, 1.0)]) as i8, 0);
    assert_eq!(
        mean_u8(Dtype::I8, &[(-1i8 as u8, 1.0), (-2i8 as u8, 1.0)]) as i8,
        -2
    );
    assert_eq!(
        mean_u8(Dtype::I8, &[(-3i8 as u8, 0.5), (-2i8 as u8, 0.5)]) as i8,
        -2
    );
}

#[test]
fn half_of_the_weight_is_true() {
    assert_eq!(mean_u8(Dtype::BOOL, &[(1, 1.0), (0, 1.0)]), 1);
    assert_eq!(
        mean_u8(Dtype::BOOL, &[(1, 1.0), (0, 1.0 + f64::EPSILON)]),
        0
    );
    assert_eq!(mean_u8(Dtype::BOOL, &[(1, 0.1), (0, 0.1), (0, 1e-9)]), 0);
    assert_eq!(mean_u8(Dtype::BOOL, &[(1, MAX_WEIGHT), (0, MIN_WEIGHT)]), 1);
}

#[test]
fn the_largest_numbers_with_the_largest_weights_do_not_overflow() {
    let one = |file: Vec<u8>| {
        let returned: Vec<_> = (0..100)
            .map(|it| full(&it.to_string(), MAX_WEIGHT, file.clone()))
            .collect();
        elements(None, &returned).unwrap()
    };
    let whole = [u64::MAX, 0, 1 << 63];
    assert_eq!(
        one(single(Dtype::U64, bytes(&whole, u64::to_le_bytes))),
        bytes(&whole, u64::to_le_bytes)
    );
    let whole = [i64::MIN, i64::MAX, -1];
    assert_eq!(
        one(single(Dtype::I64, bytes(&whole, i64::to_le_bytes))),
        bytes(&whole, i64::to_le_bytes)
    );
    let single_precision = [f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::from_bits(1)];
    let elements = bytes(&single_precision, f32::to_le_bytes);
    assert_eq!(one(single(Dtype::F32, elements.clone())), elements);
}

#[test]
fn what_a_type_cannot_hold_is_named() {
    let overflow = |array: &str, element| MeanError::Overflow {
        array: array.to_owned(),
        element,
    };
    let file = |values: [i8; 3]| single(Dtype::I8, bytes(&values, i8::to_le_bytes));
    let refused = elements(
        Some(&file([0, 0, 100])),
        &[diff("a", 1.0, file([0, 0, 28]))],
    );
    assert_eq!(refused, Err(overflow("x", 2)));

    let huge = single(Dtype::F64, bytes(&[1.0, f64::MAX], f64::to_le_bytes));
    let refused = elements(None, &[full("a", 2.0, huge)]);
    assert_eq!(refused, Err(overflow("x", 1)));

    let half = |it: f64| single(Dtype::F16, f16::from_f64(it).to_le_bytes().to_vec());
    let refused = elements(Some(&half(65504.0)), &[diff("a", 1.0, half(64.0))]);
    assert_eq!(refused, Err(overflow("x", 0)));

    let complex = |im: f32| single(Dtype::C64, bytes(&[0.0, 0.0, 0.0, im], f32::to_le_bytes));
    let refused = elements(
        Some(&complex(f32::MAX)),
        &[diff("a", 1.0, complex(f32::MAX))],
    );
    assert_eq!(refused, Err(overflow("x", 1)));
}

#[test]
fn a_difference_that_the_model_cannot_take_is_refused_alone() {
    let too_large = |model: &[u8], result: &[u8]| {
        let (base, header) = (header(model), header(result));
        chunks(&header).find_map(|chunk| {
            let slice = |file: &[u8], it: std::ops::Range<u64>| {
                file[it.start as usize..it.end as usize].to_vec()
            };
            let bytes = slice(result, chunk.range());
            assert_eq!(chunk.check(&bytes), Ok(()));
            let model = slice(model, chunk.range_in(&base).unwrap());
            chunk.check_difference(&bytes, &model).err()
        })
    };
    let at = |element| {
        Some(ResultError::TooLarge {
            array: "x".to_owned(),
            element,
        })
    };
    let small = |values: [i8; 2]| single(Dtype::I8, bytes(&values, i8::to_le_bytes));
    let model = small([100, -100]);
    assert_eq!(too_large(&model, &small([100, 0])), at(0));
    assert_eq!(too_large(&model, &small([27, -29])), at(1));
    assert_eq!(too_large(&model, &small([27, -28])), None);
    let half = |it: f64| single(Dtype::F16, f16::from_f64(it).to_le_bytes().to_vec());
    assert_eq!(too_large(&half(65504.0), &half(64.0)), at(0));
    assert_eq!(too_large(&half(65504.0), &half(1.0)), at(0));
    let long = |last: f32| {
        let mut values = vec![0f32; CHUNK_ELEMENTS as usize + 3];
        values[CHUNK_ELEMENTS as usize + 2] = last;
        single(Dtype::F32, bytes(&values, f32::to_le_bytes))
    };
    let (huge, step) = (long(f32::MAX), long(f32::MAX / 2.0));
    assert_eq!(too_large(&huge, &step), at(CHUNK_ELEMENTS + 2));
    assert_eq!(too_large(&step, &step), None);
    // Two of three sites are left, and have a mean.
    let others = [
        diff("b", 1.0, small([27, 0])),
        diff("c", 1.0, small([27, -28])),
    ];
    assert!(elements(Some(&model), &others).is_ok());
}

#[test]
fn a_site_alone_gets_its_own_bytes_back() {
    let values = [0.1f32, -0.0, 0.0, f32::MIN_POSITIVE / 4.0, -7.25];
    let file = single(Dtype::F32, bytes(&values, f32::to_le_bytes));
    assert_eq!(
        mean_of(None, &[full("a", 3.0, file.clone())], false),
        Ok(file)
    );
}

#[test]
fn arrays_of_any_size_and_shape_are_summed_in_pieces() {
    let long = CHUNK_ELEMENTS as usize * 2 + 3;
    let file = |scale: f32| {
        let complex: Vec<f32> = (0..2 * long).map(|it| it as f32 * scale).collect();
        let whole: Vec<u16> = (0..long)
            .map(|it| (it % 1000) as u16 * scale as u16)
            .collect();
        file(&[
            (
                "complex",
                Dtype::C64,
                &[long],
                bytes(&complex, f32::to_le_bytes),
            ),
            (
                "whole",
                Dtype::U16,
                &[1, long],
                bytes(&whole, u16::to_le_bytes),
            ),
            (
                "single",
                Dtype::F64,
                &[],
                bytes(&[f64::from(scale)], f64::to_le_bytes),
            ),
            ("none", Dtype::I32, &[3, 0], Vec::new()),
            ("also none", Dtype::F64, &[0], Vec::new()),
        ])
    };
    let returned = [full("a", 3.0, file(1.0)), full("b", 1.0, file(5.0))];
    assert_eq!(mean_of(Some(&file(9.0)), &returned, false), Ok(file(2.0)));
    let differences = [diff("a", 3.0, file(0.0)), full("b", 1.0, file(4.0))];
    let refused = mean_of(Some(&file(4.0)), &differences, false);
    assert!(matches!(
        refused,
        Err(MeanError::Result {
            fault: ResultError::Difference { .. },
            ..
        })
    ));

    let mean = begin(None, &returned, false).unwrap();
    assert_eq!(mean.sites().count(), 2);
    let longest = chunks(mean.header())
        .map(|it| it.range().end - it.range().start)
        .max();
    assert_eq!(longest, Some(CHUNK_ELEMENTS * 8));
}

#[test]
fn without_arrays_there_is_nothing_to_read() {
    let empty = file(&[("none", Dtype::F32, &[0], Vec::new())]);
    assert_eq!(
        mean_of(None, &[full("a", 1.0, empty.clone())], false),
        Ok(empty)
    );
}

#[test]
fn arrays_that_are_missing_are_means_of_who_has_them() {
    let array = |name: &'static str, value: f32| {
        (
            name,
            Dtype::F32,
            &[1usize][..],
            value.to_le_bytes().to_vec(),
        )
    };
    let model = file(&[array("all", 1.0), array("none", 2.0), array("some", 3.0)]);
    let returned = [
        full("a", 1.0, file(&[array("all", 10.0), array("some", 7.0)])),
        full("b", 3.0, file(&[array("all", 20.0)])),
        diff("c", 1.0, file(&[array("some", 2.0)])),
    ];
    let expected = file(&[array("all", 17.5), array("none", 2.0), array("some", 6.0)]);
    assert_eq!(mean_of(Some(&model), &returned, true), Ok(expected));
    let refused = mean_of(Some(&model), &returned, false).unwrap_err();
    assert!(
        matches!(
            refused,
            MeanError::Result {
                fault: ResultError::Missing(_),
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn each_site_counts_once_and_there_is_one() {
    let file = single(Dtype::F32, vec![0; 4]);
    let twice = [
        full("a", 1.0, file.clone()),
        full("b", 1.0, file.clone()),
        full("a", 2.0, file.clone()),
    ];
    assert_eq!(
        begin(None, &twice, false).unwrap_err(),
        MeanError::Twice("a".to_owned())
    );
    assert_eq!(
        begin(Some(&file), &[], false).unwrap_err(),
        MeanError::Nobody
    );
}

#[test]
fn other_bytes_than_asked_for_change_nothing() {
    let returned = [full(
        "a",
        1.0,
        single(Dtype::F32, 3f32.to_le_bytes().to_vec()),
    )];
    let mut mean = begin(None, &returned, false).unwrap();
    let expected = MeanError::Read {
        expected: 4,
        found: 3,
    };
    assert_eq!(mean.handle_read(&[0; 3]), Err(expected));
    mean.handle_read(&3f32.to_le_bytes()).unwrap();
    assert_eq!(mean.poll_write(), Some(3f32.to_le_bytes().to_vec()));
    assert_eq!(mean.poll_read(), None);
    assert_eq!(
        mean.handle_read(&[0]),
        Err(MeanError::Read {
            expected: 0,
            found: 1
        })
    );
}

#[test]
fn weights_are_positive_numbers() {
    for bad in [
        0.0,
        -1.0,
        f64::NAN,
        f64::INFINITY,
        MAX_WEIGHT * 2.0,
        MIN_WEIGHT / 2.0,
        -0.0,
    ] {
        assert!(
            matches!(Weight::new(bad), Err(WeightError::OutOfRange(_))),
            "{bad}"
        );
    }
    let json = |text: &str| Weight::from_json(Some(&serde_json::from_str(text).unwrap()));
    assert_eq!(json("3").unwrap(), json("3.0").unwrap());
    assert_eq!(json("9007199254740992").unwrap().get(), MAX_WEIGHT);
    assert!(matches!(
        json("9007199254740993"),
        Err(WeightError::OutOfRange(_))
    ));
    assert!(matches!(json("-3"), Err(WeightError::OutOfRange(_))));
    assert!(matches!(json("\"3\""), Err(WeightError::NotANumber(_))));
    assert!(matches!(json("true"), Err(WeightError::NotANumber(_))));
    assert_eq!(json("null"), Err(WeightError::Missing));
    assert_eq!(Weight::from_json(None), Err(WeightError::Missing));
    assert!(serde_json::from_str::<Weight>("-1.0").is_err());
}

#[test]
fn memory_does_not_grow_with_the_model_and_hardly_with_sites() {
    let names: Vec<String> = (0..400).map(|it| format!("layer.{it}.weight")).collect();
    let outlines = names
        .iter()
        .map(|it| ArrayOutline::new(it, Dtype::F32, [1 << 30]));
    let header = Header::new(outlines, Metadata::new()).unwrap();
    assert!(header.file_length() > 1 << 40);
    let peak = |sites: usize| {
        let used = allocation_counter::measure(|| {
            let mut builder = MeanBuilder::new("project", Some(header.clone()), false);
            for site in 0..sites {
                let site = format!("site-{site}");
                let it = Contributor::new(site, Weight::ONE, Kind::Full, header.clone());
                builder.add(it).unwrap();
            }
            let mut mean = builder.build().unwrap();
            let bytes = vec![0; CHUNK_ELEMENTS as usize * 4];
            for _ in 0..2 * sites {
                mean.handle_read(&bytes).unwrap();
                mean.poll_write();
            }
        });
        used.bytes_max
    };
    assert!(peak(4) < 4 << 20, "{}", peak(4));
    assert!(peak(1004) < peak(4) + 1000 * 400, "{}", peak(1004));
}

#[test]
fn without_a_model_the_first_in_order_gives_the_texts() {
    let with = |format: &str| {
        let texts = [("format", format), ("secret", "of one site")];
        let metadata = Metadata::from(texts.map(|(key, text)| (key.to_owned(), text.to_owned())));
        let header = Header::new([ArrayOutline::new("x", Dtype::F32, [1])], metadata).unwrap();
        [header.bytes(), &[0; 4]].concat()
    };
    let mut returned = ["pt", "np", "xx"].map(|it| full(it, 1.0, with(it)));
    let texts = |returned: &[Returned]| begin(None, returned, false).unwrap().header().clone();
    let expected = texts(&returned);
    let order = begin(None, &returned, false).unwrap();
    let first = order.sites().next().unwrap().to_owned();
    let expected_texts = Metadata::from([("format".to_owned(), first)]);
    assert_eq!(*expected.metadata(), expected_texts);
    for _ in 0..3 {
        returned.rotate_left(1);
        assert_eq!(texts(&returned), expected);
    }
}
