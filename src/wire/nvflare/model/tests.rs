use super::super::safetensors::tests::file as tensor_file;
use super::super::typed::{NDARRAY, ORDERED_DICT, TUPLE};
use super::super::vectors;
use super::from_host::Content;
use super::to_host::HostTask;
use super::*;
use crate::message::Properties;
use crate::message::limits::MAX_PROPERTIES;

const LIMIT: u64 = 1 << 20;

fn npy(value: f32) -> Bytes {
    Array::new([1], [value]).unwrap().to_npy()
}

fn array(value: f32) -> Value {
    typed::native(NDARRAY, npy(value))
}

fn by_reference(kind: ArrayKind, name: &str) -> Value {
    let data = Value::map([("type", "ref".into()), ("data", name.into())]);
    kind.of_type().of(data)
}

fn task(data: Value) -> Value {
    let headers = vec![
        ("__task_name__".into(), "train".into()),
        ("current_round".into(), Value::Int(3)),
        ("nested".into(), Value::map([("a", Value::Nil)])),
    ];
    let meta = Value::map([("lr", Value::Float(0.5)), ("list", Value::List(vec![]))]);
    let dxo = Value::map([
        ("kind", typed::DATA_KIND.of("WEIGHTS")),
        ("data", data),
        ("meta", meta),
    ]);
    typed::shareable(headers, vec![("DXO".into(), dxo)])
}

fn given(task: &HostTask) -> Bytes {
    task.parts.concat().into()
}

fn data(content: &Content) -> &Value {
    let (_, dxo) = content.entries.last().unwrap();
    dxo.get("data").unwrap()
}

#[test]
fn a_recorded_task_and_result_of_2_6_are_those_of_a_site() {
    let task = vectors::before_2_7_said("019_");
    let host = to_host(task, &BTreeMap::new(), LIMIT).unwrap();
    assert_eq!(host.headers.get("kind"), Some("WEIGHTS"));
    let payload = fobs::join(host.parts);
    let model = Model::read(&payload).unwrap();
    let shapes: Vec<_> = model
        .arrays()
        .map(|(name, array)| (name, array.shape()))
        .collect();
    assert_eq!(shapes, [("scale", &[][..]), ("w", &[4])]);

    let mut result = vectors::before_2_7_said("022_");
    let entries = typed::SHAREABLE.data_mut(&mut result).unwrap();
    let Value::Map(entries) = entries else {
        panic!()
    };
    let names = data_mut(entries).unwrap().as_map().unwrap();
    let numpy = |value: &Value| {
        let native = array_parts(value).is_some_and(|(_, how, _)| how == "native");
        native || scalar::to_array(value).is_some()
    };
    assert!(names.len() == 2 && names.iter().all(|(_, value)| numpy(value)));
}

fn no_headers() -> Properties {
    Properties::new()
}

#[test]
fn a_recorded_task_and_its_downloaded_array_become_an_npz_and_a_result() {
    let task = vectors::payload_of("045_");
    let decoded = fobs::decode(task).unwrap();
    let download = fobs::decode(vectors::payload_of("048_")).unwrap().value;
    let [item] = download.get("data").unwrap().as_list().unwrap() else {
        panic!()
    };
    let kind = decoded.sources[0].kind;
    let fetched: BTreeMap<_, _> = items(item.as_bytes().unwrap().clone(), kind)
        .unwrap()
        .into_iter()
        .collect();

    let missing = to_host(decoded.value.clone(), &BTreeMap::new(), LIMIT);
    assert_eq!(missing, Err(ModelError::Missing("T0.npy".into())));
    let host = to_host(decoded.value, &fetched, LIMIT).unwrap();
    let headers: Vec<_> = host.headers.iter().collect();
    assert_eq!(
        headers,
        [
            ("current_round", "0"),
            ("kind", "WEIGHTS"),
            ("num_rounds", "1"),
            ("task_name", "train")
        ]
    );
    assert_eq!(host.shape, None);
    let model = Model::read(&given(&host)).unwrap();
    let key = model.get("numpy_key").unwrap();
    assert_eq!((key.descr(), key.shape()), ("<f4", &[3, 3][..]));

    let result = Properties::new().with("meta.NUM_STEPS_CURRENT_ROUND", "1");
    let payload = model.to_payload().unwrap();
    let content = from_host(&result, payload.bytes(), true, None).unwrap();
    let recorded = fobs::decode(vectors::payload_of("053_")).unwrap().value;
    let recorded = typed::into_entries(recorded).unwrap();
    // The genuine site sent the same, with a reference in place of the array.
    let (mine, theirs) = (&content.entries[0].1, &recorded[0].1);
    assert_eq!(content.entries.len(), recorded.len());
    assert_eq!(mine.get("kind"), theirs.get("kind"));
    assert_eq!(mine.get("meta"), theirs.get("meta"));
    assert_eq!(
        mine.get("data").unwrap().get("numpy_key"),
        Some(&typed::native(NDARRAY, fetched["T0.npy"].clone()))
    );
    assert_eq!(content.headers, [("__content_type__".into(), "DXO".into())]);
}

