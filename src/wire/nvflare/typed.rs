//! Typed maps: how FOBS writes what is not plain, and the types that fedlink knows.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::value::Value;

const TYPE: &str = "__fobs_type__";
const DATA: &str = "__fobs_data__";
const DECOMPOSER: &str = "__fobs_dc__";

/// A Python type: its name, and the name of the class that takes it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    pub(crate) name: &'static str,
    decomposer: &'static str,
}

const fn known(name: &'static str, decomposer: &'static str) -> Type {
    Type { name, decomposer }
}

const DATA_CLASS: &str = "nvflare.fuel.utils.fobs.decomposer.DataClassDecomposer";

/// What tasks, results and answers travel as: a dict with `__headers__`.
pub(crate) const SHAREABLE: Type = known(
    "nvflare.apis.shareable.Shareable",
    "nvflare.fuel.utils.fobs.decomposer.DictDecomposer",
);
/// Properties of a peer.
pub(crate) const FL_CONTEXT: Type = known(
    "nvflare.apis.fl_context.FLContext",
    "nvflare.apis.utils.decomposers.flare_decomposers.ContextDecomposer",
);
/// What the data of a DXO are.
pub(crate) const DATA_KIND: Type = known(
    "nvflare.apis.dxo.DataKind",
    "nvflare.fuel.utils.fobs.decomposer.EnumTypeDecomposer",
);
/// A message of the admin channel.
pub(crate) const MESSAGE: Type = known("nvflare.private.admin_defs.Message", DATA_CLASS);
/// A tuple.
pub(crate) const TUPLE: Type = known(
    "tuple",
    "nvflare.fuel.utils.fobs.decomposers.core_decomposers.TupleDecomposer",
);
/// A dict whose order counts.
pub(crate) const ORDERED_DICT: Type = known(
    "collections.OrderedDict",
    "nvflare.fuel.utils.fobs.decomposers.core_decomposers.OrderedDictDecomposer",
);
/// A numpy array.
pub(crate) const NDARRAY: Type = known(
    "numpy.ndarray",
    "nvflare.app_common.decomposers.numpy_decomposers.NumpyArrayDecomposer",
);
/// A torch tensor.
pub(crate) const TENSOR: Type = known(
    "torch.Tensor",
    "nvflare.app_opt.pt.decomposers.TensorDecomposer",
);
/// Stands for bytes or text that follow the main body.
pub(crate) const DATUM_REF: Type = known("nvflare.fuel.utils.fobs.datum.DatumRef", DATA_CLASS);

/// Where a value of a data class has its attributes.
const ATTRIBUTES: &str = "data";
/// Header of a Shareable.
pub(crate) const HEADERS: &str = "__headers__";

impl Type {
    /// A value of this type.
    pub(crate) fn of(self, data: impl Into<Value>) -> Value {
        Value::map([
            (TYPE, self.name.into()),
            (DATA, data.into()),
            (DECOMPOSER, self.decomposer.into()),
        ])
    }

    /// The data of `value`, if it is of this type.
    pub(crate) fn data(self, value: &Value) -> Option<&Value> {
        let (name, data) = typed(value)?;
        (name == self.name).then_some(data)
    }

    /// The same, to be changed.
    pub(crate) fn data_mut(self, value: &mut Value) -> Option<&mut Value> {
        self.data(value)?;
        entry_mut(value, DATA)
    }
}

/// The name of the type and the data, if `value` is a typed map.
pub(crate) fn typed(value: &Value) -> Option<(&str, &Value)> {
    Some((value.get(TYPE)?.as_str()?, value.get(DATA)?))
}

/// A place in a map to be changed.
pub(crate) fn entry_mut<'a>(map: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    let Value::Map(pairs) = map else { return None };
    pairs
        .iter_mut()
        .rev()
        .find_map(|(k, value)| (k.as_str() == Some(key)).then_some(value))
}

