//! Refused registrations, for the host to show to whoever runs the server.

use alloc::collections::VecDeque;
use alloc::string::String;

use crate::identity::Name;
use crate::message::{PeerId, RejectReason};
use crate::wire::native::{Denial, Denied};

/// Refusals that wait for the host, at most: anybody can cause one, and a host that takes them
/// after each input has seldom more than a few. What is beyond is counted, and not kept.
const MAX_WAITING: usize = 16;

/// As much of a message as is kept, in bytes: what a certificate holds can be quoted in it.
const MAX_TEXT: usize = 512;

/// Somebody was refused who will not be taken before a person changes something. Who may come
/// again by itself, because the server is full or busy, is no such one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The connection that it came on.
    pub peer: PeerId,
    /// The name that it gave, if it came so far. It has proved that it has it only where the
    /// reason is one that is found after the proof: any but
    /// [`Unauthenticated`](RejectReason::Unauthenticated), and in suites other than plain.
    pub name: Option<Name>,
    /// The rule by which it was refused; none if it accepts no suite that this server does.
    pub reason: Option<RejectReason>,
    /// What it was told. It may quote what it sent: escape it where it is shown.
    pub message: String,
}

/// Refusals that wait for the host.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(VecDeque<Refused>);

impl Refusals {
    /// Keeps a refusal, if it is for good and there is room; whether it is for good.
    pub(super) fn note(&mut self, peer: PeerId, name: Option<Name>, denied: Denied) -> bool {
        let reason = match denied.denial {
            Denial::Rejected(reason) => Some(reason),
            Denial::NoCommonSuite => None,
            Denial::Busy | Denial::TooShort(_) => return false,
        };
        if self.0.len() < MAX_WAITING {
            self.0.push_back(Refused {
                peer,
                name,
                reason,
                message: cut(denied.message),
            });
        }
        true
    }

    /// The oldest one. When there are no more, they take no memory.
    pub(super) fn pop_front(&mut self) -> Option<Refused> {
        let refused = self.0.pop_front();
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
        refused
    }
}

fn cut(mut message: String) -> String {
    let mut end = message.len().min(MAX_TEXT);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    message.shrink_to_fit();
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_gone_when_it_is_taken() {
        let mut refusals = Refusals::default();
        let long = format!("x{}", "\u{fc}".repeat(10_000));
        for number in 0..1000 {
            let denied = Denied::rejected(RejectReason::Unauthenticated, long.clone());
            assert!(refusals.note(PeerId(number), None, denied));
        }
        let busy = Denied::new(Denial::Busy, "later");
        assert!(!refusals.note(PeerId(1), None, busy));
        for number in 0..MAX_WAITING {
            let refused = refusals.pop_front().unwrap();
            assert_eq!(refused.peer, PeerId(number as u64));
            assert!(refused.message.capacity() <= MAX_TEXT);
        }
        assert_eq!(refusals.pop_front(), None);
        assert_eq!(refusals.0.capacity(), 0);
    }
}