#[test]
fn headers_are_the_scalars_as_text() {
    let host = to_host(task(Value::Map(vec![])), &BTreeMap::new(), LIMIT).unwrap();
    let headers: Vec<_> = host.headers.iter().collect();
    assert_eq!(
        headers,
        [
            ("current_round", "3"),
            ("kind", "WEIGHTS"),
            ("meta.lr", "0.5")
        ]
    );
}

#[test]
fn nested_data_get_names_and_their_shape_back() {
    let ordered = ORDERED_DICT.of(vec![
        TUPLE.of(vec!["w".into(), array(3.0)]),
        TUPLE.of(vec!["b".into(), array(4.0)]),
    ]);
    let nested = Value::map([
        ("flat/name", array(1.0)),
        ("deep", Value::map([("list", vec![array(2.0)].into())])),
        ("ordered", ordered),
        ("number", Value::Int(7)),
    ]);
    let host = to_host(task(nested.clone()), &BTreeMap::new(), LIMIT).unwrap();
    let model = Model::read(&given(&host)).unwrap();
    let names: Vec<_> = model.arrays().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["deep/list/0", "flat/name", "ordered/b", "ordered/w"]
    );

    let payload = model.to_payload().unwrap();
    let shape = host.shape.as_ref();
    let content = from_host(&no_headers(), payload.bytes(), true, shape).unwrap();
    let Value::Map(mut arrays) = nested else {
        panic!()
    };
    arrays.retain(|(key, _)| key.as_str() != Some("number"));
    assert_eq!(data(&content), &Value::Map(arrays.clone()));
    // What a task has besides is ignored if it comes back.
    let content = from_host(&no_headers(), &given(&host), true, shape).unwrap();
    assert_eq!(data(&content), &Value::Map(arrays));

    // An entry of a dict may be left out, and others may be added.
    let mut less = Model::new();
    less.insert("deep/list/0", model.get("deep/list/0").unwrap().clone());
    less.insert("more", model.get("flat/name").unwrap().clone());
    let payload = less.to_payload().unwrap();
    let content = from_host(&no_headers(), payload.bytes(), true, shape).unwrap();
    let wanted = Value::map([
        ("deep", Value::map([("list", vec![array(2.0)].into())])),
        ("ordered", ORDERED_DICT.of(vec![])),
        ("more", array(1.0)),
    ]);
    assert_eq!(data(&content), &wanted);
    let none = Model::new().to_payload().unwrap();
    assert_eq!(
        from_host(&no_headers(), none.bytes(), true, shape),
        Err(ModelError::Missing("deep/list/0.npy".into()))
    );
}

