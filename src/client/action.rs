//! The actions that a client machine asks of its host, and what they tell.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::Instant;
use crate::identity::Name;
use crate::link::{Auth, Suspicion};
use crate::message::{
    JobId, Opaque, Payload, Properties, RecordId, Refusal, RejectReason, ReturnCode, SignatureId,
    Ssid, TaskId,
};
use crate::output_queue::Weigh;

/// An output of the client. Actions come in the order in which they arose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAction {
    /// The client is registered: these prove it to whoever else asks.
    SetAuth(Auth),
    /// The registration is gone; the client makes a new one by itself.
    ClearAuth,
    /// Something failed and is tried again at `at`. This is news alone: what the client wants
    /// of its connection, [`carrier_wish`](crate::Client::carrier_wish) says.
    Retry {
        /// When.
        at: Instant,
        /// How many tries have failed in a row, from 1.
        attempt: u32,
        /// What failed.
        reason: RetryReason,
    },
    /// A heartbeat goes out within 100 ms, or as soon as
    /// [`heartbeat_ready`](crate::Client::heartbeat_ready) is called.
    HeartbeatDue,
    /// The server has answered a heartbeat.
    HeartbeatAnswered {
        /// Time from the request to the answer.
        elapsed: Duration,
    },
    /// The server no longer runs these jobs: stop them and report each with
    /// [`job_ended`](crate::Client::job_ended). Heartbeats tell it, of each job that runs
    /// here, in the middle of a task too. A client that asks for a task hears it sooner, as
    /// [`RunEnded`](Self::RunEnded).
    AbortJobs(Vec<JobId>),
    /// The server wants these jobs to run here: report each with
    /// [`job_started`](crate::Client::job_started), or with
    /// [`job_ended`](crate::Client::job_ended) if it cannot.
    StartJobs(Vec<JobId>),
    /// Work to do. Answer with [`submit`](crate::Client::submit).
    TaskAssigned(Task),
    /// The server has no task for this job now; the client asks again by itself.
    TryAgain {
        /// The job.
        job: JobId,
        /// When the client asks again.
        at: Instant,
    },
    /// The job has no more tasks; the client asks no more. The answer to a request for a task,
    /// so there is no work to stop, but the job still counts as running here: report it with
    /// [`job_ended`](crate::Client::job_ended). Otherwise the server, if it is fedlink's own,
    /// tells it once more, with [`AbortJobs`](Self::AbortJobs); when both wait at once, the
    /// second report is [`UnknownJob`](crate::error::Misuse::UnknownJob), which is no fault.
    RunEnded {
        /// The job.
        job: JobId,
    },
    /// The server holds the result for good; it has left the outbox.
    ResultAccepted {
        /// The job.
        job: JobId,
        /// The task.
        task: TaskId,
        /// Bytes of the payload.
        bytes: u64,
        /// Time since the result was first sent.
        elapsed: Duration,
    },
    /// The server will never take the result; it has left the outbox.
    ResultRefused {
        /// The job.
        job: JobId,
        /// The task.
        task: TaskId,
        /// Why.
        refusal: Refusal,
    },
    /// A large payload moves.
    TransferProgress {
        /// The job.
        job: JobId,
        /// The task.
        task: TaskId,
        /// From the server or to it.
        direction: Direction,
        /// Bytes that have arrived, digests included.
        done: u64,
        /// Bytes in all, digests included.
        total: u64,
        /// Where this transfer started or was last resumed.
        resumed_at: u64,
        /// Bytes that had to travel again so far.
        sent_twice: u64,
    },
    /// NVIDIA FLARE: a job needs this, or the server would run it without this site.
    /// Answer with [`decide`](crate::Client::decide) within 3 s, if the settings say that
    /// the host does; otherwise this is for information.
    #[cfg(feature = "nvflare")]
    ResourcesWanted {
        /// Names the answer.
        request: crate::nvflare::ControlId,
        /// The job.
        job: JobId,
        /// What it needs, as JSON, in the words of whoever wrote the job.
        spec: String,
    },
    /// NVIDIA FLARE: the app of a job that is about to start. To be answered as
    /// [`ResourcesWanted`](Self::ResourcesWanted).
    #[cfg(feature = "nvflare")]
    Deploy {
        /// Names the answer.
        request: crate::nvflare::ControlId,
        /// The job.
        job: JobId,
        /// The name of the app.
        name: String,
        /// A zip of the app. It may hold code: fedlink runs none of it.
        app: Payload,
    },
    /// NVIDIA FLARE: give up the current task of this job; the job goes on.
    #[cfg(feature = "nvflare")]
    AbortTask {
        /// The job.
        job: JobId,
    },
    /// The private key is elsewhere: sign these bytes and hand the signature to
    /// [`signed`](crate::Client::signed).
    Sign {
        /// Names the answer.
        request: SignatureId,
        /// What to sign, with Ed25519.
        bytes: Bytes,
    },
    /// Store `header` followed by `payload` as one record, durably, then call
    /// [`persisted`](crate::Client::persisted). Records build on each other: confirm one
    /// only when all that were handed out before it are stored too.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
    /// # let key = LocalSigner::from_seed(&[1; 32]);
    /// # let trusted = LocalSigner::from_seed(&[2; 32]).public_key();
    /// # let roots = Roots::new().pin(Name::new("coordinator")?, trusted);
    /// # let name = Name::new("site-1")?;
    /// # let identity = Identity::new(name, Chain::pinned(key.public_key()), Arc::new(key), roots)?;
    /// # use fedlink::{Client, ClientAction, ClientConfig, Instant, message::JobId};
    /// # let mut config = ClientConfig::new(Name::new("wine")?);
    /// # config.server = Some(Name::new("coordinator")?);
    /// # let (config, now) = (Arc::new(config), Instant::default());
    /// # let mut client = Client::new(config.clone(), identity.clone(), [7; 32], now)?;
    /// use bytes::Bytes;
    ///
    /// /// Does what the client asks; a file instead of a list, and `sync_data`, in a program.
    /// fn store(client: &mut Client, now: Instant, stored: &mut Vec<Bytes>) {
    ///     while let Some(action) = client.poll_action() {
    ///         if let ClientAction::Persist { record, header, payload } = action {
    ///             stored.push([&header[..], &payload].concat().into());
    ///             client.persisted(now, record).expect("a record that waits");
    ///         }
    ///     }
    /// }
    ///
    /// let mut stored = Vec::new();
    /// let job = JobId::from_bytes(*b"wine, first try.");
    /// client.job_started(now, job)?;
    /// client.job_ended(now, job)?;
    /// store(&mut client, now, &mut stored);
    /// assert_eq!(stored.len(), 1);
    ///
    /// // The process dies. The next one goes on from these records, with a fresh seed.
    /// let client = Client::restore(config, identity, [8; 32], now, stored)?;
    /// // The same in as few records as can be, to be put in the place of those before.
    /// assert_eq!(client.snapshot().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Persist {
        /// Names the answer.
        record: RecordId,
        /// The first part of the record.
        header: Opaque,
        /// The rest of it; often a payload, shared rather than copied.
        payload: Opaque,
    },
    /// No wall clock was given, so the dates of the server's certificates were not
    /// checked.
    DatesUnchecked,
    /// A certificate ends soon, this client's or the server's: have a new one made, and give
    /// it to [`set_identity`](crate::Client::set_identity) or to a new process. Told once for
    /// each certificate,
    /// [`certificate_notice`](crate::ClientConfig::certificate_notice) before its end, if the
    /// wall clock is known.
    CertificateEnds {
        /// Whose it is: this client's name, or the server's.
        owner: Name,
        /// When it ends, in Unix seconds; the first one of a chain.
        not_after: u64,
        /// How long it still counts; zero if it has ended.
        left: Duration,
    },
    /// Something that cannot be trusted was dropped.
    Suspect {
        /// What was wrong.
        suspicion: Suspicion,
        /// The last [`reject_after`](crate::ClientConfig::reject_after) handshakes all
        /// failed like this. The client goes on trying; give up only if
        /// [`Suspicion::failure_kind`] says that it does not pass.
        repeated: bool,
    },
    /// The server has refused this client for good. `register` tries again.
    Rejected(Rejection),
    /// The client is closed. Results that were not accepted stay in its records.
    Closed {
        /// Whether the server has answered the farewell.
        answered: bool,
        /// What the server said, or the client's own words.
        message: String,
        /// Why the client closed.
        reason: CloseReason,
    },
}

