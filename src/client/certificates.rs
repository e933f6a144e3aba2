//! Certificates that end: the host is told days before, and no grant is asked for that would
//! end when the one there is does.

use core::time::Duration;

use super::state::State;
use super::{Auth, Client, ClientAction};
use crate::Instant;
use crate::time::left_until;

/// Ends of certificates, in Unix seconds.
#[derive(Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Ends {
    /// Of the first of the server's to end, as it showed them last.
    pub(super) of_server: Option<u64>,
    /// Of which the host was told: this client's, and the server's.
    told: [Option<u64>; 2],
}

/// From when to when a session counts.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    /// In Unix seconds of the server.
    issued: u64,
    expires: u64,
    /// The end on this client's clock.
    ends_at: Instant,
    /// When the certificate ends that this client had when the session was granted, in Unix
    /// seconds.
    certificate: Option<u64>,
}

/// Where it ends does not matter to the checker, which knows no time.
#[cfg(test)]
impl core::hash::Hash for Span {
    fn hash<H: core::hash::Hasher>(&self, _state: &mut H) {}
}

impl Client {
    /// Tells the host of certificates that end soon, each once. Without a wall clock there
    /// is no knowing.
    pub(super) fn tell_of_ends(&mut self) {
        let Some(wall) = self.wall.map(|wall| wall.unix_time(self.now)) else {
            return;
        };
        let ends = [self.identity.not_after(), self.ends.of_server];
        for (which, not_after) in ends.into_iter().enumerate() {
            let Some(not_after) = not_after.filter(|it| self.ends.told[which] != Some(*it)) else {
                continue;
            };
            let Some(left) = left_until(not_after, wall, self.config.certificate_notice) else {
                continue;
            };
            self.ends.told[which] = Some(not_after);
            let server = self.config.server.as_ref().or(self.host_name.as_ref());
            let owner = match which {
                0 => Some(self.identity.name()),
                _ => server,
            };
            if let Some(owner) = owner.cloned() {
                self.actions.push_back(ClientAction::CertificateEnds {
                    owner,
                    not_after,
                    left,
                });
            }
        }
    }

    /// Whether this client's certificate has ended by its own clock.
    pub(super) fn has_ended(&self) -> bool {
        let wall = self.wall.map(|wall| wall.unix_time(self.now));
        let ends = self.identity.not_after().zip(wall);
        ends.is_some_and(|(not_after, wall)| not_after < wall)
    }

    /// From when to when a session counts that was just granted, and when to renew it: early
    /// enough for many tries, and not all clients at once. A grant that a certificate cuts
    /// short is the last that this certificate allows: another one would end at the same
    /// moment.
    // spec: P-120
    pub(super) fn span_of(
        &mut self,
        auth: &Auth,
        before: Option<Span>,
    ) -> (Option<Span>, Option<Instant>) {
        if auth.expires == u64::MAX {
            return (None, None);
        }
        let lifetime = Duration::from_secs(auth.expires.saturating_sub(auth.issued));
        let span = Span {
            issued: auth.issued,
            expires: auth.expires,
            ends_at: self.now + lifetime,
            certificate: self.identity.not_after(),
        };
        // Not the same if another certificate came since: this session may still have been
        // asked for with the one before.
        let same_end = |it: Span| {
            it.issued < span.issued
                && it.expires == span.expires
                && it.certificate == span.certificate
        };
        let own_end = span.certificate.is_some_and(|it| it <= span.expires);
        let cut = own_end || before.is_some_and(same_end);
        let renew_at = (!cut).then(|| {
            // However short it is, it is not renewed without a pause.
            let wait = self.entropy.span(lifetime / 10 * 8..=lifetime / 10 * 9);
            self.now + wait.max(self.config.retry_min)
        });
        (Some(span), renew_at)
    }

    /// There is another certificate: a session that was to end with the one before is renewed
    /// in the time that is left to it, and not by all clients at once.
    pub(super) fn renew_with_another_certificate(&mut self) {
        let State::Active(active) = &self.state else {
            return;
        };
        let Some(span) = active.span.filter(|_| active.renewal.is_none()) else {
            return;
        };
        if active.renew_at.is_none() {
            let left = span.ends_at.since(self.now);
            let at = self.now + self.entropy.span(left / 10..=left / 10 * 9);
            self.renew_at(at);
        }
    }
}