#[test]
fn data_that_are_no_dict_take_no_other_arrays() {
    let shape = Value::List(vec![]);
    let mut model = Model::new();
    let payload = model.to_payload().unwrap();
    let content = from_host(&no_headers(), payload.bytes(), true, Some(&shape)).unwrap();
    assert_eq!(data(&content), &shape);
    model.insert("w", Array::new([], [1_u8]).unwrap());
    let payload = model.to_payload().unwrap();
    assert_eq!(
        from_host(&no_headers(), payload.bytes(), true, Some(&shape)),
        Err(ModelError::NoPlace("w.npy".into()))
    );
}

#[test]
fn what_is_not_data_keeps_its_arrays_inline() {
    let mut shareable = task(Value::map([("w", by_reference(ArrayKind::Numpy, "T1"))]));
    let entries = typed::SHAREABLE.data_mut(&mut shareable).unwrap();
    let Value::Map(entries) = entries else {
        panic!()
    };
    let unknown = Value::map([
        ("__fobs_type__", "some.Type".into()),
        ("__fobs_data__", by_reference(ArrayKind::Numpy, "T0")),
    ]);
    entries.push(("extra".into(), unknown));
    let list = vec![by_reference(ArrayKind::Numpy, "T0")];
    entries.push(("list".into(), list.into()));
    let fetched = BTreeMap::from([("T0.npy".into(), npy(5.0)), ("T1.npy".into(), npy(6.0))]);
    let host = to_host(shareable, &fetched, LIMIT).unwrap();
    let members = npz::read(&given(&host)).unwrap();
    assert_eq!(
        (&members[0].name[..], &members[1].name[..]),
        ("w.npy", REST)
    );
    let rest = fobs::decode(members[1].bytes.clone()).unwrap().value;
    let entries = typed::into_entries(rest).unwrap();
    let (_, data) = typed::typed(&entries[1].1).unwrap();
    assert_eq!(data, &array(5.0));
    assert_eq!(entries[2].1, Value::List(vec![array(5.0)]));
}

/// The server would average it with what others return.
#[test]
fn what_is_no_array_is_never_part_of_a_result() {
    let others = [
        ("n_classes", Value::Float(2.0)),
        ("text", "words".into()),
        ("bytes", Value::from(Bytes::from_static(b"bytes"))),
        ("kind", typed::DATA_KIND.of("WEIGHTS")),
        ("empty", Value::Map(vec![])),
        ("list", vec![Value::Int(1), Value::Nil].into()),
        ("tuple", TUPLE.of(vec![Value::Bool(true)])),
        ("deep", Value::map([("lr", Value::Float(0.1))])),
        (
            "ordered",
            ORDERED_DICT.of(vec![TUPLE.of(vec!["n".into(), Value::Int(3)])]),
        ),
    ];
    let beside = others.into_iter().chain([("w", array(1.0))]);
    let beside = beside.map(|(key, value)| (Value::from(key), value));
    let beside = task(Value::Map(beside.collect()));
    let host = to_host(beside, &BTreeMap::new(), LIMIT).unwrap();
    let model = Model::read(&given(&host)).unwrap();
    for payload in [model.to_payload().unwrap().bytes(), &given(&host)] {
        let content = from_host(&no_headers(), payload, true, host.shape.as_ref()).unwrap();
        assert_eq!(data(&content), &Value::map([("w", array(1.0))]));
        assert_eq!(content.entries.len(), 1);
    }
    // In a list nobody can tell what should stand in its place.
    let mixed = Value::map([("list", vec![array(1.0), Value::Int(2)].into())]);
    let host = to_host(task(mixed), &BTreeMap::new(), LIMIT).unwrap();
    let payload = Model::read(&given(&host)).unwrap().to_payload().unwrap();
    let result = from_host(&no_headers(), payload.bytes(), true, host.shape.as_ref());
    assert_eq!(result, Err(ModelError::Mixed));
}

