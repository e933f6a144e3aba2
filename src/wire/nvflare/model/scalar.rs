//! Numbers, truth values and text as the text of headers, and back.

use alloc::format;
use alloc::string::{String, ToString};

use crate::wire::nvflare::npy::Array;
use crate::wire::nvflare::typed;
use crate::wire::nvflare::value::Value;

/// The text of a number, a truth value, a text, or a typed value of these, such as an enum
/// or a numpy scalar. `None` for anything else.
pub(super) fn to_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::UInt(value) => Some(value.to_string()),
        // With a fraction even where it is zero, so that it comes back as what it was.
        Value::Float(value) => Some(format!("{value:?}")),
        Value::Str(text) => Some(text.clone()),
        Value::Map(_) => match typed::typed(value)?.1 {
            Value::Map(_) => None,
            data => to_text(data),
        },
        Value::Nil | Value::Bytes(_) | Value::List(_) => None,
    }
}

/// A number of numpy's own as an array without dimensions, which it is for a program.
/// These types are all that NVFlare can send.
pub(super) fn to_array(value: &Value) -> Option<Array> {
    let (name, data) = typed::typed(value)?;
    let float = || match data {
        Value::Float(value) => Some(*value),
        _ => int(data).map(|value| value as f64),
    };
    let array = match name {
        "numpy.float64" => Array::new([], [float()?]),
        "numpy.float32" => Array::new([], [float()? as f32]),
        "numpy.int64" => Array::new([], [int(data)?]),
        "numpy.int32" => Array::new([], [i32::try_from(int(data)?).ok()?]),
        _ => return None,
    };
    array.ok()
}

fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(*value),
        Value::UInt(value) => i64::try_from(*value).ok(),
        _ => None,
    }
}

/// A truth value or a number where the text reads as one, else the text.
pub(super) fn from_text(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => number(text).unwrap_or_else(|| text.into()),
    }
}

/// The number that `text` is.
pub(super) fn number(text: &str) -> Option<Value> {
    let int = text.parse().map(Value::Int);
    int.or_else(|_| text.parse::<u64>().map(Value::from))
        .ok()
        .or_else(|| text.parse().ok().map(Value::Float))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_come_back_as_what_they_were() {
        for value in [
            Value::Bool(true),
            Value::Bool(false),
            Value::Int(-7),
            Value::from(u64::MAX),
            Value::Float(3.0),
            Value::Float(1e-9),
            Value::from("some text"),
        ] {
            assert_eq!(from_text(&to_text(&value).unwrap()), value);
        }
    }

    #[test]
    fn typed_scalars_are_shown_by_their_data() {
        assert_eq!(
            to_text(&typed::DATA_KIND.of("WEIGHTS")).as_deref(),
            Some("WEIGHTS")
        );
        for none in [
            Value::Nil,
            Value::List(vec![]),
            typed::TUPLE.of(vec![]),
            typed::TUPLE.of(typed::TUPLE.of(1_i64)),
        ] {
            assert_eq!(to_text(&none), None);
        }
    }
}
