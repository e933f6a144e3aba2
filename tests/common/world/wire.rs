//! What anybody on the way can read of a message.

use fedlink::message::SessionId;

const CLEAR: u8 = 0x11;
const SEALED: u8 = 0x10;

/// Where the number of a message of a session begins, and where it ends.
const NUMBER: core::ops::Range<usize> = 18..26;

/// The session of a message and its number there: a sequence number if it is sealed, the
/// id of its request if it is not.
pub struct Stamp {
    pub session: SessionId,
    pub number: u64,
    pub is_sealed: bool,
}

/// Reads the stamp of a message of a session.
pub fn stamp(message: &[u8]) -> Option<Stamp> {
    let kind = *message.get(1)?;
    if kind != CLEAR && kind != SEALED {
        return None;
    }
    let session = message.get(2..NUMBER.start)?.try_into().ok()?;
    let number = message.get(NUMBER)?.try_into().ok()?;
    Some(Stamp {
        session: SessionId::from_bytes(session),
        number: u64::from_be_bytes(number),
        is_sealed: kind == SEALED,
    })
}

/// The session that a message grants.
pub fn granted(message: &[u8]) -> Option<SessionId> {
    const REGISTER_REPLY: u8 = 4;
    /// Behind the client's nonce.
    const SESSION: core::ops::Range<usize> = 18..34;
    let session = message.get(SESSION)?.try_into().ok()?;
    (message.get(1) == Some(&REGISTER_REPLY)).then(|| SessionId::from_bytes(session))
}

/// What a message is, as far as its clear part tells.
pub fn describe(message: &[u8], from_server: bool) -> String {
    const HELLOS: [&str; 7] = [
        "versions",
        "challenge",
        "challenge reply",
        "register",
        "register reply",
        "refusal",
        "invalid session",
    ];
    const REQUESTS: [&str; 6] = ["heartbeat", "pull", "submit", "fetch", "push", "quit"];
    const REPLIES: [&str; 7] = [
        "heartbeat reply",
        "pull reply",
        "submit reply",
        "fetch reply",
        "push reply",
        "goodbye",
        "failure",
    ];
    /// Where the token's length begins.
    const TOKEN: usize = NUMBER.end;
    let len = message.len();
    match message.get(1).copied() {
        Some(CLEAR) => {
            let token = message.get(TOKEN + 3).map_or(0, |len| usize::from(*len));
            let kind = message
                .get(TOKEN + 4 + token)
                .map(|kind| usize::from(*kind));
            let names: &[&str] = if from_server { &REPLIES } else { &REQUESTS };
            let what = kind.and_then(|kind| names.get(kind)).unwrap_or(&"request");
            let number = stamp(message).map_or(0, |stamp| stamp.number);
            format!("{what} {number} ({len} B)")
        }
        Some(kind) => match HELLOS.get(usize::from(kind)) {
            Some(hello) => format!("{hello} ({len} B)"),
            None => {
                let number = stamp(message).map_or(0, |stamp| stamp.number);
                format!("sealed message {number} ({len} B)")
            }
        },
        None => format!("{len} B"),
    }
}
