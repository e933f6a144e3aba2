//! The messages of the trainer protocol, as docs/trainers.md describes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::numbers::{finite, number, whole};

/// The version of the protocol that this site speaks.
pub(crate) const VERSION: u32 = 1;

/// The longest line either side may send, in bytes with its end: headers and metrics fit many
/// times over, and a line is held in memory as a whole.
pub(crate) const MAX_LINE: usize = 1 << 20;

/// The longest text of a failure, in bytes: what the coordinator keeps of it.
pub(crate) const MAX_TEXT: usize = 1_024;

/// The most metrics in one message: each becomes a line of a plot.
const MAX_METRICS: usize = 1_000;

/// The longest name of a metric, in bytes: what the coordinator takes.
const MAX_METRIC_NAME: usize = 255;

/// How much a result can count: what the coordinator takes.
const MIN_WEIGHT: f64 = 1.0 / 18_446_744_073_709_551_616.0;
const MAX_WEIGHT: f64 = 9_007_199_254_740_992.0;

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
#[derive(Debug, PartialEq)]
pub(crate) enum ProgramMessage {
    Hello { versions: Vec<i64>, pid: u32 },
    Ready,
    Progress { id: String, done: f64 },
    Metrics(Live),
    Result(Answer),
    Failed { id: String, text: String },
    Pong,
}

/// Numbers for a plot.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Live {
    pub(crate) values: BTreeMap<String, f64>,
    pub(crate) step: Option<i64>,
    /// What is not among them, and why.
    pub(crate) left_out: Option<String>,
}

/// A result as the program says it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) id: String,
    pub(crate) file: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) weight: Option<f64>,
    pub(crate) metrics: BTreeMap<String, f64>,
    pub(crate) headers: BTreeMap<String, String>,
    /// Why it cannot be used.
    pub(crate) problem: Option<String>,
}

/// Values that are judged one by one, so that one that is wrong does not end the program.
type Values = BTreeMap<String, Box<RawValue>>;

#[derive(Deserialize)]
struct Say {
    say: String,
}

#[derive(Deserialize)]
struct Hello {
    versions: Vec<Box<RawValue>>,
    pid: Box<RawValue>,
}

#[derive(Deserialize)]
struct Progress {
    id: String,
    done: Box<RawValue>,
}

#[derive(Deserialize)]
struct Metrics {
    values: Values,
    step: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Given {
    id: String,
    file: Option<String>,
    kind: Option<String>,
    weight: Option<Box<RawValue>>,
    #[serde(default)]
    metrics: Values,
    #[serde(default)]
    headers: Values,
}

#[derive(Deserialize)]
struct Failed {
    id: String,
    text: String,
}

impl ProgramMessage {
    /// # Errors
    /// What is wrong with the line, in words for the log of the site.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, String> {
            serde_json::from_slice(line).map_err(|error| error.to_string())
        }
        // Without this a list would do as well.
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err("it is no JSON object".to_owned());
        }
        let Say { say } = read(line)?;
        Ok(match say.as_str() {
            "hello" => {
                let Hello { versions, pid } = read(line)?;
                let pid = whole(&pid).and_then(|pid| u32::try_from(pid).ok());
                Self::Hello {
                    versions: versions.iter().filter_map(|said| whole(said)).collect(),
                    pid: pid.ok_or("`pid` is not the number of a process")?,
                }
            }
            "ready" => Self::Ready,
            "progress" => {
                let Progress { id, done } = read(line)?;
                let done = number(&done).ok_or("`done` is no number")?;
                let done = done.clamp(0.0, 1.0);
                Self::Progress { id, done }
            }
            "metrics" => Self::Metrics(read::<Metrics>(line)?.judge()),
            "result" => Self::Result(read::<Given>(line)?.judge()),
            "failed" => {
                let Failed { id, text } = read(line)?;
                Self::Failed { id, text }
            }
            "pong" => Self::Pong,
            unknown => return Err(format!("unknown variant `{unknown}`")),
        })
    }

    /// The word that it begins with.
    pub(crate) fn say(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Ready => "ready",
            Self::Progress { .. } => "progress",
            Self::Metrics(_) => "metrics",
            Self::Result(_) => "result",
            Self::Failed { .. } => "failed",
            Self::Pong => "pong",
        }
    }
}

