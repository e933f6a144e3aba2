//! What the server would have to remember of a challenge, kept by the client instead.

use core::time::Duration;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Instant;
use crate::digest::{self, Hash};
use crate::entropy::Entropy;
use crate::wire::native::{ChallengeReply, Cookie, challenge_reply};

/// The secrets behind cookies and shares. They live for one window and are kept for one
/// more; forward secrecy of a handshake begins when they are gone.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Cookies {
    window: Duration,
    current: Epoch,
    previous: Option<Epoch>,
    /// The latest number given out.
    number: u64,
}

#[derive(Zeroize, ZeroizeOnDrop)]
#[cfg_attr(test, derive(Clone, Hash))]
struct Epoch {
    #[zeroize(skip)]
    from: Instant,
    /// Whether a cookie was made with them.
    #[zeroize(skip)]
    used: bool,
    code_key: Hash,
    share_key: Hash,
}

impl Epoch {
    fn new(from: Instant, entropy: &mut Entropy) -> Self {
        Self {
            from,
            used: false,
            code_key: entropy.bytes(),
            share_key: entropy.bytes(),
        }
    }
}

/// What a cookie is about.
pub(crate) struct Exchange<'a> {
    pub(crate) hello_c: &'a [u8],
    pub(crate) chain: &'a [u8],
}

impl Cookies {
    pub(crate) fn new(window: Duration, now: Instant, entropy: &mut Entropy) -> Self {
        Self {
            window,
            current: Epoch::new(now, entropy),
            previous: None,
            number: 0,
        }
    }

    /// Erases secrets that are too old. Call it before any input is handled.
    pub(crate) fn rotate(&mut self, now: Instant, entropy: &mut Entropy) {
        self.previous
            .take_if(|previous| now.since(previous.from) >= self.window * 2);
        let age = now.since(self.current.from);
        if age < self.window {
            return;
        }
        let expired = core::mem::replace(&mut self.current, Epoch::new(now, entropy));
        self.previous = Some(expired).filter(|it| it.used && age < self.window * 2);
    }

    /// When [`Cookies::rotate`] has something to do next, while there is a secret behind a
    /// cookie.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        let current = self.current.used.then(|| self.current.from + self.window);
        let previous = self.previous.as_ref();
        let previous = previous.map(|previous| previous.from + self.window * 2);
        current.into_iter().chain(previous).min()
    }

    /// Fills in number, share and cookie of a reply whose other fields are set. Gives the
    /// secret of the share.
    pub(crate) fn issue(
        &mut self,
        now: Instant,
        exchange: &Exchange<'_>,
        reply: &mut ChallengeReply,
        with_share: bool,
    ) -> Option<x25519_dalek::StaticSecret> {
        self.number += 1;
        self.current.used = true;
        reply.cookie.number = self.number.to_be_bytes();
        reply.cookie.issued = now.as_micros().to_be_bytes();
        let secret = with_share.then(|| self.current.secret(exchange, reply));
        reply.server_share = secret
            .as_ref()
            .map(|secret| x25519_dalek::PublicKey::from(secret).to_bytes());
        reply.cookie.code = self.current.code(exchange, reply);
        secret
    }

    /// Whether the cookie is ours and still counts; if so, the secret of the share again.
    pub(crate) fn check(
        &self,
        now: Instant,
        exchange: &Exchange<'_>,
        reply: &ChallengeReply,
    ) -> Option<Option<x25519_dalek::StaticSecret>> {
        use subtle::ConstantTimeEq;
        let issued = Instant::from_micros(u64::from_be_bytes(reply.cookie.issued));
        if issued > now || now.since(issued) >= self.window {
            return None;
        }
        let epoch = [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|epoch| issued >= epoch.from)?;
        let code = epoch.code(exchange, reply);
        bool::from(code.ct_eq(&reply.cookie.code)).then(|| {
            reply
                .server_share
                .is_some()
                .then(|| epoch.secret(exchange, reply))
        })
    }

    /// When a cookie issued at `issued` stops counting.
    pub(crate) fn end_of(&self, cookie: &Cookie) -> Instant {
        Instant::from_micros(u64::from_be_bytes(cookie.issued)) + self.window
    }
}

