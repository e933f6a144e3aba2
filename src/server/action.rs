//! The actions that a server machine asks of its host, and what they tell.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::identity::Name;
use crate::message::{
    JobId, JobReport, Opaque, Outcome, Payload, Properties, RecordId, SignatureId, TaskId,
};
use crate::output_queue::Weigh;

/// An output of the server. Actions come in the order in which they arose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerAction {
    /// A client stands registered.
    ClientJoined(Joined),
    /// Another process of the same name has taken the place of the one before.
    ClientReplaced(Joined),
    /// A client has said goodbye. Its unfinished tasks stay its own until they are
    /// withdrawn or reassigned.
    ClientLeft {
        /// Its name.
        client: Name,
        /// The reason that it gave, in its words: escape them where they are shown.
        reason: String,
        /// The context of its farewell.
        context: Properties,
    },
    /// A client has been silent for too long, or its session has ended without another.
    ClientDead {
        /// Its name.
        client: Name,
    },
    /// A heartbeat brought something to tell: a context, or progress.
    HeartbeatReceived {
        /// Who sent it.
        client: Name,
        /// The jobs that run there.
        jobs: Vec<JobReport>,
        /// The context.
        context: Properties,
    },
    /// A client asks for work and nothing is queued for it. Assign something, or end the
    /// job; it asks again.
    TaskWanted {
        /// Who asks.
        client: Name,
        /// For which job.
        job: JobId,
        /// The context of the request.
        context: Properties,
    },
    /// A result is stored. Use it, then call [`taken`](crate::Server::taken).
    ResultReceived(ResultReceived),
    /// A job that a client should run, did run, and no longer reports.
    JobMissingOnClient {
        /// The client.
        client: Name,
        /// The job.
        job: JobId,
    },
    /// The private key is elsewhere: sign these bytes and hand the signature to
    /// [`signed`](crate::Server::signed).
    Sign {
        /// Names the answer.
        request: SignatureId,
        /// What to sign, with Ed25519.
        bytes: Bytes,
    },
    /// Store `header` followed by `payload` as one record, durably, then call
    /// [`persisted`](crate::Server::persisted). Records build on each other: confirm one
    /// only when all that were handed out before it are stored too.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
    /// # let key = LocalSigner::from_seed(&[2; 32]);
    /// # let trusted = LocalSigner::from_seed(&[1; 32]).public_key();
    /// # let roots = Roots::new().pin(Name::new("site-1")?, trusted);
    /// # let name = Name::new("coordinator")?;
    /// # let identity = Identity::new(name, Chain::pinned(key.public_key()), Arc::new(key), roots)?;
    /// # use fedlink::message::{JobId, Payload};
    /// # use fedlink::{Assignee, Instant, NewTask, Server, ServerAction, ServerConfig, Sites};
    /// # let (config, now) = (Arc::new(ServerConfig::new(Name::new("wine")?)), Instant::default());
    /// # let mut server = Server::new(config.clone(), identity.clone(), [7; 32], now)?;
    /// use bytes::Bytes;
    ///
    /// let job = JobId::from_bytes(*b"wine, first try.");
    /// server.start_job(now, job, Sites::All)?;
    /// server.assign(now, job, Assignee::Anyone, NewTask::new("train", Payload::new("model")))?;
    ///
    /// let mut stored: Vec<Bytes> = Vec::new();
    /// while let Some(action) = server.poll_action() {
    ///     if let ServerAction::Persist { record, header, payload } = action {
    ///         // A file instead of a list, and `sync_data`, in a program.
    ///         stored.push([&header[..], &payload].concat().into());
    ///         server.persisted(now, record)?;
    ///     }
    /// }
    ///
    /// // The process dies. The next one goes on where it was, with a fresh seed.
    /// let server = Server::restore(config, identity, [8; 32], now, stored)?;
    /// assert!(server.jobs().eq([job]));
    /// assert_eq!(server.tasks(job).count(), 1);
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
    /// No wall clock was given, so the dates of this client's certificates were not
    /// checked.
    DatesUnchecked {
        /// The client.
        client: Name,
    },
    /// A certificate ends soon, this server's or that of a client that has registered: have
    /// a new one made. Told once for each certificate while its owner is here,
    /// [`certificate_notice`](crate::ServerConfig::certificate_notice) before its end, if the
    /// wall clock is known.
    CertificateEnds {
        /// Whose it is: this server's name, or the client's.
        owner: Name,
        /// When it ends, in Unix seconds; the first one of a chain.
        not_after: u64,
        /// How long it still counts; zero if it has ended.
        left: Duration,
    },
}

