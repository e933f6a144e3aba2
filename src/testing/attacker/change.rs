//! Changes of a message that need no key: parts of it, parts of another, and other fields.

use crate::wire::native::{self, Challenge, ChallengeReply, Envelope, HEADER};

/// Ways to change a message. `Splice`, `Join` and `Swap` take a second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Keep,
    /// Cut off at this many eighths.
    Truncate(usize),
    Extend,
    /// One bit at this many eighths.
    Flip(usize),
    /// The start of one and the end of the other, at this many eighths.
    Splice(usize),
    /// One after the other.
    Join,
    /// The field of this number is the other's.
    Swap(usize),
}

/// Fields of the message that has most.
pub(super) const FIELDS: usize = 7;

/// Every way.
pub(super) fn all() -> impl Iterator<Item = Change> {
    let eighths = [0, 1, 3, 5, 7];
    let single = [Change::Keep, Change::Extend, Change::Join];
    let cut = [1, 4, 7].map(Change::Truncate);
    let flip = eighths.map(Change::Flip);
    let splice = [1, 4, 7].map(Change::Splice);
    single
        .into_iter()
        .chain(cut)
        .chain(flip)
        .chain(splice)
        .chain((0..FIELDS).map(Change::Swap))
}

impl Change {
    /// Whether a second message has a part in it.
    pub(super) fn takes_two(self) -> bool {
        matches!(self, Self::Splice(_) | Self::Join | Self::Swap(_))
    }

    /// The changed message; none if there is nothing to change so.
    pub(super) fn apply(self, one: &[u8], other: &[u8]) -> Option<Vec<u8>> {
        let place = |eighths: usize, bytes: &[u8]| bytes.len() * eighths / 8;
        let changed = match self {
            Self::Keep => one.to_vec(),
            Self::Truncate(eighths) => one[..place(eighths, one)].to_vec(),
            Self::Extend => [one, &[0]].concat(),
            Self::Flip(eighths) => {
                let mut changed = one.to_vec();
                *changed.get_mut(place(eighths, one).max(1))? ^= 1;
                changed
            }
            Self::Splice(eighths) => {
                let (at, from) = (place(eighths, one), place(eighths, other));
                [&one[..at], &other[from..]].concat()
            }
            Self::Join => [one, other].concat(),
            Self::Swap(field) => swap(field, one, other)?,
        };
        (self == Self::Keep || changed != one).then_some(changed)
    }
}

/// `one` with a field of `other`.
fn swap(field: usize, one: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    match (native::parse(one).ok()?, native::parse(other).ok()?) {
        (Envelope::Challenge(a), Envelope::Challenge(b)) => {
            let changed = match field {
                0 => Challenge {
                    suites: b.suites,
                    ..a
                },
                1 => Challenge {
                    project: b.project,
                    ..a
                },
                2 => Challenge {
                    binding: b.binding,
                    ..a
                },
                3 => Challenge {
                    client_nonce: b.client_nonce,
                    ..a
                },
                4 => Challenge {
                    client_share: b.client_share,
                    ..a
                },
                5 => Challenge {
                    client_share: None,
                    ..a
                },
                _ => Challenge {
                    padding: vec![0],
                    ..a
                },
            };
            Some(native::challenge(&changed))
        }
        (
            Envelope::ChallengeReply { reply: a, hello },
            Envelope::ChallengeReply {
                reply: b,
                hello: end,
            },
        ) => {
            let changed = match field {
                0 => ChallengeReply {
                    client_nonce: b.client_nonce,
                    ..a
                },
                1 => ChallengeReply {
                    server_nonce: b.server_nonce,
                    ..a
                },
                2 => ChallengeReply {
                    server_share: b.server_share,
                    ..a
                },
                3 => ChallengeReply {
                    server_share: None,
                    ..a
                },
                4 => ChallengeReply {
                    cookie: b.cookie,
                    ..a
                },
                5 => ChallengeReply {
                    suite: crate::Suite::Plain,
                    server_share: None,
                    ..a
                },
                _ => return Some([&one[..hello], &other[end..]].concat()),
            };
            Some([&native::challenge_reply(&changed)[..], &one[hello..]].concat())
        }
        (
            Envelope::Register { register: a, clear },
            Envelope::Register {
                register: b,
                clear: end,
            },
        ) => {
            let (hello_c, hello_s) = match field {
                0 => (&b.hello_c, &a.hello_s),
                1 => (&a.hello_c, &b.hello_s),
                2 => return Some([&one[..clear], &other[end..]].concat()),
                _ => return None,
            };
            Some([&native::register(hello_c, hello_s)[..], &one[clear..]].concat())
        }
        // The hellos of another exchange around the identity of this one.
        (Envelope::Register { register: a, clear }, Envelope::Challenge(_)) if field == 0 => {
            Some([&native::register(other, &a.hello_s)[..], &one[clear..]].concat())
        }
        (Envelope::Register { register: a, clear }, Envelope::ChallengeReply { hello, .. })
            if field == 0 =>
        {
            let start = native::register(&a.hello_c, &other[..hello]);
            Some([&start[..], &one[clear..]].concat())
        }
        (Envelope::RegisterReply { .. }, Envelope::RegisterReply { .. })
        | (Envelope::Refusal { .. }, Envelope::Refusal { .. }) => {
            ranges(field, &[2, 18, 34], one, other)
        }
        (Envelope::RegisterReply { .. }, Envelope::Challenge(challenge)) if field == 0 => {
            Some([&one[..2], &challenge.client_nonce, &one[18..]].concat())
        }
        (Envelope::Sealed { .. }, Envelope::Sealed { .. })
        | (Envelope::Clear { .. }, Envelope::Clear { .. })
        | (Envelope::InvalidSession(_), Envelope::InvalidSession(_)) => {
            ranges(field, &[2, 18, HEADER], one, other)
        }
        _ => None,
    }
}

/// The part of `other` between two of these places, or behind the last, in `one`.
fn ranges(field: usize, places: &[usize], one: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let start = *places.get(field)?;
    let end = |bytes: &[u8]| places.get(field + 1).copied().unwrap_or(bytes.len());
    let new = other.get(start..end(other))?;
    Some([one.get(..start)?, new, one.get(end(one)..)?].concat())
}
