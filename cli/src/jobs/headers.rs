//! What tasks and results say besides their arrays, and sites of themselves.
//!
//! | header | of | what it is |
//! |---|---|---|
//! | `job`, `kind` | task | the job's folder, and which trainer it wants |
//! | `round`, `rounds`, `attempt` | task | counted from 1 |
//! | `form` | both | `full`, or `diff`: what is to be added to the model; missing without arrays |
//! | `partial` | task | `true` if arrays may be missing in the result |
//! | `weight` | task | `examples` or `equal`: whether the result needs a weight |
//! | `config` | task | for the trainer, JSON |
//! | `weight` | result | how much it counts |
//! | `metrics` | result | numbers by name, JSON |

use std::collections::BTreeMap;

use fedlink::message::Properties;
use fedlink_jobs::engine::{Task, TaskResult};
use fedlink_jobs::job_file::{JobFile, Weighting};
use fedlink_jobs::mean::{Kind, Weight};
use serde_json::{Map, Value};

const JOB: &str = "job";
const KIND: &str = "kind";
const ROUND: &str = "round";
const ROUNDS: &str = "rounds";
const ATTEMPT: &str = "attempt";
const FORM: &str = "form";
const PARTIAL: &str = "partial";
const WEIGHT: &str = "weight";
const CONFIG: &str = "config";
const METRICS: &str = "metrics";
/// Of a task that has failed: why.
const ERROR: &str = "error";

const FULL: &str = "full";
const DIFF: &str = "diff";
const EXAMPLES: &str = "examples";
const EQUAL: &str = "equal";

/// In the information that a site registers with.
const KINDS: &str = "kinds";

/// The site information of a site that has trainers of these kinds; `*` is any.
#[must_use]
pub fn offering(kinds: &[&str]) -> Properties {
    Properties::new().with(KINDS, kinds.join(","))
}

/// The kinds that a site offers.
pub(super) fn offered(site_info: &Properties) -> Vec<&str> {
    let kinds = site_info.get(KINDS).unwrap_or_default();
    kinds.split(',').filter(|it| !it.is_empty()).collect()
}

/// The headers of a task of this job.
pub(super) fn of_task(job: &str, file: &JobFile, task: &Task) -> Properties {
    let mut headers = Properties::new()
        .with(JOB, job)
        .with(KIND, &*file.kind)
        .with(ROUND, task.id.round.to_string())
        .with(ROUNDS, task.rounds.to_string())
        .with(ATTEMPT, task.id.attempt.to_string())
        .with(CONFIG, Value::Object(task.config.clone()).to_string())
        .with(
            WEIGHT,
            match file.weight {
                Weighting::Examples => EXAMPLES,
                Weighting::Equal => EQUAL,
            },
        );
    if task.model.is_some() {
        headers.insert(FORM, FULL);
    }
    if file.partial {
        headers.insert(PARTIAL, true.to_string());
    }
    headers
}

/// What a site reads of them.
#[derive(Debug)]
pub(super) struct TaskHeaders {
    pub(super) job: String,
    pub(super) kind: String,
    pub(super) round: Option<u64>,
    pub(super) rounds: Option<u64>,
    /// Whether the task brings a model.
    pub(super) has_model: bool,
    pub(super) partial: bool,
    /// Whether a result of training needs a weight.
    pub(super) weighted: bool,
    pub(super) config: Map<String, Value>,
}

impl TaskHeaders {
    /// # Errors
    /// What cannot be read.
    pub(super) fn read(headers: &Properties) -> Result<Self, String> {
        let text = |key| headers.get(key).unwrap_or_default().to_owned();
        let number = |key| headers.get(key).and_then(|it| it.parse().ok());
        let config = headers.get(CONFIG).unwrap_or("{}");
        let config = serde_json::from_str(config)
            .map_err(|error| format!("the task's {CONFIG} is no object of JSON: {error}"))?;
        Ok(Self {
            job: text(JOB),
            kind: text(KIND),
            round: number(ROUND),
            rounds: number(ROUNDS),
            has_model: headers.get(FORM).is_some(),
            partial: headers.get(PARTIAL).is_some(),
            weighted: headers.get(WEIGHT) != Some(EQUAL),
            config,
        })
    }
}

/// The headers of a result.
pub(super) fn of_result(result: &TaskResult) -> Properties {
    let metrics = serde_json::to_string(&result.metrics).unwrap_or_default();
    let mut headers = Properties::new().with(METRICS, metrics).with(
        FORM,
        match result.form {
            Kind::Full => FULL,
            Kind::Diff => DIFF,
        },
    );
    if let Some(weight) = result.weight {
        headers.insert(WEIGHT, weight.get().to_string());
    }
    headers
}

/// What the coordinator reads of them.
///
/// # Errors
/// What cannot be read.
pub(super) fn result(headers: &Properties) -> Result<TaskResult, String> {
    let form = match headers.get(FORM) {
        None | Some(FULL) => Kind::Full,
        Some(DIFF) => Kind::Diff,
        Some(other) => return Err(format!("{FORM} is {other:?}, not {FULL:?} or {DIFF:?}")),
    };
    let weight = headers.get(WEIGHT).map(|text| {
        let number: f64 = text
            .parse()
            .map_err(|_| format!("{WEIGHT} is {text:?}, not a number"))?;
        Weight::new(number).map_err(|error| error.to_string())
    });
    let metrics: Option<BTreeMap<String, f64>> = headers
        .get(METRICS)
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| format!("{METRICS} are no numbers by name: {error}"))?;
    let mut result = TaskResult::new(weight.transpose()?, form);
    result.metrics = metrics.unwrap_or_default();
    Ok(result)
}

/// Why a task has failed, in the words of its site.
pub(super) fn error(headers: &Properties) -> &str {
    headers.get(ERROR).unwrap_or("it does not say why")
}