impl Metrics {
    fn judge(self) -> Live {
        let step = self.step.as_deref().and_then(whole);
        let mut problems: Vec<String> = Vec::new();
        if self.step.is_some() && step.is_none() {
            problems.push("`step` is no whole number".to_owned());
        }
        let mut values = BTreeMap::new();
        for (name, said) in self.values {
            match metric(&name, &said) {
                Ok(_) if values.len() == MAX_METRICS => {
                    problems.push(format!("there are more than {MAX_METRICS} metrics"));
                    break;
                }
                Ok(value) => {
                    values.insert(name, value);
                }
                Err(problem) => problems.push(problem),
            }
        }
        Live {
            values,
            step,
            left_out: (!problems.is_empty()).then(|| cut(problems.join("; "))),
        }
    }
}

impl Given {
    fn judge(self) -> Answer {
        let mut answer = Answer {
            id: self.id,
            file: self.file,
            ..Answer::default()
        };
        let mut problem = None;
        match self.kind.as_deref() {
            None | Some("full") => {}
            Some("diff") => answer.kind = Kind::Diff,
            Some(_) => problem = Some("`kind` must be \"full\" or \"diff\"".to_owned()),
        }
        if let Some(said) = self.weight {
            answer.weight = finite(&said).filter(|it| (MIN_WEIGHT..=MAX_WEIGHT).contains(it));
            if answer.weight.is_none() {
                problem = Some(format!(
                    "`weight` is {:.40}: it has to be more than 0 and at most 2^53; without examples say `failed`",
                    said.get()
                ));
            }
        }
        if self.metrics.len() > MAX_METRICS {
            let many = self.metrics.len();
            problem = Some(format!("{many} metrics, more than {MAX_METRICS}"));
        }
        for (name, said) in self.metrics {
            match metric(&name, &said) {
                Ok(value) => {
                    answer.metrics.insert(name, value);
                }
                Err(wrong) => problem = Some(wrong),
            }
        }
        let mut size = 0_usize;
        for (name, said) in self.headers {
            match serde_json::from_str::<String>(said.get()) {
                Ok(text) => {
                    size = size.saturating_add(name.len() + text.len());
                    answer.headers.insert(name, text);
                }
                Err(_) => problem = Some(format!("the header `{name:.100}` is no text")),
            }
        }
        if size > MAX_HEADERS {
            problem = Some(format!(
                "`headers` have {size} bytes, more than {MAX_HEADERS}"
            ));
        }
        answer.problem = problem;
        answer
    }
}

/// # Errors
/// Why it is none.
fn metric(name: &str, said: &RawValue) -> Result<f64, String> {
    if name.len() > MAX_METRIC_NAME {
        return Err(format!(
            "the name of a metric has {} bytes, more than {MAX_METRIC_NAME}",
            name.len()
        ));
    }
    finite(said).ok_or_else(|| {
        format!(
            "the metric `{name}` is {:.40}, and must be a finite number",
            said.get()
        )
    })
}

/// The beginning of a text, at most [`MAX_TEXT`] bytes of it.
pub(crate) fn cut(text: String) -> String {
    cut_to(text, MAX_TEXT)
}

/// The beginning of a text, at most so many bytes of it.
pub(crate) fn cut_to(mut text: String, most: usize) -> String {
    let mut ends = (0..=most.min(text.len())).rev();
    let end = ends.find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    text
}

