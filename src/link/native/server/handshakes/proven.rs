//! The Registers whose proof was good. Each is kept until its cookie ends, so that it makes
//! one session only.

use alloc::collections::BTreeMap;

use bytes::Bytes;

use crate::Instant;
use crate::digest::Hash;
use crate::identity::Name;

/// The newest Register of each name. One is found by its cookie, which tells nothing of who
/// sent it: a name is looked up only for somebody who has proved it.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(super) struct Proven {
    /// By the number of the cookie. Numbers grow, so the first one ends first.
    by_cookie: BTreeMap<u64, Registered>,
    /// The number of each name's newest cookie.
    newest: BTreeMap<Name, u64>,
}

/// A Register whose proof was good.
#[cfg_attr(test, derive(Clone, Hash))]
pub(super) struct Registered {
    pub(super) client: Name,
    /// Its bytes and the binding of its connection.
    pub(super) copy: Hash,
    /// None while a signature is awaited.
    pub(super) reply: Option<Bytes>,
    /// When its cookie ends.
    pub(super) until: Instant,
}

impl Proven {
    /// Forgets those whose cookies have ended.
    pub(super) fn forget(&mut self, now: Instant) {
        while let Some(first) = self.by_cookie.first_entry()
            && first.get().until <= now
        {
            let (number, ended) = first.remove_entry();
            if self.newest_of(&ended.client) == Some(number) {
                self.newest.remove(&ended.client);
            }
        }
    }

    /// The Register of this cookie.
    pub(super) fn of_cookie(&self, number: u64) -> Option<&Registered> {
        self.by_cookie.get(&number)
    }

    /// The cookie of a name's newest Register.
    pub(super) fn newest_of(&self, name: &Name) -> Option<u64> {
        self.newest.get(name).copied()
    }

    /// How many there are, one for each name.
    pub(super) fn len(&self) -> usize {
        self.newest.len()
    }

    /// This one is its name's newest. Returns the number of the cookie in whose place it is.
    pub(super) fn insert(&mut self, number: u64, registered: Registered) -> Option<u64> {
        let older = self.newest.insert(registered.client.clone(), number);
        if let Some(older) = older {
            self.by_cookie.remove(&older);
        }
        self.by_cookie.insert(number, registered);
        older
    }

    /// The reply to the Register of this cookie, if it is still its name's newest.
    pub(super) fn reply_of(&mut self, number: u64) -> Option<&mut Option<Bytes>> {
        Some(&mut self.by_cookie.get_mut(&number)?.reply)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn registered(client: &str, until: u64) -> Registered {
        Registered {
            client: Name::new(client).unwrap(),
            copy: [1; 32],
            reply: None,
            until: Instant::from_micros(until),
        }
    }

    #[test]
    fn each_is_kept_to_the_moment_in_which_its_cookie_ends() {
        let mut proven = Proven::default();
        proven.insert(7, registered("site-1", 70));
        proven.insert(8, registered("site-2", 80));
        for (now, kept) in [(69, 2), (70, 1), (79, 1), (80, 0)] {
            proven.forget(Instant::from_micros(now));
            assert_eq!(
                (proven.len(), proven.by_cookie.len()),
                (kept, kept),
                "{now}"
            );
        }
    }

    #[test]
    fn a_name_has_its_newest_alone() {
        let mut proven = Proven::default();
        let name = Name::new("site-1").unwrap();
        for number in 1..5 {
            let older = proven.insert(number, registered("site-1", 10 * number));
            assert_eq!(older, (number > 1).then(|| number - 1));
            assert_eq!(proven.newest_of(&name), Some(number));
            assert!(proven.of_cookie(number - 1).is_none());
        }
        assert_eq!((proven.len(), proven.by_cookie.len()), (1, 1));
        proven.forget(Instant::from_micros(0) + Duration::from_micros(39));
        assert!(proven.of_cookie(4).is_some());
    }
}
