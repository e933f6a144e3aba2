//! Where the fields of a message are, as section 5 of `docs/protocol.md` says.

use std::ops::Range;

/// The first byte of each message.
pub const VERSION: u8 = 2;
/// The second byte of each message.
pub const KIND: usize = 1;
/// What is behind version and kind.
pub const BODY: usize = 2;

/// The kinds of messages.
pub mod kind {
    pub const CHALLENGE: u8 = 0x01;
    pub const CHALLENGE_REPLY: u8 = 0x02;
    pub const REGISTER: u8 = 0x03;
    pub const REGISTER_REPLY: u8 = 0x04;
    pub const REFUSAL: u8 = 0x05;
    pub const INVALID_SESSION: u8 = 0x06;
    pub const SEALED: u8 = 0x10;
    pub const CLEAR: u8 = 0x11;
}

const NONCE: usize = 16;
const ID: usize = 16;
/// Behind what is sealed.
pub const TAG: usize = 16;

/// The fields of a Challenge that offers one suite.
pub mod challenge {
    use super::*;

    const PROJECT: usize = 32;
    /// How many suites there are, and which.
    pub const SUITES: Range<usize> = BODY..BODY + 2;
    const BINDING: usize = SUITES.end + PROJECT;
    pub const NONCE: Range<usize> = BINDING + 1..BINDING + 1 + super::NONCE;
}

/// The fields of a ChallengeReply.
pub mod challenge_reply {
    use super::*;

    pub const SUITE: usize = BODY;
    pub const NONCE: Range<usize> = SUITE + 1..SUITE + 1 + super::NONCE;
}

/// The fields of a clear RegisterReply with a token.
pub mod register_reply {
    use super::*;

    const SESSION: Range<usize> = BODY + NONCE..BODY + NONCE + ID;
    /// That there is one, and which.
    const TOKEN: Range<usize> = SESSION.end..SESSION.end + 1 + ID;
    /// Behind its length, of one byte.
    pub const TOKEN_SIGNATURE: Range<usize> = TOKEN.end + 1..TOKEN.end + 1 + 64;
}

/// The fields of a clear Refusal.
pub mod refusal {
    use super::*;

    /// Behind the nonce and the byte that says that it is clear.
    pub const DENIED: usize = BODY + NONCE + 1;
}

/// The fields of a message of a session, and of InvalidSession.
pub mod session {
    use super::*;

    pub const ID: Range<usize> = BODY..BODY + super::ID;
    pub const NUMBER: Range<usize> = ID.end..ID.end + 8;
    /// Version, kind, session and number.
    pub const CLEAR_PART: usize = NUMBER.end;
}