/// A client that stands registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
#[non_exhaustive]
pub struct Joined {
    /// Its proven name.
    pub client: Name,
    /// The same process registered again, for example because its session was to expire.
    pub renewed: bool,
    /// The address that it believes it has: any text, to be escaped where it is shown.
    pub address: String,
    /// Facts about the site.
    pub site_info: Properties,
    /// The context of its registration.
    pub context: Properties,
}

impl Joined {
    /// A client of this name that says nothing else.
    #[must_use]
    pub fn new(client: Name) -> Self {
        Self {
            client,
            renewed: false,
            address: String::new(),
            site_info: Properties::new(),
            context: Properties::new(),
        }
    }
}

/// A result that the server holds for good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResultReceived {
    /// Who did the work.
    pub client: Name,
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// The task's name.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Details from the client.
    pub headers: Properties,
    /// The output.
    pub payload: Payload,
    /// The context of the submission.
    pub context: Properties,
    /// Given before, by the process whose records this one was restored from.
    pub again: bool,
}

impl Weigh for ServerAction {
    fn weight(&self) -> usize {
        let brought = match self {
            Self::ClientJoined(joined) | Self::ClientReplaced(joined) => {
                joined.address.len() + joined.site_info.memory() + joined.context.memory()
            }
            Self::ClientLeft {
                reason, context, ..
            } => reason.len() + context.memory(),
            Self::HeartbeatReceived { jobs, context, .. } => {
                size_of_val(&jobs[..]) + context.memory()
            }
            Self::TaskWanted { context, .. } => context.memory(),
            Self::Sign { bytes, .. } => bytes.len(),
            Self::Persist {
                header, payload, ..
            } => header.len() + payload.len(),
            // The server keeps a result itself, until it is taken.
            Self::ResultReceived(_)
            | Self::ClientDead { .. }
            | Self::JobMissingOnClient { .. }
            | Self::DatesUnchecked { .. }
            | Self::CertificateEnds { .. } => 0,
        };
        size_of::<Self>() + brought
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::JobReport;

    /// What the host has to take is weighed with all that it brings, and little more.
    #[test]
    fn an_action_weighs_what_it_brings() {
        const LEN: usize = 1000;
        let text = "x".repeat(LEN);
        let context = Properties::new().with("k", &text);
        let client = Name::new("site-1").unwrap();
        let joined = |address: &str, site_info: &Properties, context: &Properties| {
            ServerAction::ClientJoined(Joined {
                client: client.clone(),
                renewed: false,
                address: address.to_owned(),
                site_info: site_info.clone(),
                context: context.clone(),
            })
        };
        let left = |reason: &str, context: &Properties| ServerAction::ClientLeft {
            client: client.clone(),
            reason: reason.to_owned(),
            context: context.clone(),
        };
        let beaten = |jobs: usize, context: &Properties| ServerAction::HeartbeatReceived {
            client: client.clone(),
            jobs: vec![
                JobReport {
                    job: JobId::from_bytes([7; 16]),
                    progress: None,
                };
                jobs
            ],
            context: context.clone(),
        };
        let persist = |header: usize, payload: usize| ServerAction::Persist {
            record: RecordId(1),
            header: Bytes::from(vec![0; header]).into(),
            payload: Bytes::from(vec![0; payload]).into(),
        };
        let none = Properties::new();
        let report = size_of::<JobReport>();
        let dead = ServerAction::ClientDead {
            client: client.clone(),
        };
        let wanted = ServerAction::TaskWanted {
            client: client.clone(),
            job: JobId::from_bytes([7; 16]),
            context: context.clone(),
        };
        let sign = ServerAction::Sign {
            request: SignatureId(1),
            bytes: vec![0; LEN].into(),
        };
        for (action, brought) in [
            (dead, 0),
            (joined(&text, &none, &none), LEN),
            (joined("", &context, &none), LEN),
            (joined("", &none, &context), LEN),
            (joined(&text, &context, &context), 3 * LEN),
            (left(&text, &none), LEN),
            (left(&text, &context), 2 * LEN),
            (beaten(10, &none), 10 * report),
            (beaten(10, &context), 10 * report + LEN),
            (wanted, LEN),
            (sign, LEN),
            (persist(LEN, 0), LEN),
            (persist(0, LEN), LEN),
            (persist(LEN, LEN), 2 * LEN),
        ] {
            let least = size_of::<ServerAction>() + brought;
            let weight = action.weight();
            // Each entry of a context takes some room, too.
            assert!(
                (least..least + 400).contains(&weight),
                "{weight} {action:?}"
            );
        }
    }
}
