//! The messages of the trainer protocol, as docs/trainers.md describes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of the protocol that this site speaks.
pub(crate) const VERSION: u32 = 1;

/// The longest line either side may send, in bytes with its end: headers and metrics fit many
/// times over, and a line is held in memory as a whole.
pub(crate) const MAX_LINE: usize = 1 << 20;

/// The longest identifier, text of a failure, or name of a metric, in bytes: what the
/// coordinator keeps of a failure.
pub(crate) const MAX_TEXT: usize = 1_024;

/// The most metrics in one message: each becomes a line of a plot.
const MAX_METRICS: usize = 1_000;

/// All headers of a result, in bytes: what headers may take in a message to the coordinator.
const MAX_HEADERS: usize = 64 << 10;

/// What the arrays of a task or a result are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A whole model.
    #[default]
    Full,
    /// What is to be added to the model that the task brought.
    Diff,
}

/// What the site says.
#[derive(Debug, Serialize)]
#[serde(tag = "say", rename_all = "lowercase")]
pub(crate) enum SiteMessage<'a> {
    Job {
        v: u32,
        job: &'a str,
        kind: &'a str,
        site: &'a str,
        config: &'a Map<String, Value>,
        folder: &'a str,
    },
    Task {
        id: &'a str,
        task: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        round: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        rounds: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<Kind>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<&'a str>,
        headers: &'a BTreeMap<String, String>,
        again: bool,
    },
    Stop {
        id: &'a str,
        why: &'a str,
    },
    Taken {
        id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        refused: Option<&'a str>,
    },
    End {
        why: &'a str,
    },
    Ping,
}

/// What the program says.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "say", rename_all = "lowercase")]
pub(crate) enum ProgramMessage {
    Hello {
        versions: Vec<u32>,
        pid: u32,
    },
    Ready,
    Progress {
        id: String,
        done: f64,
    },
    Metrics {
        values: BTreeMap<String, f64>,
        #[serde(default)]
        step: Option<i64>,
    },
    Result {
        id: String,
        #[serde(default)]
        file: Option<String>,
        #[serde(default)]
        kind: Option<Kind>,
        #[serde(default)]
        weight: Option<f64>,
        #[serde(default)]
        metrics: BTreeMap<String, f64>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    Failed {
        id: String,
        text: String,
    },
    Pong,
}

impl ProgramMessage {
    /// # Errors
    /// What is wrong with the line, in words for the log of the site.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        // Without this a list would do as well.
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err("it is no JSON object".to_owned());
        }
        let message: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        message.check()?;
        Ok(message)
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Progress { done, .. } if !(0.0..=1.0).contains(done) => {
                Err(format!("`done` is {done}, and must be from 0 to 1"))
            }
            Self::Metrics { values, .. } => check_metrics(values),
            Self::Result {
                weight: Some(weight),
                ..
            } if *weight < 0.0 => Err(format!("`weight` is {weight}, less than 0")),
            Self::Result {
                metrics, headers, ..
            } => {
                check_metrics(metrics)?;
                let size: usize = headers
                    .iter()
                    .map(|(key, text)| key.len() + text.len())
                    .sum();
                match size > MAX_HEADERS {
                    true => Err(format!(
                        "`headers` have {size} bytes, more than {MAX_HEADERS}"
                    )),
                    false => Ok(()),
                }
            }
            Self::Hello { .. }
            | Self::Ready
            | Self::Progress { .. }
            | Self::Failed { .. }
            | Self::Pong => Ok(()),
        }
    }

    /// The word that it begins with.
    pub(crate) fn say(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Ready => "ready",
            Self::Progress { .. } => "progress",
            Self::Metrics { .. } => "metrics",
            Self::Result { .. } => "result",
            Self::Failed { .. } => "failed",
            Self::Pong => "pong",
        }
    }
}

fn check_metrics(values: &BTreeMap<String, f64>) -> Result<(), String> {
    if values.len() > MAX_METRICS {
        let many = values.len();
        return Err(format!("{many} metrics, more than {MAX_METRICS}"));
    }
    match values.keys().find(|name| name.len() > MAX_TEXT) {
        Some(name) => Err(format!(
            "the name of a metric has {} bytes, more than {MAX_TEXT}",
            name.len()
        )),
        None => Ok(()),
    }
}

/// The beginning of a text, at most [`MAX_TEXT`] bytes of it.
pub(crate) fn cut(mut text: String) -> String {
    let ends = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(ends.unwrap_or_default().min(text.len()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_may_say_is_read() {
        let parse = |line: &str| ProgramMessage::parse(line.as_bytes());
        assert_eq!(
            parse(r#"{"say":"hello","versions":[1,2],"pid":7,"later":true}"#),
            Ok(ProgramMessage::Hello {
                versions: vec![1, 2],
                pid: 7
            })
        );
        assert_eq!(parse(r#"{"say":"ready"}"#), Ok(ProgramMessage::Ready));
        assert_eq!(
            parse(r#"{"say":"result","id":"1","weight":2,"kind":"diff","file":"1.out"}"#),
            Ok(ProgramMessage::Result {
                id: "1".to_owned(),
                file: Some("1.out".to_owned()),
                kind: Some(Kind::Diff),
                weight: Some(2.0),
                metrics: BTreeMap::new(),
                headers: BTreeMap::new(),
            })
        );
    }

    #[test]
    fn a_text_is_cut_between_two_letters() {
        assert_eq!(cut("short".to_owned()), "short");
        assert_eq!(cut("é".repeat(600)).len(), MAX_TEXT);
        assert_eq!(cut(format!("x{}", "é".repeat(600))).len(), MAX_TEXT - 1);
    }

    #[test]
    fn what_no_program_may_say_is_refused_with_the_reason() {
        let headers = format!(
            r#"{{"say":"result","id":"1","headers":{{"a":"{}"}}}}"#,
            "x".repeat(MAX_HEADERS)
        );
        let name = format!(
            r#"{{"say":"metrics","values":{{"{}":1}}}}"#,
            "x".repeat(1_025)
        );
        let many: BTreeMap<String, f64> = (0..1_001).map(|n| (n.to_string(), 0.0)).collect();
        let many = format!(
            r#"{{"say":"metrics","values":{}}}"#,
            serde_json::to_string(&many).unwrap()
        );
        for (line, problem) in [
            ("", "no JSON object"),
            (r#"["ready"]"#, "no JSON object"),
            ("{", "EOF"),
            ("{}", "`say`"),
            (r#"{"say":"shout"}"#, "unknown variant `shout`"),
            (r#"{"say":"hello","versions":[1]}"#, "`pid`"),
            (r#"{"say":"progress","id":"1","done":1.5}"#, "from 0 to 1"),
            (r#"{"say":"result","id":"1","weight":-1}"#, "less than 0"),
            (
                r#"{"say":"result","id":"1","weight":1e999}"#,
                "out of range",
            ),
            (r#"{"say":"result","id":"1","weight":NaN}"#, "expected"),
            (r#"{"say":"result","id":"1","id":"2"}"#, "duplicate field"),
            (r#"{"say":"metrics","values":{"a":"b"}}"#, "expected f64"),
            (headers.as_str(), "`headers` have 65537 bytes"),
            (name.as_str(), "the name of a metric has 1025 bytes"),
            (many.as_str(), "1001 metrics"),
        ] {
            let refused = ProgramMessage::parse(line.as_bytes()).unwrap_err();
            assert!(refused.contains(problem), "{line:.60}: {refused}");
        }
    }
}
