//! Values of NVFlare as JSON, for hosts and people.

use alloc::format;
use alloc::string::{String, ToString};

use serde_json::{Map, Value as Json};

use super::typed;
use super::value::Value;

/// The value as JSON text. Typed values are shown by their data, bytes by their number,
/// keys that are no text by their JSON.
pub(crate) fn as_json(value: &Value) -> String {
    json(value).to_string()
}

fn json(value: &Value) -> Json {
    if let Some((_, data)) = typed::typed(value) {
        return json(data);
    }
    match value {
        Value::Nil => Json::Null,
        Value::Bool(it) => (*it).into(),
        Value::Int(it) => (*it).into(),
        Value::UInt(it) => (*it).into(),
        // Infinities and what is no number have no JSON.
        Value::Float(it) => (*it).into(),
        Value::Str(it) => it.as_str().into(),
        Value::Bytes(it) => format!("{} bytes", it.len()).into(),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(pairs) => Json::Object(
            pairs
                .iter()
                .map(|(key, value)| {
                    let key = match json(key) {
                        Json::String(key) => key,
                        other => other.to_string(),
                    };
                    (key, json(value))
                })
                .collect::<Map<_, _>>(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_wants_is_readable() {
        let spec = Value::map([
            ("gpus", Value::from(2i64)),
            ("mem", Value::Float(0.5)),
            ("kinds", vec![Value::Nil, true.into(), "a".into()].into()),
        ]);
        assert_eq!(
            as_json(&spec),
            r#"{"gpus":2,"kinds":[null,true,"a"],"mem":0.5}"#
        );
    }
}
