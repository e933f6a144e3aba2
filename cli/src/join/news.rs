//! The news of a site in an NVFlare federation, in sentences for people and as JSON.

use std::fmt;
use std::time::Duration;

use fedlink::message::{JobId, TaskId};
use serde::{Serialize, Serializer};

use crate::certificates::when;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum News {
    /// It has begun.
    Calls {
        site: String,
        project: String,
        server: String,
        address: String,
    },
    Registered {
        site: String,
        project: String,
    },
    RegistersAnew,
    /// Certificate and key are those that lie in the kit now.
    Renewed,
    /// After something had failed, the server has answered.
    Answers,
    /// Something failed, and when it is tried again.
    Retries {
        why: String,
        seconds: f64,
        attempt: u32,
    },
    /// An answer that was dropped.
    Suspects {
        what: String,
    },
    /// Of this site or of the server, and how long it still counts.
    CertificateEnds {
        owner: String,
        seconds: u64,
    },
    /// It was deployed, and asks for something that nobody here does.
    JobRefused {
        job: Id,
        why: String,
    },
    JobStarted {
        job: Id,
    },
    JobNotStarted {
        job: Id,
        why: String,
    },
    /// The server has aborted it, and its training is told to stop.
    JobAborted {
        job: Id,
    },
    /// The server has no more tasks.
    JobOver {
        job: Id,
    },
    /// Nothing of it runs here any more.
    JobEnded {
        job: Id,
    },
    Assigned {
        job: Id,
        task: Id,
        name: String,
        round: Option<u64>,
        bytes: usize,
    },
    Trained {
        job: Id,
        task: Id,
        round: Option<u64>,
        bytes: usize,
        seconds: f64,
    },
    Failed {
        job: Id,
        task: Id,
        round: Option<u64>,
        why: String,
    },
    GivenUp {
        job: Id,
        task: Id,
        round: Option<u64>,
    },
    Accepted {
        job: Id,
        task: Id,
        bytes: u64,
        seconds: f64,
    },
    Refused {
        job: Id,
        task: Id,
        why: String,
    },
    Leaves {
        why: String,
    },
    Left {
        answered: bool,
        message: String,
    },
}

impl News {
    /// Whether somebody should look into it.
    pub(super) fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::Suspects { .. }
                | Self::CertificateEnds { .. }
                | Self::JobRefused { .. }
                | Self::JobNotStarted { .. }
                | Self::Failed { .. }
                | Self::Refused { .. }
        )
    }
}

/// A job or a task. People see the start of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Id(String);

impl From<JobId> for Id {
    fn from(job: JobId) -> Self {
        Self(job.to_string())
    }
}

impl From<TaskId> for Id {
    fn from(task: TaskId) -> Self {
        Self(task.to_string())
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = self.0.split('-').next().unwrap_or_default();
        f.write_str(short)
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls {
                site,
                project,
                server,
                address,
            } => write!(f, "{site} of {project} calls {server} at {address}"),
            Self::Registered { site, project } => write!(f, "registered as {site} at {project}"),
            Self::RegistersAnew => f.write_str("must register anew"),
            Self::Renewed => f.write_str(
                "takes up the certificate, the key and the way to the server that its kit has now",
            ),
            Self::Answers => f.write_str("the server answers again"),
            Self::Retries {
                why,
                seconds,
                attempt,
            } => write!(
                f,
                "{why}: tries again in {seconds:.1} s (attempt {attempt})"
            ),
            Self::Suspects { what } => write!(f, "an answer was dropped: {what}"),
            Self::CertificateEnds { owner, seconds } => write!(
                f,
                "the certificate of {owner} {}: ask whoever runs the project for a new startup kit of {owner}",
                when(Duration::from_secs(*seconds))
            ),
            Self::JobRefused { job, why } => write!(f, "job {job}: refused: {why}"),
            Self::JobStarted { job } => write!(f, "job {job}: takes part"),
            Self::JobNotStarted { job, why } => write!(f, "job {job}: cannot take part: {why}"),
            Self::JobAborted { job } => write!(f, "job {job}: aborted by the server"),
            Self::JobOver { job } => write!(f, "job {job}: is over"),
            Self::JobEnded { job } => write!(f, "job {job}: has stopped here"),
            Self::Assigned {
                job,
                name,
                round,
                bytes,
                ..
            } => write!(
                f,
                "job {job}: {name}{}, begins with {}",
                Round(*round),
                Size(*bytes as u64)
            ),
            Self::Trained {
                job,
                round,
                bytes,
                seconds,
                ..
            } => write!(
                f,
                "job {job}: done{}, after {seconds:.1} s, returns {}",
                Round(*round),
                Size(*bytes as u64)
            ),
            Self::Failed {
                job, round, why, ..
            } => write!(f, "job {job}: failed{}: {why}", Round(*round)),
            Self::GivenUp { job, round, .. } => {
                write!(
                    f,
                    "job {job}: gave up{}, as the server wants",
                    Round(*round)
                )
            }
            Self::Accepted {
                job,
                bytes,
                seconds,
                ..
            } => write!(
                f,
                "job {job}: the server has taken the result, {} in {seconds:.1} s",
                Size(*bytes)
            ),
            Self::Refused { job, why, .. } => {
                write!(f, "job {job}: the server did not take the result: {why}")
            }
            Self::Leaves { why } => write!(f, "leaves: {why}"),
            Self::Left { answered: true, .. } => f.write_str("the server said goodbye"),
            Self::Left { message, .. } => write!(f, "left without an answer: {message}"),
        }
    }
}

/// `, round 3`, if it is known.
struct Round(Option<u64>);

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(round) => write!(f, ", round {round}"),
            None => Ok(()),
        }
    }
}

/// Bytes, in a unit that suits them.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match UNITS.iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, name)) => write!(f, "{:.2} {name}", self.0 as f64 / *unit as f64),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_a_sentence_and_programs_an_object() {
        let news = News::Trained {
            job: JobId::from_bytes([0x5f; 16]).into(),
            task: TaskId::from_bytes([2; 16]).into(),
            round: Some(2),
            bytes: 3 << 19,
            seconds: 0.25,
        };
        assert_eq!(
            news.to_string(),
            "job 5f5f5f5f: done, round 2, after 0.2 s, returns 1.50 MiB"
        );
        assert_eq!(
            serde_json::to_string(&news).unwrap(),
            r#"{"event":"trained","job":"5f5f5f5f-5f5f-5f5f-5f5f-5f5f5f5f5f5f","task":"02020202-0202-0202-0202-020202020202","round":2,"bytes":1572864,"seconds":0.25}"#
        );
    }
}
