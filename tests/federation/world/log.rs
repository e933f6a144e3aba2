//! What happened, for people; and a fingerprint of all of it, for machines.

use std::collections::VecDeque;

use fedlink::Instant;

/// The last events as readable lines. None are made unless somebody will read them.
#[derive(Default)]
pub struct Log {
    lines: VecDeque<String>,
    kept: usize,
}

impl Log {
    /// A log that keeps the last `kept` lines.
    pub fn keeping(kept: usize) -> Self {
        Self {
            kept,
            ..Self::default()
        }
    }

    pub fn line(&mut self, now: Instant, line: impl FnOnce() -> String) {
        if self.kept == 0 {
            return;
        }
        if self.lines.len() == self.kept {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{now:>16}  {}", line()));
    }

    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

/// A running hash (FNV-1a over words) of everything that the machines said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transcript(u64);

impl Default for Transcript {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Transcript {
    pub fn number(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 ^= self.0 >> 29;
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.number(u64::from_le_bytes(word));
        }
    }
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
    const CLEAR: u8 = 0x11;
    /// Where the request id of a clear message ends and its token's length begins.
    const TOKEN: usize = 26;
    let len = message.len();
    match message.get(1).copied() {
        Some(CLEAR) => {
            let token = message.get(TOKEN + 3).map_or(0, |len| usize::from(*len));
            let kind = message
                .get(TOKEN + 4 + token)
                .map(|kind| usize::from(*kind));
            let names: &[&str] = if from_server { &REPLIES } else { &REQUESTS };
            let what = kind.and_then(|kind| names.get(kind)).unwrap_or(&"request");
            let number = message.get(18..TOKEN).unwrap_or_default();
            let number = number
                .iter()
                .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
            format!("{what} {number} ({len} B)")
        }
        Some(kind) => match HELLOS.get(usize::from(kind)) {
            Some(hello) => format!("{hello} ({len} B)"),
            None => format!("sealed message ({len} B)"),
        },
        None => format!("{len} B"),
    }
}