/// A Shareable: its headers, then its entries.
pub(crate) fn shareable(headers: Vec<(Value, Value)>, entries: Vec<(Value, Value)>) -> Value {
    let mut all = vec![(HEADERS.into(), Value::Map(headers))];
    all.extend(entries);
    SHAREABLE.of(Value::Map(all))
}

/// The headers of a Shareable.
pub(crate) fn headers(shareable: &Value) -> Option<&Value> {
    SHAREABLE.data(shareable)?.get(HEADERS)
}

/// The entries of a Shareable without its headers.
#[cfg(test)]
pub(crate) fn into_entries(shareable: Value) -> Option<Vec<(Value, Value)>> {
    SHAREABLE.data(&shareable)?;
    let Value::Map(pairs) = shareable else {
        return None;
    };
    let (_, data) = pairs
        .into_iter()
        .rev()
        .find(|(key, _)| key.as_str() == Some(DATA))?;
    let Value::Map(mut entries) = data else {
        return None;
    };
    entries.retain(|(key, _)| key.as_str() != Some(HEADERS));
    Some(entries)
}

/// A context whose properties are all public and not sticky, as a peer sends it.
pub(crate) fn fl_context<'a>(properties: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let properties = properties
        .into_iter()
        .map(|(key, value)| {
            let detail = Value::map([("value", value), ("mask", Value::Int(0))]);
            (key.into(), detail)
        })
        .collect();
    FL_CONTEXT.of(vec![Value::Nil, Value::Map(properties)])
}

/// One property of a context.
#[cfg(test)]
pub(crate) fn context_property<'a>(context: &'a Value, key: &str) -> Option<&'a Value> {
    let [_, properties] = FL_CONTEXT.data(context)?.as_list()? else {
        return None;
    };
    properties.get(key)?.get("value")
}

/// A message of the admin channel.
pub(crate) fn message(id: &str, topic: &str, body: Value, headers: Value) -> Value {
    let attributes = [
        ("id", id.into()),
        ("topic", topic.into()),
        ("body", body),
        ("headers", headers),
    ];
    data_class(MESSAGE, Value::map(attributes))
}

/// The attributes of a message of the admin channel: `id`, `topic`, `body`, `headers`.
pub(crate) fn message_attributes(message: &Value) -> Option<&Value> {
    Some(attributes(MESSAGE.data(message)?))
}

/// A value of a data class.
pub(crate) fn data_class(class: Type, attributes: Value) -> Value {
    class.of(Value::map([(ATTRIBUTES, attributes)]))
}

/// The attributes among the data of a data class. Release 2.5 writes nothing else.
pub(crate) fn attributes(data: &Value) -> &Value {
    data.get(ATTRIBUTES).unwrap_or(data)
}

/// An array or a tensor whose bytes are right here.
pub(crate) fn native(kind: Type, bytes: Bytes) -> Value {
    kind.of(Value::map([
        ("type", "native".into()),
        ("data", Value::Bytes(bytes)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shareable_comes_apart_again() {
        let value = shareable(
            vec![("a".into(), Value::Int(1))],
            vec![("DXO".into(), Value::Nil)],
        );
        assert_eq!(headers(&value).unwrap().get("a"), Some(&Value::Int(1)));
        assert_eq!(
            into_entries(value).unwrap(),
            vec![("DXO".into(), Value::Nil)]
        );
        assert_eq!(into_entries(TUPLE.of(vec![])), None);
    }

    #[test]
    fn a_context_has_its_properties() {
        let context = fl_context([("__run_num__", "job".into())]);
        let run = context_property(&context, "__run_num__");
        assert_eq!(run, Some(&"job".into()));
        assert_eq!(context_property(&Value::Nil, "__run_num__"), None);
    }

    #[test]
    fn a_message_comes_apart_again() {
        let message = message("1", "train.deploy", Value::Nil, Value::Map(vec![]));
        let attributes = message_attributes(&message).unwrap();
        assert_eq!(attributes.get("topic"), Some(&"train.deploy".into()));
    }
}
