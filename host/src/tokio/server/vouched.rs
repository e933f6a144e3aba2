//! Long messages of those who name a session and have not proved that it is theirs: how much
//! of that may be on its way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use fedlink::message::SessionId;

use crate::limits::Limits;

/// Counts what was vouched for and has not been judged, in all and by session.
#[derive(Clone, Debug)]
pub(super) struct Vouchers(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    bytes: usize,
    connections_per_session: usize,
    given: Mutex<Given>,
}

#[derive(Debug, Default)]
struct Given {
    bytes: usize,
    by_session: BTreeMap<SessionId, usize>,
}

/// One long message that may come. It counts until this is dropped: when the message has been
/// judged, or its connection is gone.
#[derive(Debug)]
pub(super) struct Voucher {
    vouchers: Vouchers,
    session: SessionId,
    bytes: usize,
}

impl Vouchers {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Counts {
            bytes: limits.vouched_bytes,
            connections_per_session: limits.vouched_connections_per_session,
            given: Mutex::default(),
        }))
    }

    /// A voucher for a message of `bytes` that names a session; an error says which
    /// limit there is none by.
    pub(super) fn give(&self, session: SessionId, bytes: usize) -> Result<Voucher, &'static str> {
        let mut given = self.given();
        let left = self.0.bytes.saturating_sub(given.bytes);
        if bytes > left {
            return Err("too many bytes are on their way from those who have proved nothing");
        }
        let connections = given.by_session.entry(session).or_default();
        if *connections >= self.0.connections_per_session {
            return Err("another connection that has proved nothing names the same session");
        }
        *connections += 1;
        given.bytes += bytes;
        Ok(Voucher {
            vouchers: self.clone(),
            session,
            bytes,
        })
    }

    fn given(&self) -> std::sync::MutexGuard<'_, Given> {
        let given = self.0.given.lock();
        given.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Voucher {
    fn drop(&mut self) {
        let mut given = self.vouchers.given();
        given.bytes -= self.bytes;
        if let Some(connections) = given.by_session.get_mut(&self.session) {
            *connections -= 1;
            if *connections == 0 {
                given.by_session.remove(&self.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vouchers_are_limited_in_bytes_and_by_session_and_come_back() {
        let vouchers = Vouchers::new(&Limits {
            vouched_bytes: 100,
            vouched_connections_per_session: 2,
            ..Limits::default()
        });
        let give = |session, bytes| vouchers.give(SessionId::from_bytes([session; 16]), bytes);
        let first = give(1, 40).unwrap();
        let second = give(1, 40).unwrap();
        assert!(give(1, 1).unwrap_err().contains("same session"));
        assert!(give(2, 21).unwrap_err().contains("bytes"));
        let third = give(2, 20).unwrap();
        drop(first);
        let again = give(1, 40).unwrap();
        assert!(give(3, 1).is_err());
        drop((second, third, again));
        let given = vouchers.given();
        assert_eq!((given.bytes, given.by_session.len()), (0, 0));
    }
}
