//! The requests of a registered client.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{JobId, PayloadHead, Properties, Ssid, TaskId};

/// How far a job has come, in thousandths; at most 1,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16")]
#[cfg_attr(test, derive(Hash))]
pub struct Progress(u16);

impl Progress {
    /// Progress of `permille` thousandths; more than 1,000 counts as 1,000.
    #[must_use]
    pub const fn from_permille(permille: u16) -> Self {
        Self(if permille > 1000 { 1000 } else { permille })
    }

    /// Thousandths done.
    #[must_use]
    pub const fn permille(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for Progress {
    type Error = &'static str;

    /// What a peer says must be within the bound already.
    // spec: P-86
    fn try_from(permille: u16) -> Result<Self, Self::Error> {
        let progress = Self::from_permille(permille);
        if progress.0 == permille {
            Ok(progress)
        } else {
            Err("progress is at most 1,000 thousandths")
        }
    }
}

/// What a heartbeat says of one job that runs on the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub struct JobReport {
    /// The job.
    pub job: JobId,
    /// How far it has come, if the host said.
    pub progress: Option<Progress>,
}

/// How the work on a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
#[non_exhaustive]
pub enum Outcome {
    /// The payload is the result.
    Ok,
    /// The work failed; headers and payload may say why.
    Failed,
    /// The work was given up. Told to the server once, not repeated.
    Aborted,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Heartbeat {
    pub(crate) jobs: Vec<JobReport>,
    /// The device will be silent for this long (milliseconds) and keeps its place.
    pub(crate) suspending: Option<u64>,
    pub(crate) context: Properties,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct PullTask {
    pub(crate) job: JobId,
    /// The last task that the client holds or has held, payload included.
    pub(crate) last_task: Option<TaskId>,
    pub(crate) context: Properties,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct SubmitResult {
    pub(crate) job: JobId,
    pub(crate) task: TaskId,
    /// The service session under which the task was assigned.
    pub(crate) ssid: Ssid,
    pub(crate) outcome: Outcome,
    /// As in [`TaskHead`](super::TaskHead).
    #[serde(skip)]
    pub(crate) ticket: Vec<u8>,
    pub(crate) headers: Properties,
    pub(crate) payload: PayloadHead,
    pub(crate) context: Properties,
}

/// Asks for a part of a task's payload. Offsets count in the transfer: the digests of
/// the blocks first, then the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Fetch {
    pub(crate) job: JobId,
    pub(crate) task: TaskId,
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

/// Brings a part of a result's payload, offsets as in [`Fetch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Push {
    pub(crate) job: JobId,
    pub(crate) task: TaskId,
    pub(crate) offset: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Quit {
    pub(crate) reason: String,
    pub(crate) context: Properties,
}

/// Every request of a session. The order is the number on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Request {
    Heartbeat(Heartbeat),
    PullTask(PullTask),
    SubmitResult(SubmitResult),
    Fetch(Fetch),
    Push(Push),
    Quit(Quit),
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: P-86
    #[test]
    fn more_than_all_progress_is_refused() {
        let decode = |permille: u16| {
            let bytes = postcard::to_allocvec(&permille).unwrap();
            postcard::from_bytes::<Progress>(&bytes)
        };
        assert_eq!(decode(1000), Ok(Progress::from_permille(1000)));
        assert!(decode(1001).is_err());
    }
}