/// One assignment of work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Task {
    /// The assignment.
    pub id: TaskId,
    /// The job it belongs to.
    pub job: JobId,
    /// What to do, in the words of the job.
    pub name: String,
    /// The service session that assigned it.
    pub ssid: Ssid,
    /// Details.
    pub headers: Properties,
    /// The input.
    pub payload: Payload,
    /// Given before, by the process whose records this one was restored from. Its job
    /// counts as running, as if [`job_started`](crate::Client::job_started) had been
    /// called.
    pub again: bool,
    /// Bytes of the payload, digests included if it came in chunks.
    pub bytes: u64,
    /// Time since the task was first asked for.
    pub elapsed: Duration,
}

impl Task {
    /// An assignment that came whole and at once, as trainers may be tried with.
    #[must_use]
    pub fn new(id: TaskId, job: JobId, name: impl Into<String>, payload: Payload) -> Self {
        Self {
            id,
            job,
            name: name.into(),
            ssid: Ssid::from_bytes([0; 16]),
            headers: Properties::new(),
            bytes: payload.len() as u64,
            payload,
            again: false,
            elapsed: Duration::ZERO,
        }
    }
}

/// The way a payload moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the server, with a task.
    Down,
    /// To the server, with a result.
    Up,
}

/// Why something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[cfg_attr(test, derive(Hash))]
pub enum RetryReason {
    /// There was no connection within the time allowed.
    NotConnected,
    /// The connection was lost.
    Disconnected,
    /// The carrier could not send.
    SendFailed,
    /// The server did not answer a challenge in time.
    ChallengeUnanswered,
    /// The server's answer to the challenge could not be trusted.
    ChallengeSuspect,
    /// The server did not answer the registration in time.
    RegisterUnanswered,
    /// The server is not ready, is full or is overloaded.
    ServerBusy,
    /// The server takes none of this client's suites on this connection: set the same suite
    /// at both ends.
    NoCommonSuite,
    /// The server answers longer challenges only, on a carrier of datagrams: the next one is
    /// long enough.
    ChallengeTooShort,
    /// The server speaks only an older version of the protocol: update the server, or use
    /// the release of this program that it came with.
    ServerOlder,
    /// The server speaks only a newer version of the protocol: update this program.
    ServerNewer,
    /// By the server's clock this client's certificate counts no more, or not yet, and by
    /// this client's clock it has not ended: one of the two clocks is wrong.
    CertificateDates,
    /// The key that is elsewhere did not sign in time.
    SignerSilent,
    /// A heartbeat was not answered, or answered with this code.
    Heartbeat(ReturnCode),
    /// A request for a task was not answered, or answered with this code.
    PullTask(ReturnCode),
    /// A result was not answered, or answered with this code.
    SubmitResult(ReturnCode),
    /// A part of a payload was not answered, or answered with this code.
    Transfer(ReturnCode),
    /// The session seems to be gone: the client registers anew beside it.
    SessionSilent,
    /// Another process has registered under this name: the client takes it back.
    Replaced,
}

