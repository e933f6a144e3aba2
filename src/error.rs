//! Errors, grouped by who is at fault: the settings, the host or the peer. Each says what to
//! do.

use alloc::string::String;
use alloc::vec::Vec;

use crate::identity::{ChainError, Name, NameError};
use crate::message::{JobId, RecordId, SignatureId, TaskId};

/// A setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The set of suites is empty.
    #[error("no suite is enabled: enable `sealed`")]
    NoSuite,
    /// Plain beside another suite.
    #[error(
        "the plain suite cannot be enabled beside another: a listener could choose it; enable one or the other"
    )]
    PlainBesideOthers,
    /// A proof is needed and there is no key.
    #[error("the suites need certificates or a pinned key: give the identity a chain and a signer")]
    NoKey,
    /// There is nothing to verify the peer against.
    #[error(
        "no root certificate and no pinned key is configured, so no peer could ever be trusted: add the project's root"
    )]
    NoRoots,
    /// The signer's key is not the certificate's.
    #[error(
        "the private key does not belong to the certificate: give the key that it was made for"
    )]
    KeyMismatch,
    /// The certificate says another name.
    #[error(
        "the certificate is for `{certificate}` but the identity is named `{configured}`: use one name in both"
    )]
    NameMismatch {
        /// The name in the certificate, or that there is none.
        certificate: String,
        /// The name configured.
        configured: Name,
    },
    /// Nothing tells which server to expect.
    #[error("the server's name is not known: set `server`, or tell the host name when connected")]
    NoServerName,
    /// Bearer alone, on a carrier that nobody vouches for.
    #[error(
        "the bearer suite needs a channel binding or `trusted_path`: give the carrier's TLS exporter value, or enable `sealed`"
    )]
    NoChannelBinding,
    /// A chain that cannot be used at all.
    #[error("the certificate chain cannot be used: {0}")]
    Chain(#[from] ChainError),
    /// Root certificates that cannot be used. `position` counts them from 0.
    #[error("the root certificates cannot be used: {0}")]
    Roots(#[source] ChainError),
    /// An RSA identity, where fedlink's own protocol is spoken.
    #[error(
        "the identity has an RSA key, which only NVFlare takes: give one with an Ed25519 key, or choose the binding to NVFlare"
    )]
    RsaIdentity,
    /// An Ed25519 identity, where NVFlare's protocol is spoken.
    #[error(
        "the identity has an Ed25519 key, which NVFlare does not take: give the RSA key and certificate of the start-up kit"
    )]
    NoRsaIdentity,
    /// A number outside its bounds.
    #[error("`{setting}` must be {bounds}")]
    OutOfBounds {
        /// The setting.
        setting: &'static str,
        /// What it may be.
        bounds: String,
    },
    /// A stored record that cannot be read, that contradicts those before it, or before
    /// which others are missing.
    #[error(
        "stored record {index} cannot be read or does not follow those before it: keep the store as it is, and give an intact copy of it, all records in their order; if there is none, start with an empty store and new job ids, and lose what it held"
    )]
    Record {
        /// Its place, from 0.
        index: usize,
    },
    /// A stored record of another version of this library.
    #[error(
        "stored record {index} is of version {found} and this program reads version {wanted}: {}",
        store_remedy(*found, *wanted)
    )]
    RecordVersion {
        /// Its place, from 0.
        index: usize,
        /// The version that it has.
        found: u8,
        /// The only one that can be read here.
        wanted: u8,
    },
}

impl ConfigError {
    /// What is wrong with a record that begins with its version, if that is another one.
    pub(crate) fn of_version(index: usize, record: &[u8], wanted: u8) -> Result<(), Self> {
        match record.first() {
            // No release has written a version 0.
            Some(&found) if found != wanted && found != 0 => Err(Self::RecordVersion {
                index,
                found,
                wanted,
            }),
            Some(_) | None => Ok(()),
        }
    }
}

fn store_remedy(found: u8, wanted: u8) -> &'static str {
    if found < wanted {
        "finish what it holds with the older release that wrote it, or start a new store and lose that"
    } else {
        "a newer release wrote it, so update this program"
    }
}

