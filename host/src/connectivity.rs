//! The state of a client host's connection: why there is none, and whether trying again helps.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fedlink::FailureKind;

/// Connections in a row that fail for permanent reasons, after which the next one will not do
/// better. A server that is set up anew, or the first of several, may fail once.
const MAX_REFUSALS: u32 = 3;

/// What is known of a connection that ends before anything has come.
const UNANSWERED: &str = "the server closed the connection before it answered";

/// Why a connection failed, or could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ConnectionFailure {
    /// Whether another connection may do better.
    pub kind: FailureKind,
    /// What is wrong and what helps, in words. It may quote the peer.
    pub text: String,
    /// What TLS has against the connection, if it does.
    pub(crate) fault: Option<Fault>,
}

impl ConnectionFailure {
    /// One that passes, with nothing to be done about it.
    pub(crate) fn transient(text: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Transient,
            text: text.into(),
            fault: None,
        }
    }

    /// What an error of a carrier means.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        let known = error.get_ref().and_then(|it| it.downcast_ref::<Self>());
        if let Some(known) = known {
            return known.clone();
        }
        Self::transient(match error.kind() {
            ErrorKind::TimedOut => "no answer in time".to_owned(),
            ErrorKind::UnexpectedEof => UNANSWERED.to_owned(),
            _ => error.to_string(),
        })
    }

    /// Of several addresses that were tried one after the other: what each of them said. It
    /// passes if one of them may.
    pub(crate) fn of_all(failures: Vec<io::Error>) -> io::Error {
        let Some(last) = failures.last() else {
            let text = "there is no address to connect to: give one";
            return Self::transient(text).into_error(ErrorKind::InvalidInput);
        };
        let error_kind = last.kind();
        let all: Vec<Self> = failures.iter().map(Self::of).collect();
        let kinds = all.iter().map(|failure| failure.kind);
        let texts: Vec<&str> = all.iter().map(|failure| failure.text.as_str()).collect();
        let failure = Self {
            kind: kinds.min().unwrap_or(FailureKind::Transient),
            text: texts.join("; "),
            fault: all.last().and_then(|failure| failure.fault),
        };
        failure.into_error(error_kind)
    }

    pub(crate) fn into_error(self, kind: ErrorKind) -> io::Error {
        io::Error::new(kind, self)
    }
}

/// What keeps two ends of TLS from each other. `Their` is of the other end's certificate,
/// which this end does not accept; `Own` of this end's, which the other does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    TheirExpired,
    TheirNotYetValid,
    /// Another root has issued it.
    TheirForeign,
    /// It is for another name.
    TheirName,
    TheirRevoked,
    TheirUnusable,
    /// There is none.
    TheirMissing,
    /// It has expired, or is not valid yet: the alert is the same.
    OwnDates,
    OwnForeign,
    OwnRevoked,
    OwnUnusable,
    OwnMissing,
    /// No more is said. OpenSSL says so of one that is not valid yet.
    OwnRefused,
    /// The other end does not speak TLS.
    Clear,
    /// The other end speaks TLS, and this one does not.
    OnlyTls,
    /// The two ends carry messages over TLS in different ways.
    OtherCarrier,
    /// The other end has closed the connection in the handshake.
    Closed,
    /// Anything else.
    Other,
}

/// What is known of the connections of a client's host. Clones know the same.
#[derive(Clone, Debug, Default)]
pub struct Connectivity(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Why the latest connection is none any more, or could not be made.
    failure: Option<ConnectionFailure>,
    /// How many connections in a row failed for permanent reasons.
    refusals: u32,
    /// Whether a message has come on the latest connection.
    answered: bool,
}

impl Connectivity {
    /// Why the latest connection failed, or could not be made. None while it stands, and if
    /// it was lost after the server had answered on it, for no reason that is known.
    #[must_use]
    pub fn failure(&self) -> Option<ConnectionFailure> {
        self.known().failure.clone()
    }