/// The end of a text, at most so many bytes of it.
pub(crate) fn end_of(text: &str, most: usize) -> &str {
    let mut begins = text.len().saturating_sub(most)..=text.len();
    let begin = begins.find(|begin| text.is_char_boundary(*begin));
    text.get(begin.unwrap_or_default()..).unwrap_or_default()
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
            Ok(ProgramMessage::Result(Answer {
                id: "1".to_owned(),
                file: Some("1.out".to_owned()),
                kind: Kind::Diff,
                weight: Some(2.0),
                ..Answer::default()
            }))
        );
        assert_eq!(
            parse(r#"{"say":"hello","versions":[1.0,"x",1.5],"pid":7e0}"#),
            Ok(ProgramMessage::Hello {
                versions: vec![1],
                pid: 7
            })
        );
        for (said, done) in [("1.0000000000000002", 1.0), ("-1e-9", 0.0), ("1e400", 1.0)] {
            let line = format!(r#"{{"say":"progress","id":"1","done":{said}}}"#);
            let id = "1".to_owned();
            assert_eq!(parse(&line), Ok(ProgramMessage::Progress { id, done }));
        }
    }

    #[test]
    fn numbers_that_cannot_be_plotted_are_left_out_alone() {
        let live = |line: &str| match ProgramMessage::parse(line.as_bytes()) {
            Ok(ProgramMessage::Metrics(live)) => live,
            other => panic!("{line:.60}: {other:?}"),
        };
        let named = |name: &str| format!(r#"{{"say":"metrics","values":{{"{name}":1,"b":2}}}}"#);
        for line in [
            r#"{"say":"metrics","values":{"a":1e400,"b":2}}"#,
            r#"{"say":"metrics","values":{"a":"x","b":2}}"#,
            r#"{"say":"metrics","values":{"a":null,"b":2}}"#,
            r#"{"say":"metrics","values":{"b":2},"step":1.5}"#,
            named(&"x".repeat(256)).as_str(),
        ] {
            let live = live(line);
            assert_eq!(live.values, BTreeMap::from([("b".to_owned(), 2.0)]));
            assert!(live.left_out.is_some(), "{line}");
        }
        let whole = live(r#"{"say":"metrics","values":{"b":2},"step":1e+05}"#);
        assert_eq!((whole.step, whole.left_out), (Some(100_000), None));
        let long = live(&named(&"x".repeat(255)));
        assert_eq!((long.values.len(), long.left_out), (2, None));

        let many: BTreeMap<String, f64> = (0..1_001).map(|n| (n.to_string(), 0.0)).collect();
        let many = serde_json::to_string(&many).unwrap();
        let many = live(&format!(r#"{{"say":"metrics","values":{many}}}"#));
        assert_eq!(many.values.len(), MAX_METRICS);
        assert!(many.left_out.unwrap().contains("more than 1000 metrics"));
    }

    #[test]
    fn a_result_that_cannot_be_used_says_why() {
        let many: BTreeMap<String, f64> = (0..1_001).map(|n| (n.to_string(), 0.0)).collect();
        let many = format!(r#""metrics":{}"#, serde_json::to_string(&many).unwrap());
        let headers = format!(r#""headers":{{"a":"{}"}}"#, "x".repeat(MAX_HEADERS));
        let name = format!(r#""metrics":{{"{}":1}}"#, "x".repeat(256));
        for (field, problem) in [
            (r#""weight":-1"#, "`weight` is -1"),
            (r#""weight":0"#, "`weight` is 0"),
            (r#""weight":1e-20"#, "`weight` is 1e-20"),
            (r#""weight":1e16"#, "`weight` is 1e16"),
            (r#""weight":1e999"#, "`weight` is 1e999"),
            (r#""weight":"x""#, "more than 0 and at most 2^53"),
            (r#""kind":"delta""#, "`kind` must be"),
            (r#""metrics":{"a":1e400}"#, "`a` is 1e400"),
            (r#""metrics":{"a":"b"}"#, "must be a finite number"),
            (r#""headers":{"a":1}"#, "the header `a` is no text"),
            (headers.as_str(), "`headers` have 65537 bytes"),
            (name.as_str(), "the name of a metric has 256 bytes"),
            (many.as_str(), "1001 metrics"),
        ] {
            let line = format!(r#"{{"say":"result","id":"1",{field}}}"#);
            match ProgramMessage::parse(line.as_bytes()) {
                Ok(ProgramMessage::Result(answer)) => {
                    let said = answer.problem.unwrap();
                    assert!(said.contains(problem), "{field:.60}: {said}");
                }
                other => panic!("{field:.60}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_text_is_cut_between_two_letters() {
        assert_eq!(cut("short".to_owned()), "short");
        assert_eq!(cut("é".repeat(600)).len(), MAX_TEXT);
        assert_eq!(cut(format!("x{}", "é".repeat(600))).len(), MAX_TEXT - 1);
    }

    #[test]
    fn what_no_program_may_say_is_refused_with_the_reason() {
        for (line, problem) in [
            ("", "no JSON object"),
            (r#"["ready"]"#, "no JSON object"),
            ("{", "EOF"),
            ("{}", "`say`"),
            (r#"{"say":"shout"}"#, "unknown variant `shout`"),
            (r#"{"say":"hello","versions":[1]}"#, "`pid`"),
            (r#"{"say":"result","id":"1","weight":NaN}"#, "expected"),
            (r#"{"say":"progress","id":"1","done":"x"}"#, "no number"),
            (r#"{"say":"result","id":"1","id":"2"}"#, "duplicate field"),
            (r#"{"say":"metrics","values":1}"#, "expected a map"),
        ] {
            let refused = ProgramMessage::parse(line.as_bytes()).unwrap_err();
            assert!(refused.contains(problem), "{line:.60}: {refused}");
        }
    }
}