/// A setting that cannot be set by its name to a text. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// No setting has this name.
    #[error("there is no setting {name:?}: the nearest are `{}`", .nearest.join("`, `"))]
    Unknown {
        /// The name that was given.
        name: String,
        /// The names that are most like it.
        nearest: Vec<&'static str>,
    },
    /// The text is not of the setting's kind.
    #[error("`{setting}` cannot be {value:?}: give {expected}")]
    WrongKind {
        /// The setting.
        setting: &'static str,
        /// The text that was given.
        value: String,
        /// What to give instead.
        expected: String,
    },
    /// The number is too small or too large.
    #[error("`{setting}` cannot be {value:?}: it must be {bounds}")]
    OutOfBounds {
        /// The setting.
        setting: &'static str,
        /// The text that was given.
        value: String,
        /// What it may be.
        bounds: String,
    },
    /// The text is no name.
    #[error("`{setting}` cannot be {value:?}: {source}")]
    Name {
        /// The setting.
        setting: &'static str,
        /// The text that was given.
        value: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// The suites cannot be enabled together.
    #[error("`{setting}` cannot be {value:?}: {source}")]
    Suites {
        /// The setting.
        setting: &'static str,
        /// The text that was given.
        value: String,
        /// What is wrong with them.
        source: ConfigError,
    },
}

/// A call that makes no sense now. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The job is not known here.
    #[error("job {0} is not known: start it first")]
    UnknownJob(JobId),
    /// The job runs already.
    #[error("job {0} exists already: give a new job a new id")]
    JobExists(JobId),
    /// The site takes no part in the job.
    #[error("`{client}` is not a site of job {job}: start the job for it too, or choose another")]
    NotASite {
        /// The job.
        job: JobId,
        /// The site.
        client: Name,
    },
    /// The task is not held here.
    #[error("task {0} is not known, or is finished: submit each task that was assigned once")]
    UnknownTask(TaskId),
    /// The result is stored, so the task can no longer be withdrawn.
    #[error("task {0} has a result already: use it")]
    TaskDone(TaskId),
    /// No such record is waiting.
    #[error("record {0} is not waiting to be stored: confirm each record once")]
    UnknownRecord(RecordId),
    /// No such signature was asked for, or it came too late.
    #[error("signature {0} is not awaited (any more): drop it")]
    UnknownSignature(SignatureId),
    /// No such decision was asked for, or it came too late.
    #[cfg(feature = "nvflare")]
    #[error("decision {0} is not awaited (any more): drop it")]
    UnknownControl(crate::nvflare::ControlId),
    /// A context, headers, a label or a name that is too long.
    #[error("{what} is larger than {limit} bytes: make it smaller")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// A table of the machine is full.
    #[error("there are {limit} {what} already: finish some first, or raise the limit")]
    Full {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The change does not fit what is recorded, though it should.
    #[error(
        "this does not fit what is recorded, which is a fault of fedlink: nothing has changed; please report it"
    )]
    Unfit,
    /// The machine is registering or registered already.
    #[error("the client is registering or registered already: quit first")]
    AlreadyRegistering,
    /// Nothing to do that in this state.
    #[error("the client is not registered: wait for `SetAuth`")]
    NotRegistered,
    /// There is no connection to say that on.
    #[error("there is no connection: say this again when one stands")]
    NotConnected,
    /// A setting that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A message that was refused. It was counted; nothing else has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Dropped {
    /// Longer than a message may be, or than a stranger's may be.
    #[error("the message exceeds the limit")]
    TooLong,
    /// Its answer would be over three times as long, on a carrier of datagrams.
    #[error("the message is too short for its answer")]
    TooShort,
    /// Not a message of this protocol.
    #[error("the message does not parse")]
    Malformed,
    /// A version that is not spoken here.
    #[error("the message has an unknown version")]
    Version,
    /// An answer to nothing that is outstanding.
    #[error("the message answers nothing that was asked")]
    Unasked,
    /// Of a session that is not known.
    #[error("the message belongs to no session")]
    NoSession,
    /// Its seal does not open, or its token is wrong.
    #[error("the message is not authentic")]
    Unauthentic,
    /// It was here before, or is too old to tell.
    #[error("the message repeats an older one")]
    Repeated,
    /// A proof or certificate in it was not accepted.
    #[error("the message does not prove its sender")]
    Unproven,
    /// The sender has asked for too much.
    #[error("the sender exceeds its budget")]
    OverBudget,
    /// A stale or foreign cookie.
    #[error("the registration answers no recent challenge")]
    Cookie,
    /// It makes no sense in the state of this machine.
    #[error("the message makes no sense now")]
    Unexpected,
}
