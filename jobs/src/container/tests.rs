use proptest::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{SafeTensors, serialize};

use super::*;
use crate::fuzzing;

/// A file with this header, and so many bytes of arrays.
fn file(header: &str, arrays: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + arrays, 0);
    file
}

fn refusal(header: &str, arrays: usize) -> ContainerError {
    Container::read(&file(header, arrays)).unwrap_err()
}

fn array(name: &str, dtype: &str, shape: &str, start: u64, end: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
}

fn with_tree(tree: &str, arrays: &str) -> String {
    let tree = serde_json::Value::from(tree);
    format!(r#"{{"__metadata__":{{"fedlink.tree":{tree}}},{arrays}}}"#)
}

fn tree_refusal(tree: &str) -> TreeError {
    let bytes = array("a", "U8", "[2]", 0, 2);
    match refusal(&with_tree(tree, &bytes), 2) {
        ContainerError::Tree(fault) => fault,
        other => panic!("{other}"),
    }
}

#[test]
fn sizes_that_lie_are_refused_with_the_array() {
    let one = |shape: &str, start, end| {
        refusal(&format!("{{{}}}", array("w", "F32", shape, start, end)), 8)
    };
    let length = |expected, found| ContainerError::Length {
        array: "w".to_owned(),
        expected,
        found,
    };
    assert_eq!(one("[3]", 0, 8), length(12, 8));
    assert_eq!(one("[1]", 0, 8), length(4, 8));
    assert_eq!(one("[2]", 8, 0), length(8, 0));
    assert_eq!(one("[]", 0, 8), length(4, 8));
    assert_eq!(
        one("[4294967296,4294967296]", 0, 8),
        ContainerError::Size("w".to_owned())
    );
    assert_eq!(one("[0,18446744073709551615]", 0, 8), length(0, 8));
    assert_eq!(one("[2]", 4, 12), ContainerError::Gap("w".to_owned()));
    let header = format!("{{{}}}", array("w", "F32", "[2]", 0, 8));
    for arrays in [3, 9] {
        let before = 8 + header.len();
        let (expected, found) = (before as u64 + 8, (before + arrays) as u64);
        assert_eq!(
            refusal(&header, arrays),
            ContainerError::FileLength { expected, found }
        );
    }
    let halves = format!("{{{}}}", array("w", "F4", "[3]", 0, 2));
    assert_eq!(refusal(&halves, 2), ContainerError::Size("w".to_owned()));
}

#[test]
fn arrays_that_share_bytes_or_leave_some_are_refused() {
    let two = |start, end| {
        let (first, second) = (
            array("a", "U8", "[4]", 0, 4),
            array("b", "U8", "[4]", start, end),
        );
        refusal(&format!("{{{first},{second}}}"), 12)
    };
    assert_eq!(two(2, 6), ContainerError::Overlap("b".to_owned()));
    assert_eq!(two(0, 4), ContainerError::Overlap("b".to_owned()));
    assert_eq!(two(6, 10), ContainerError::Gap("b".to_owned()));
    assert!(matches!(two(4, 8), ContainerError::FileLength { .. }));
}

#[test]
fn names_come_once_and_are_names() {
    let twice = format!(
        "{{{},{}}}",
        array("a", "U8", "[0]", 0, 0),
        array("a", "U8", "[0]", 0, 0)
    );
    assert_eq!(refusal(&twice, 0), ContainerError::Twice("a".to_owned()));
    // The same key, written otherwise.
    let escaped = twice.replacen("\"a\"", "\"\\u0061\"", 1);
    assert_eq!(refusal(&escaped, 0), ContainerError::Twice("a".to_owned()));
    let metadata = r#"{"__metadata__":{"k":"1","k":"2"}}"#;
    assert_eq!(refusal(metadata, 0), ContainerError::Twice("k".to_owned()));
    let metadata = r#"{"__metadata__":{},"__metadata__":{}}"#;
    assert_eq!(
        refusal(metadata, 0),
        ContainerError::Twice("__metadata__".to_owned())
    );
    for name in ["", &"x".repeat(MAX_NAME + 1)] {
        let named = format!("{{{}}}", array(name, "U8", "[0]", 0, 0));
        assert!(
            matches!(refusal(&named, 0), ContainerError::Name(_)),
            "{name}"
        );
    }
}

#[test]
fn headers_are_bounded_and_json() {
    let huge = u64::from(u32::MAX);
    assert_eq!(
        Header::needs(&huge.to_le_bytes()),
        Err(ContainerError::HeaderTooLong(huge))
    );
    assert_eq!(
        Header::needs(&u64::MAX.to_le_bytes()),
        Err(ContainerError::HeaderTooLong(u64::MAX))
    );
    assert_eq!(
        Container::read(&100u64.to_le_bytes()).unwrap_err(),
        ContainerError::Short {
            expected: 108,
            found: 8
        }
    );
    assert_eq!(
        Container::read(b"PK").unwrap_err(),
        ContainerError::Short {
            expected: 8,
            found: 2
        }
    );
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let dimensions = format!("[{}]", vec!["1"; MAX_DIMENSIONS + 1].join(","));
    let wide = format!("{{{}}}", array("a", "U8", &dimensions, 0, 1));
    let typed = format!("{{{}}}", array("a", "O8", "[1]", 0, 1));
    let negative = format!("{{{}}}", array("a", "U8", "[-1]", 0, 1));
    for header in [
        "",
        "{",
        "[]",
        "{}x",
        r#"{"a":1}"#,
        &deep,
        &typed,
        &negative,
        "{\"\u{0}\":{}}",
    ] {
        assert!(
            matches!(refusal(header, 1), ContainerError::Json(_)),
            "{header:.40}"
        );
    }
    assert!(matches!(
        refusal(&wide, 1),
        ContainerError::Dimensions { found: 65, .. }
    ));
    let mut other = file("{}  ", 0);
    other[8] = 0xff;
    assert!(matches!(
        Container::read(&other).unwrap_err(),
        ContainerError::Json(_)
    ));
}

#[test]
fn a_header_that_would_be_too_long_is_not_written() {
    let metadata = Metadata::from([("k".to_owned(), "x".repeat(MAX_HEADER))]);
    assert!(matches!(
        Header::new([], metadata),
        Err(ContainerError::HeaderTooLong(_))
    ));
}

#[test]
fn trees_name_each_array_once() {
    let fault = tree_refusal;
    assert_eq!(fault("null"), TreeError::Lost("a".to_owned()));
    assert_eq!(
        fault(r#"[{"$array":"a"},{"$bytes":"a"}]"#),
        TreeError::Again("a".to_owned())
    );
    assert_eq!(
        fault(r#"[{"$array":"a"},{"$array":"b"}]"#),
        TreeError::Missing("b".to_owned())
    );
    assert_eq!(fault(r#"{"x":1,"x":2}"#), TreeError::Twice("x".to_owned()));
    assert_eq!(
        fault(r#"{"$array":"a","b":1}"#),
        TreeError::Unknown("$array".to_owned())
    );
    assert_eq!(
        fault(r#"{"$pickle":"a"}"#),
        TreeError::Unknown("$pickle".to_owned())
    );
    assert_eq!(
        fault(r#"{"$float":"1e999"}"#),
        TreeError::Float("1e999".to_owned())
    );
    assert_eq!(fault(r#"{"$map":[[[],{"$array":"a"}]]}"#), TreeError::Key);
    for malformed in [
        "",
        "{",
        "nan",
        r#"{"$array":1}"#,
        r#"{"$map":[[1]]}"#,
        r#"{"$tuple":1}"#,
        "1 2",
    ] {
        assert!(
            matches!(fault(malformed), TreeError::Json(_)),
            "{malformed}"
        );
    }
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(fault(&nested(65)), TreeError::Depth);
    assert_eq!(fault(&nested(64)), TreeError::Lost("a".to_owned()));
    assert_eq!(fault(&nested(100_000)), TreeError::Depth);
}

#[test]
fn bytes_of_a_tree_are_an_array_of_bytes() {
    for (dtype, shape) in [("I8", "[2]"), ("U8", "[1,2]"), ("U16", "[1]")] {
        let header = with_tree(r#"{"$bytes":"a"}"#, &array("a", dtype, shape, 0, 2));
        let expected = TreeError::NotBytes("a".to_owned());
        assert_eq!(refusal(&header, 2), ContainerError::Tree(expected));
    }
}

#[test]
fn npy_files_hold_no_objects() {
    let npy = |descr: &str| {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file
    };
    let read = |npy: &[u8]| {
        let length = npy.len() as u64;
        let array = array("a", "U8", &format!("[{length}]"), 0, length);
        let mut file = file(&with_tree(r#"{"$npy":"a"}"#, &array), 0);
        file.extend(npy);
        Container::read(&file).map(|_| ())
    };
    let refused = |fault| Err(ContainerError::Tree(fault));
    for plain in [
        "'<U5'",
        "'<M8[ns]'",
        "'<c16'",
        "[('Over', '<f4'), ('b', '|S3', (2,))]",
        "'<f2'",
    ] {
        assert_eq!(read(&npy(plain)), Ok(()), "{plain}");
    }
    for objects in [
        "'|O'",
        "'O'",
        "\"|O8\"",
        "'object'",
        "[('a', '<f4'), ('b', [('c', '|O')])]",
        "'i4, O'",
        // What Python makes of these is a type of objects too.
        r"'|\x4f'",
        "'(2,)O'",
        "'ob' 'ject'",
        "'''|O'''",
        "'ob' # , \n 'ject'",
    ] {
        assert_eq!(
            read(&npy(objects)),
            refused(TreeError::Objects("a".to_owned())),
            "{objects}"
        );
    }
    let whole = npy("'<U5'");
    for broken in [&b"PK"[..], &whole[..20], b"\x93NUMPY\x09\x00\x00\x00"] {
        assert_eq!(read(broken), refused(TreeError::Npy("a".to_owned())));
    }
}

#[test]
fn whole_numbers_keep_all_their_digits() {
    let tree = Tree::from_json(r#"{"n": 1180591620717411303424, "m": -0.0, "t": {"$tuple": []}}"#);
    let json = tree.unwrap().to_json();
    assert_eq!(
        json,
        r#"{"m":-0.0,"n":1180591620717411303424,"t":{"$tuple":[]}}"#
    );
}

#[test]
fn a_flat_dict_of_arrays_is_told() {
    let flat = |json: &str| Tree::from_json(json).unwrap().is_flat();
    assert!(flat(r#"{"a":{"$array":"a"},"b":{"$array":"b"}}"#));
    assert!(flat("{}"));
    assert!(!flat(r#"{"a":{"$array":"b"}}"#));
    assert!(!flat(r#"{"a":{"$bytes":"a"}}"#));
    assert!(!flat(r#"{"a":{"$array":"a"},"n":1}"#));
    assert!(!flat("[]"));
}

#[test]
fn arrays_without_elements_lie_anywhere() {
    let header = format!(
        "{{{},{},{}}}",
        array("b", "U8", "[4]", 0, 4),
        array("a", "F64", "[0,7]", 4, 4),
        array("c", "F32", "[0]", 0, 0)
    );
    let file = file(&header, 4);
    let read = Container::read(&file).unwrap();
    assert_eq!(read.bytes("a"), Some(&[][..]));
    assert_eq!(read.bytes("b"), Some(&[0; 4][..]));
    assert_eq!(read.bytes("d"), None);
}

#[test]
fn what_is_written_is_as_long_as_it_says() {
    let arrays = || {
        let outline = |name, dtype| ArrayOutline::new(name, dtype, [2]);
        [
            (outline("b", Dtype::U8), &[1, 2][..]),
            (outline("a", Dtype::U16), &[3, 4, 5, 6]),
        ]
    };
    let file = write(arrays(), Metadata::new()).unwrap();
    let read = Container::read(&file).unwrap();
    assert_eq!(
        (read.bytes("a"), read.bytes("b")),
        (Some(&[3, 4, 5, 6][..]), Some(&[1, 2][..]))
    );
    let mut short = arrays();
    short[1].1 = &[3];
    let refused = write(short, Metadata::new()).unwrap_err();
    let array = "a".to_owned();
    assert_eq!(
        refused,
        ContainerError::Length {
            array,
            expected: 4,
            found: 1
        }
    );
    let mut twice = arrays();
    twice[1].0.name = "b".to_owned();
    assert_eq!(
        write(twice, Metadata::new()),
        Err(ContainerError::Twice("b".to_owned()))
    );
}

fn dtype() -> impl Strategy<Value = Dtype> {
    use Dtype::*;
    prop::sample::select(vec![
        BOOL, U8, I8, U16, F16, BF16, I32, F32, C64, F64, I64, U64,
    ])
}

proptest! {
    /// The genuine writer and ours write the same bytes, and each reads the other's.
    #[test]
    fn files_are_those_of_safetensors(
        arrays in prop::collection::btree_map("[a-z./$ \\n\"é]{1,6}", (dtype(), prop::collection::vec(0..4usize, 0..4)), 0..6),
        text in prop::option::of("[ -~]{0,9}"),
        order in any::<prop::sample::Index>(),
    ) {
        let mut outlines: Vec<_> =
            arrays.iter().map(|(name, (dtype, shape))| ArrayOutline::new(name, *dtype, shape.clone())).collect();
        let middle = order.index(outlines.len() + 1).min(outlines.len());
        outlines.rotate_left(middle);
        let metadata: Metadata = text.map(|it| ("k".to_owned(), it)).into_iter().collect();
        let header = Header::new(outlines, metadata.clone()).unwrap();
        let mut file = header.bytes().to_vec();
        file.extend((header.bytes().len() as u64..header.file_length()).map(|it| it as u8));

        let read = Container::read(&file).unwrap();
        prop_assert_eq!(read.header(), &header);
        let genuine = SafeTensors::deserialize(&file).unwrap();
        let views: Vec<(String, TensorView<'_>)> = genuine.tensors();
        let info = (!metadata.is_empty()).then(|| metadata.into_iter().collect());
        prop_assert_eq!(serialize(views, info).unwrap(), &file[..]);
        fuzzing::container(&file);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..64), header in "[\\[\\]{}\":,a0$ ]{0,40}") {
        fuzzing::container(&bytes);
        fuzzing::container(&file(&header, bytes.len()));
    }
}
