//! Views into the handshakes for tests.

use super::Handshakes;
use crate::identity::Name;
use crate::wire::native::Cookie;

impl Handshakes {
    /// The number of a cookie of this server's.
    pub(crate) fn number_of(&self, cookie: &Cookie) -> u64 {
        self.cookies.number_of(cookie)
    }

    pub(crate) fn registration_of(&self, name: &Name) -> (Option<u64>, usize) {
        let newest = self.proven.newest_of(name);
        let pending = self.signing.values();
        let pending = pending.filter(|it| it.client() == Some(name));
        (newest, pending.count())
    }

    /// How many signatures on certificates are known to be good.
    pub(crate) fn known_signatures(&self) -> usize {
        self.known.len()
    }
}