impl Epoch {
    fn code(&self, exchange: &Exchange<'_>, reply: &ChallengeReply) -> Hash {
        let mut hello_s = challenge_reply(reply);
        hello_s.truncate(hello_s.len().saturating_sub(Cookie::LEN));
        digest::code(
            &self.code_key,
            "fedlink v1 cookie",
            &[
                &reply.cookie.number,
                &reply.cookie.issued,
                &digest::bare(exchange.hello_c),
                &digest::bare(&hello_s),
                &digest::bare(exchange.chain),
            ],
        )
    }

    fn secret(
        &self,
        exchange: &Exchange<'_>,
        reply: &ChallengeReply,
    ) -> x25519_dalek::StaticSecret {
        x25519_dalek::StaticSecret::from(digest::code(
            &self.share_key,
            "fedlink v1 share",
            &[
                &reply.cookie.number,
                &digest::bare(exchange.hello_c),
                &reply.server_nonce,
            ],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Suite;

    #[test]
    fn a_cookie_counts_for_one_window_and_only_for_its_exchange() {
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let mut entropy = Entropy::new(&mut [1; 32]);
        let mut cookies = Cookies::new(Duration::from_secs(60), at(0), &mut entropy);
        let exchange = Exchange {
            hello_c: b"hello",
            chain: b"chain",
        };
        let mut reply = ChallengeReply {
            suite: Suite::Sealed,
            client_nonce: [1; 16],
            server_nonce: [2; 16],
            server_share: None,
            cookie: Cookie {
                number: [0; 8],
                issued: [0; 8],
                code: [0; 32],
            },
        };
        cookies.rotate(at(50), &mut entropy);
        let secret = cookies.issue(at(50), &exchange, &mut reply, true).unwrap();
        (51..110).for_each(|second| cookies.rotate(at(second), &mut entropy));
        let again = cookies.check(at(109), &exchange, &reply).unwrap().unwrap();
        assert_eq!(secret.to_bytes(), again.to_bytes());
        assert!(cookies.check(at(110), &exchange, &reply).is_none());
        assert!(cookies.check(at(49), &exchange, &reply).is_none());
        let other = Exchange {
            hello_c: b"hallo",
            ..exchange
        };
        assert!(cookies.check(at(60), &other, &reply).is_none());
        let mut changed = reply.clone();
        changed.server_nonce[0] ^= 1;
        assert!(cookies.check(at(60), &exchange, &changed).is_none());
        cookies.rotate(at(250), &mut entropy);
        assert!(cookies.previous.is_none());
    }

    #[test]
    fn secrets_are_gone_after_two_windows_whenever_they_were_rotated() {
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let mut entropy = Entropy::new(&mut [1; 32]);
        let mut cookies = Cookies::new(Duration::from_secs(60), at(0), &mut entropy);
        assert_eq!(cookies.next_end(), None);
        cookies.current.used = true;
        assert_eq!(cookies.next_end(), Some(at(60)));
        cookies.rotate(at(119), &mut entropy);
        assert!(cookies.previous.is_some());
        cookies.current.used = true;
        assert_eq!(cookies.next_end(), Some(at(120)));
        cookies.rotate(at(120), &mut entropy);
        assert!(cookies.previous.is_none());
        assert_eq!(cookies.next_end(), Some(at(179)));
        cookies.rotate(at(239), &mut entropy);
        assert!(cookies.previous.is_none());
        assert_eq!(cookies.next_end(), None);
    }

    #[test]
    fn no_cookie_is_made_with_a_secret_that_is_a_window_old() {
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let mut entropy = Entropy::new(&mut [1; 32]);
        let mut cookies = Cookies::new(Duration::from_secs(60), at(0), &mut entropy);
        cookies.rotate(at(59), &mut entropy);
        assert_eq!(cookies.current.from, at(0));
        cookies.rotate(at(60), &mut entropy);
        assert_eq!(cookies.current.from, at(60));
    }
}
