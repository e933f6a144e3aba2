//! Headers of tasks and results as JSON.

use fedlink::message::Properties;
use serde_json::{Map, Value};

/// One object with a text for each header.
pub(super) fn to_json(headers: &Properties) -> String {
    let object: Map<String, Value> = headers
        .iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    Value::Object(object).to_string()
}

/// The headers in one object of texts, numbers, truths and nulls, which are left out.
///
/// # Errors
/// What it is instead.
pub(super) fn from_json(text: &str) -> Result<Properties, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(object) = value else {
        return Err("it must hold one JSON object".to_owned());
    };
    let mut headers = Properties::new();
    for (key, value) in object {
        match value {
            Value::Null => {}
            Value::String(text) => headers.insert(key, text),
            Value::Number(_) | Value::Bool(_) => headers.insert(key, value.to_string()),
            Value::Array(_) | Value::Object(_) => {
                return Err(format!(
                    "`{key}` must be a text, a number, true or false: put arrays into the .npz file"
                ));
            }
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_from_their_json() {
        let headers = Properties::new().with("kind", "WEIGHTS").with("a\"b", "é");
        assert_eq!(from_json(&to_json(&headers)), Ok(headers));
    }

    #[test]
    fn scalars_become_text() {
        let json = r#"{"meta.NUM_STEPS_CURRENT_ROUND": 12, "loss": 0.5, "last": true, "no": null}"#;
        let headers = Properties::new()
            .with("meta.NUM_STEPS_CURRENT_ROUND", "12")
            .with("loss", "0.5")
            .with("last", "true");
        assert_eq!(from_json(json), Ok(headers));
    }

    #[test]
    fn anything_else_is_refused() {
        for (json, problem) in [
            ("[1]", "one JSON object"),
            (r#"{"w": [1]}"#, "`w` must be a text"),
            ("{", "EOF"),
        ] {
            let error = from_json(json).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