/// As the server sends parameters without dimensions once it has averaged them.
#[test]
fn numbers_of_numpy_are_arrays_without_dimensions() {
    let number = |name: &str, data: Value| {
        Value::map([("__fobs_type__", name.into()), ("__fobs_data__", data)])
    };
    let numbers = Value::map([
        ("f8", number("numpy.float64", Value::Float(2.5))),
        ("f4", number("numpy.float32", Value::Float(0.5))),
        ("whole", number("numpy.float32", Value::Int(3))),
        ("i8", number("numpy.int64", Value::Int(-7))),
        ("i4", number("numpy.int32", Value::Int(9))),
        (
            "array",
            typed::native(NDARRAY, Array::new([], [4_u8]).unwrap().to_npy()),
        ),
        ("w", array(1.0)),
    ]);
    let host = to_host(task(numbers), &BTreeMap::new(), LIMIT).unwrap();
    assert_eq!(host.shape, None);
    let model = Model::read(&given(&host)).unwrap();
    let all: Vec<_> = model
        .arrays()
        .map(|(name, it)| (name, it.descr()))
        .collect();
    let expected = [
        ("array", "|u1"),
        ("f4", "<f4"),
        ("f8", "<f8"),
        ("i4", "<i4"),
        ("i8", "<i8"),
        ("w", "<f4"),
        ("whole", "<f4"),
    ];
    assert_eq!(all, expected);
    let of = |name| model.get(name).unwrap();
    assert_eq!(of("f8").values::<f64>().unwrap(), [2.5]);
    assert_eq!(of("whole").values::<f32>().unwrap(), [3.0]);
    assert_eq!(of("i8").values::<i64>().unwrap(), [-7]);
    assert!(of("f4").shape().is_empty());
    let payload = model.to_payload().unwrap();
    let content = from_host(&no_headers(), payload.bytes(), true, None).unwrap();
    assert_eq!(data(&content).as_map().unwrap().len(), 7);

    let recorded = fobs::decode(vectors::payload_of("123_")).unwrap().value;
    assert_eq!(scalar::to_array(&recorded), Array::new([], [2.5]).ok());
}

#[test]
fn tensors_pass_through_under_the_name_that_nvflare_gives_them() {
    let shareable = task(Value::map([("w", by_reference(ArrayKind::Tensor, "T0"))]));
    let fetched: BTreeMap<_, _> = items(tensor_file("T0"), ArrayKind::Tensor)
        .unwrap()
        .into_iter()
        .collect();
    let host = to_host(shareable, &fetched, LIMIT).unwrap();
    let model = Model::read(&given(&host)).unwrap();
    let (name, file) = model.tensors().next().unwrap();
    assert_eq!(name, "w");
    assert_eq!(safetensors::name(file).as_deref(), Some(TENSOR));

    let mut result = Model::new();
    result.insert_tensor("w", tensor_file("anything"));
    let payload = result.to_payload().unwrap();
    let content = from_host(&no_headers(), payload.bytes(), true, None).unwrap();
    let native = data(&content).get("w").unwrap();
    let native = typed::TENSOR.data(native).unwrap().get("data").unwrap();
    let native = native.as_bytes().unwrap();
    assert_eq!(safetensors::name(native).as_deref(), Some(TENSOR));
    assert!(native.ends_with(&[7; 8]));
}

#[test]
fn metrics_stand_where_nvflare_looks_for_them() {
    let headers = Properties::new()
        .with("metrics.loss", "0.25")
        .with("current_round", "2");
    let alone = from_host(&headers, &Bytes::new(), true, None).unwrap();
    let (_, dxo) = &alone.entries[0];
    assert_eq!(dxo.get("kind"), Some(&typed::DATA_KIND.of("METRICS")));
    assert_eq!(data(&alone), &Value::map([("loss", Value::Float(0.25))]));
    assert_eq!(alone.headers[0], ("current_round".into(), Value::Int(2)));
    // The task's arrays need not come back then, whatever its shape.
    let member = Value::map([("type", MEMBER.into()), ("data", "w.npy".into())]);
    let shape = Value::List(vec![NDARRAY.of(member)]);
    let shaped = from_host(&headers, &Bytes::new(), true, Some(&shape));
    assert_eq!(shaped, Ok(alone));

    let payload = Model::new().to_payload().unwrap();
    let beside = from_host(&headers, payload.bytes(), true, None).unwrap();
    let (_, dxo) = &beside.entries[0];
    assert_eq!(dxo.get("kind"), Some(&typed::DATA_KIND.of("WEIGHTS")));
    let meta = dxo.get("meta").unwrap();
    let initial = Value::map([("loss", Value::Float(0.25))]);
    assert_eq!(meta.get("initial_metrics"), Some(&initial));
}