    /// Why all of the latest connections failed, if only a person can help. Give up then,
    /// unless something has changed here meanwhile, such as a certificate.
    #[must_use]
    pub fn refusal(&self) -> Option<ConnectionFailure> {
        let known = self.known();
        let refused = known.refusals >= MAX_REFUSALS;
        known.failure.clone().filter(|_| refused)
    }

    /// Something has changed at this end: what failed before says nothing any more.
    pub fn start_over(&self) {
        self.known().refusals = 0;
    }

    /// A connection stands, as far as this end can tell.
    pub(crate) fn connected(&self) {
        let mut known = self.known();
        known.failure = None;
        known.answered = false;
    }

    /// A message has come.
    pub(crate) fn answered(&self) {
        let mut known = self.known();
        known.answered = true;
        known.refusals = 0;
    }

    /// A connection broke, or could not be made.
    pub(crate) fn failed(&self, error: &io::Error) {
        tracing::debug!(%error, "a connection to the server failed");
        let mut known = self.known();
        let failure = ConnectionFailure::of(error);
        known.refusals = match failure.kind {
            FailureKind::Transient => 0,
            FailureKind::Permanent => known.refusals.saturating_add(1),
        };
        let broke = matches!(
            error.kind(),
            ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
        );
        // Where the server had answered, it was lost, as connections are.
        let lost = broke && known.answered && failure.fault.is_none();
        known.failure = (!lost).then_some(failure);
    }

    /// The server has closed a connection.
    pub(crate) fn closed(&self) {
        let mut known = self.known();
        if !known.answered {
            known.failure = Some(ConnectionFailure::transient(UNANSWERED));
        }
    }

    /// The host gives up a connection on which no answers come.
    pub(crate) fn gave_up(&self) {
        let text = "no answer came on it: it is made anew";
        self.known().failure = Some(ConnectionFailure::transient(text));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: FailureKind, text: &str) -> io::Error {
        let failure = ConnectionFailure {
            kind,
            ..ConnectionFailure::transient(text)
        };
        failure.into_error(ErrorKind::InvalidData)
    }

    #[test]
    fn only_refusals_in_a_row_are_for_a_person() {
        let (passing, lasting) = (FailureKind::Transient, FailureKind::Permanent);
        let connectivity = Connectivity::default();
        let fail = |kind| {
            connectivity.connected();
            connectivity.failed(&error(kind, "refused"));
            connectivity.refusal().map(|failure| failure.text)
        };
        let thrice = [(); 3].map(|()| fail(lasting));
        assert_eq!(thrice, [None, None, Some("refused".to_owned())]);
        assert_eq!(fail(passing), None);
        assert_eq!([(); 2].map(|()| fail(lasting)), [None, None]);
        connectivity.answered();
        assert_eq!([(); 2].map(|()| fail(lasting)), [None, None]);
        connectivity.start_over();
        assert_eq!([(); 9].map(|()| fail(passing)), [const { None }; 9]);
    }

    #[test]
    fn a_connection_is_lost_only_if_it_had_an_answer() {
        let connectivity = Connectivity::default();
        let told = || connectivity.failure().map(|failure| failure.text);
        connectivity.connected();
        connectivity.closed();
        assert!(told().unwrap().contains("before it answered"));
        connectivity.connected();
        assert_eq!(told(), None);
        connectivity.answered();
        connectivity.closed();
        assert_eq!(told(), None);
    }

    #[test]
    fn every_address_is_told_and_one_that_may_pass_is_waited_for() {
        let lasting = || error(FailureKind::Permanent, "a:1: refused");
        let passing = io::Error::from(ErrorKind::TimedOut);
        let mixed = ConnectionFailure::of(&ConnectionFailure::of_all(vec![lasting(), passing]));
        assert_eq!(mixed.text, "a:1: refused; no answer in time");
        assert_eq!(mixed.kind, FailureKind::Transient);
        let alike = ConnectionFailure::of(&ConnectionFailure::of_all(vec![lasting(), lasting()]));
        assert_eq!(alike.kind, FailureKind::Permanent);
    }
}
