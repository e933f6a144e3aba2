//! Cookies: the state of a handshake, which the server gives to the client to keep, under a
//! key of its own.

use core::time::Duration;

use x25519_dalek::StaticSecret;

use super::permutation::Permutation;
use crate::Instant;
use crate::digest::{self, Hash};
use crate::entropy::Entropy;
use crate::seed::Seed;
use crate::wire::native::{ChallengeReply, Cookie, challenge_reply};

/// The secrets behind cookies and shares. They live for one window and are kept for one
/// more; forward secrecy of a handshake begins when they are gone.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Cookies {
    window: Duration,
    /// Hides stamps: how many cookies there were and what the server's clock says is
    /// nobody's business.
    stamps: Permutation,
    current: Epoch,
    previous: Option<Epoch>,
    /// The latest number given out.
    number: u64,
}

#[cfg_attr(test, derive(Clone, Hash))]
struct Epoch {
    from: Instant,
    /// Whether a cookie was made with them.
    used: bool,
    code_key: Seed,
    share_key: Seed,
}

impl Epoch {
    fn new(from: Instant, entropy: &mut Entropy) -> Self {
        Self {
            from,
            used: false,
            code_key: entropy.seed(),
            share_key: entropy.seed(),
        }
    }
}

/// What a cookie is known by. No two are alike.
struct Stamp {
    number: u64,
    issued: Instant,
}

impl Stamp {
    fn hide(&self, stamps: &Permutation) -> [u8; 16] {
        let mut block = [0; 16];
        block[..8].copy_from_slice(&self.number.to_be_bytes());
        block[8..].copy_from_slice(&self.issued.as_micros().to_be_bytes());
        stamps.hide(block)
    }

    fn reveal(stamps: &Permutation, image: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, issued @ ..] = stamps.reveal(image);
        Self {
            number: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            issued: Instant::from_micros(u64::from_be_bytes(issued)),
        }
    }
}

/// A cookie that is ours and still counts.
pub(crate) struct Checked {
    /// Later cookies have higher numbers, and no two the same.
    pub(crate) number: u64,
    /// How long ago it was given out.
    pub(crate) age: Duration,
    /// When it stops counting.
    pub(crate) until: Instant,
    /// The secret of the share that came with it.
    pub(crate) secret: Option<StaticSecret>,
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
            stamps: Permutation::new(entropy),
            current: Epoch::new(now, entropy),
            previous: None,
            number: 0,
        }
    }

    /// Erases secrets that are too old. Call it before any input is handled.
    // spec: P-51
    pub(crate) fn rotate(&mut self, now: Instant, entropy: &mut Entropy) {
        let kept = self.kept();
        self.previous
            .take_if(|previous| now.since(previous.from) >= kept);
        let age = now.since(self.current.from);
        if age < self.window {
            return;
        }
        let expired = core::mem::replace(&mut self.current, Epoch::new(now, entropy));
        self.previous = Some(expired).filter(|it| it.used && age < kept);
    }

    /// When [`Cookies::rotate`] has something to do next, while there is a secret behind a
    /// cookie.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        let current = self.current.used.then(|| self.current.from + self.window);
        let previous = self.previous.as_ref();
        let previous = previous.map(|previous| previous.from + self.kept());
        current.into_iter().chain(previous).min()
    }

    /// Fills in share and cookie of a reply whose other fields are set. Returns the secret of
    /// the share.
    // spec: P-49
    pub(crate) fn issue(
        &mut self,
        now: Instant,
        exchange: &Exchange<'_>,
        reply: &mut ChallengeReply,
        with_share: bool,
    ) -> Option<StaticSecret> {
        self.number += 1;
        self.current.used = true;
        let stamp = Stamp {
            number: self.number,
            issued: now,
        };
        reply.cookie.stamp = stamp.hide(&self.stamps);
        let secret = with_share.then(|| self.current.secret(exchange, reply));
        reply.server_share = secret
            .as_ref()
            .map(|secret| x25519_dalek::PublicKey::from(secret).to_bytes());
        reply.cookie.code = self.current.code(exchange, reply);
        secret
    }

    /// The number of the latest cookie.
    pub(crate) fn latest(&self) -> u64 {
        self.number
    }

    /// What the cookie stands for, if it is ours and still counts. What its stamp says is
    /// not to be believed before that.
    // spec: P-50
    pub(crate) fn check(
        &self,
        now: Instant,
        exchange: &Exchange<'_>,
        reply: &ChallengeReply,
    ) -> Option<Checked> {
        use subtle::ConstantTimeEq;
        let Stamp { number, issued } = Stamp::reveal(&self.stamps, reply.cookie.stamp);
        // A cookie stops counting at the end of time at the latest.
        let until = issued + self.window;
        if issued > now || until <= now {
            return None;
        }
        let epoch = [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|epoch| issued >= epoch.from)?;
        let code = epoch.code(exchange, reply);
        bool::from(code.ct_eq(&reply.cookie.code)).then(|| Checked {
            number,
            age: now.since(issued),
            until,
            secret: reply
                .server_share
                .is_some()
                .then(|| epoch.secret(exchange, reply)),
        })
    }

    /// How long secrets are kept.
    const fn kept(&self) -> Duration {
        self.window.saturating_mul(2)
    }
}