#[test]
fn a_result_without_anything_has_no_data() {
    let empty = Bytes::new();
    assert_eq!(
        from_host(&no_headers(), &empty, true, None),
        Ok(Content::default())
    );
    let failed = from_host(&no_headers(), &Bytes::from_static(b"junk"), false, None);
    assert_eq!(failed, Ok(Content::default()));
}

#[test]
fn what_the_server_could_not_read_is_refused_here() {
    let bad = |key: &str, text: &str| Properties::new().with(key, text);
    let payload = Model::new().to_payload().unwrap();
    let from = |headers, payload: &Bytes| from_host(&headers, payload, true, None);
    assert_eq!(
        from(bad("kind", "weights"), payload.bytes()),
        Err(ModelError::Kind("weights".into()))
    );
    assert_eq!(
        from(bad("metrics.x", "good"), payload.bytes()),
        Err(ModelError::Metric("x".into()))
    );
    for (name, bytes) in [
        ("a.npy", Bytes::from_static(b"no array")),
        ("a.safetensors", Bytes::from_static(b"no tensor")),
        ("a.txt", Bytes::new()),
    ] {
        let mut writer = npz::Writer::new();
        writer.add(name, [bytes]).unwrap();
        let payload = writer.finish().unwrap().concat().into();
        assert!(from(no_headers(), &payload).is_err(), "{name}");
    }
}

#[test]
fn an_array_that_is_referred_to_often_does_not_grow_without_bounds() {
    let pairs = (0..1000).map(|at| {
        let reference = by_reference(ArrayKind::Numpy, "T0");
        (Value::from(format!("w{at}")), reference)
    });
    let shareable = task(Value::Map(pairs.collect()));
    let large = Array::new([1 << 16], vec![0_u8; 1 << 16]).unwrap();
    let fetched = BTreeMap::from([("T0.npy".into(), large.to_npy())]);
    assert_eq!(
        to_host(shareable, &fetched, LIMIT),
        Err(ModelError::TooLarge(LIMIT))
    );
}

#[test]
fn names_and_headers_are_bounded() {
    let long = "x".repeat(npz::MAX_NAME);
    let shareable = task(Value::map([(long.as_str(), array(1.0))]));
    assert_eq!(
        to_host(shareable, &BTreeMap::new(), LIMIT),
        Err(NpzError::Name.into())
    );
    let longest = &long[".npy".len()..];
    let shareable = task(Value::map([(longest, array(1.0))]));
    let host = to_host(shareable, &BTreeMap::new(), LIMIT).unwrap();
    let model = Model::read(&given(&host)).unwrap();
    assert_eq!(model.get(longest).unwrap().to_npy(), npy(1.0));
    let headers = (0..100).map(|at| (format!("h{at}").into(), "y".repeat(1 << 10).into()));
    let shareable = typed::shareable(headers.collect(), vec![]);
    let host = to_host(shareable, &BTreeMap::new(), LIMIT).unwrap();
    let size = host.headers.size();
    assert!((60 << 10..=64 << 10).contains(&size), "{size}");
    for len in MAX_PROPERTIES - 30..=MAX_PROPERTIES {
        let shareable = typed::shareable(vec![("h".into(), "y".repeat(len).into())], vec![]);
        let host = to_host(shareable, &BTreeMap::new(), LIMIT).unwrap();
        assert!(host.headers.size() <= MAX_PROPERTIES, "{len}");
    }
    let twice = Value::map([("a", array(1.0)), ("a", array(2.0))]);
    assert_eq!(
        to_host(task(twice), &BTreeMap::new(), LIMIT),
        Err(NpzError::Twice("a.npy".into()).into())
    );
}