/// Why the server refused the client for good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// Which rule refused it.
    pub reason: RejectReason,
    /// The server's words.
    pub message: String,
}

impl Rejection {
    /// By this rule, in these words.
    #[must_use]
    pub fn new(reason: RejectReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Why a client closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CloseReason {
    /// The host called `quit` and the server said goodbye.
    Quit,
    /// The host called `quit` while there was no session to end.
    NotRegistered,
    /// The host called `quit` and the server did not answer.
    NoAnswer,
    /// The host called `quit` and the server no longer knew the session.
    SessionGone,
    /// In [`Mode::Simulate`](crate::Mode::Simulate), a heartbeat was answered with
    /// something other than ok.
    HeartbeatFailed,
}

impl Weigh for ClientAction {
    fn weight(&self) -> usize {
        let carried = match self {
            Self::AbortJobs(jobs) | Self::StartJobs(jobs) => size_of_val(&jobs[..]),
            Self::TaskAssigned(task) => task.payload.len() + task.headers.memory(),
            #[cfg(feature = "nvflare")]
            Self::ResourcesWanted { spec, .. } => spec.capacity(),
            #[cfg(feature = "nvflare")]
            Self::Deploy { name, app, .. } => name.len() + app.len(),
            #[cfg(feature = "nvflare")]
            Self::AbortTask { .. } => 0,
            Self::Sign { bytes, .. } => bytes.len(),
            Self::Persist {
                header, payload, ..
            } => header.len() + payload.len(),
            Self::Rejected(rejection) => rejection.message.len(),
            Self::Closed { message, .. } => message.len(),
            Self::SetAuth(_)
            | Self::ClearAuth
            | Self::Retry { .. }
            | Self::HeartbeatDue
            | Self::HeartbeatAnswered { .. }
            | Self::TryAgain { .. }
            | Self::RunEnded { .. }
            | Self::ResultAccepted { .. }
            | Self::ResultRefused { .. }
            | Self::TransferProgress { .. }
            | Self::DatesUnchecked
            | Self::CertificateEnds { .. }
            | Self::Suspect { .. } => 0,
        };
        size_of::<Self>() + carried
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_weighs_as_much_as_it_carries() {
        let empty = size_of::<ClientAction>();
        assert_eq!(ClientAction::HeartbeatDue.weight(), empty);
        let record = ClientAction::Persist {
            record: RecordId(1),
            header: Bytes::from_static(b"12").into(),
            payload: Bytes::from_static(b"12345").into(),
        };
        assert_eq!(record.weight(), empty + 7);
        let headers = Properties::new().with("round", "1");
        let task = ClientAction::TaskAssigned(Task {
            id: TaskId::from_bytes([1; 16]),
            job: JobId::from_bytes([2; 16]),
            name: "train".to_owned(),
            ssid: Ssid::from_bytes([3; 16]),
            headers: headers.clone(),
            payload: Payload::new("weights"),
            again: false,
            bytes: 7,
            elapsed: Duration::ZERO,
        });
        assert_eq!(task.weight(), empty + 7 + headers.memory());
        #[cfg(feature = "nvflare")]
        {
            let deploy = ClientAction::Deploy {
                request: crate::nvflare::ControlId(1),
                job: JobId::from_bytes([2; 16]),
                name: "wine".to_owned(),
                app: Payload::new("12345"),
            };
            assert_eq!(deploy.weight(), empty + 9);
        }
    }
}