#[cfg(test)]
impl Cookies {
    /// The number of a cookie, whoever made it.
    pub(crate) fn number_of(&self, cookie: &Cookie) -> u64 {
        Stamp::reveal(&self.stamps, cookie.stamp).number
    }
}

impl Epoch {
    fn code(&self, exchange: &Exchange<'_>, reply: &ChallengeReply) -> Hash {
        let mut hello_s = challenge_reply(reply);
        hello_s.truncate(hello_s.len().saturating_sub(Cookie::LEN));
        digest::code(
            self.code_key.expose(),
            "fedlink v2 cookie",
            &[
                &reply.cookie.stamp,
                &digest::bare(exchange.hello_c),
                &digest::bare(&hello_s),
                &digest::bare(exchange.chain),
            ],
        )
    }

    fn secret(&self, exchange: &Exchange<'_>, reply: &ChallengeReply) -> StaticSecret {
        StaticSecret::from(digest::code(
            self.share_key.expose(),
            "fedlink v2 share",
            &[
                &reply.cookie.stamp,
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

    // spec: P-50
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
            cookie: Cookie::EMPTY,
        };
        cookies.rotate(at(50), &mut entropy);
        let secret = cookies.issue(at(50), &exchange, &mut reply, true).unwrap();
        (51..110).for_each(|second| cookies.rotate(at(second), &mut entropy));
        let again = cookies.check(at(109), &exchange, &reply).unwrap();
        assert_eq!(secret.to_bytes(), again.secret.unwrap().to_bytes());
        let age = Duration::from_secs(59);
        assert_eq!((again.number, again.age, again.until), (1, age, at(110)));
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
        for byte in 0..16 {
            let mut changed = reply.clone();
            changed.cookie.stamp[byte] ^= 1;
            assert!(cookies.check(at(60), &exchange, &changed).is_none());
        }
        cookies.rotate(at(250), &mut entropy);
        assert!(cookies.previous.is_none());
    }

    /// Cookies of one moment, one after another, and of two servers at the same moment:
    /// their stamps share nothing that would show a count or a clock.
    #[test]
    fn a_cookie_shows_neither_count_nor_clock() {
        let exchange = Exchange {
            hello_c: b"hello",
            chain: b"chain",
        };
        let now = Instant::from_micros(1_000_000);
        let stamps: Vec<u128> = (0..4)
            .flat_map(|seed| {
                let mut entropy = Entropy::new(&mut [seed; 32]);
                let mut cookies = Cookies::new(Duration::from_secs(60), now, &mut entropy);
                let mut reply = ChallengeReply {
                    suite: Suite::Bearer,
                    client_nonce: [1; 16],
                    server_nonce: [2; 16],
                    server_share: None,
                    cookie: Cookie::EMPTY,
                };
                [(); 64].map(|()| {
                    cookies.issue(now, &exchange, &mut reply, false);
                    u128::from_be_bytes(reply.cookie.stamp)
                })
            })
            .collect();
        for bit in 0..128 {
            let set = stamps.iter().filter(|it| *it >> bit & 1 == 1).count();
            assert!((80..176).contains(&set), "bit {bit} is set in {set} of 256");
        }
        for two in stamps.windows(2) {
            let differ = (two[0] ^ two[1]).count_ones();
            assert!((32..96).contains(&differ), "{differ} bits differ");
        }
    }

    // spec: P-51
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

    // spec: P-51
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
