//! The headers that every message of this site carries: who sends it, to whom, and what
//! proves that it may.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::{format, vec};

use uuid::Uuid;

use super::send::Target;
use crate::digest;
use crate::message::{JobId, ReturnCode};
use crate::wire::nvflare::cell::{Headers, key};
use crate::wire::nvflare::value::Value;

/// The server's own cell; those of jobs are its children.
pub(super) const SERVER: &str = "server";

/// A cell of this site. All share one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Site,
    Job(JobId),
}

impl Origin {
    /// The full name of the cell on the site called `site`.
    pub(super) fn name(self, site: &str) -> String {
        match self {
            Self::Site => site.to_owned(),
            Self::Job(job) => format!("{site}.{job}"),
        }
    }

    /// The cell of that full name.
    pub(super) fn parse(site: &str, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(site)?;
        if rest.is_empty() {
            return Some(Self::Site);
        }
        job_id(rest.strip_prefix('.')?).map(Self::Job)
    }

    /// The server's cell for this one.
    pub(super) fn server(self) -> String {
        self.name(SERVER)
    }
}

/// The identifier of what NVFlare calls by any text: the first half of its hash.
pub(super) fn named(text: &str) -> [u8; 16] {
    let hash = digest::bare(text.as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    id
}

/// A job by NVFlare's name for it, which is a UUID.
pub(super) fn job_id(text: &str) -> Option<JobId> {
    let id = Uuid::try_parse(text).ok()?;
    Some(JobId::from_bytes(id.into_bytes()))
}

/// What proves the registration.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) token: String,
    pub(super) token_signature: String,
    pub(super) ssid: String,
}

/// What a message carries.
pub(super) struct Content<'a> {
    /// `fobs`, `bytes` or `none`.
    pub(super) encoding: &'a str,
    pub(super) len: usize,
}

/// What a message is to the one that it goes to.
pub(super) enum Kind<'a> {
    /// Expects a reply that names this id.
    Request(Uuid),
    /// Expects none.
    Notice,
    /// Answers the request of this id.
    Reply(&'a Value, ReturnCode),
}

/// The site's name, its credentials, and the time.
pub(super) struct Sender<'a> {
    pub(super) site: &'a str,
    pub(super) credentials: Option<&'a Credentials>,
    /// Unix seconds.
    pub(super) wall: f64,
}

impl Sender<'_> {
    /// Adds to `headers` what every message has.
    pub(super) fn seal(
        &self,
        mut headers: Headers,
        target: &Target<'_>,
        kind: &Kind<'_>,
        content: &Content<'_>,
    ) -> Headers {
        let origin = target.origin.name(self.site);
        headers.set(key::TOPIC, target.topic);
        headers.set(key::CHANNEL, target.channel);
        headers.set(key::DESTINATION, target.to.as_str());
        match kind {
            Kind::Request(id) => {
                headers.set(key::REQ_ID, id.to_string());
                headers.set(key::REPLY_EXPECTED, true);
                headers.set(key::MSG_TYPE, "req");
            }
            Kind::Notice => {
                headers.set(key::REPLY_EXPECTED, false);
                headers.set(key::MSG_TYPE, "req");
            }
            Kind::Reply(id, code) => {
                headers.set(key::REQ_ID, (*id).clone());
                headers.set(key::RETURN_CODE, code.to_string());
                headers.set(key::MSG_TYPE, "reply");
            }
        }
        headers.set(key::SECURE, false);
        headers.set(key::OPTIONAL, target.optional);
        headers.set(key::FROM, self.site);
        headers.set(key::TO, SERVER);
        headers.set(
            key::ROUTE,
            Value::List(vec![Value::List(vec![
                Value::from(origin.as_str()),
                Value::from(self.wall),
            ])]),
        );
        headers.set(key::ORIGIN, origin);
        if let Some(credentials) = self.credentials {
            headers.set(key::CLIENT_NAME, self.site);
            headers.set(key::SSID, credentials.ssid.as_str());
            headers.set(key::TOKEN, credentials.token.as_str());
            headers.set(key::TOKEN_SIGNATURE, credentials.token_signature.as_str());
        }
        headers.set(key::PAYLOAD_ENCODING, content.encoding);
        headers.set(key::PAYLOAD_LEN, content.len as u64);
        headers.set(key::SEND_TIME, self.wall);
        headers
    }
}

/// The code of that name; what nobody knows is a failure of the peer.
pub(super) fn return_code(name: &str) -> ReturnCode {
    const CODES: [ReturnCode; 14] = [
        ReturnCode::Ok,
        ReturnCode::Timeout,
        ReturnCode::InvalidTarget,
        ReturnCode::TargetUnreachable,
        ReturnCode::CommError,
        ReturnCode::MsgTooBig,
        ReturnCode::FilterError,
        ReturnCode::InvalidRequest,
        ReturnCode::ProcessException,
        ReturnCode::AuthenticationError,
        ReturnCode::ServiceUnavailable,
        ReturnCode::InvalidSession,
        ReturnCode::AbortRun,
        ReturnCode::Unauthenticated,
    ];
    let named = CODES.into_iter().find(|code| code.to_string() == name);
    named.unwrap_or(ReturnCode::ProcessException)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_otherwise_has_another_identifier() {
        assert_eq!(named("task"), named("task"));
        assert_ne!(named("task"), named("another task"));
    }
}
