//! What happened, for people; and a fingerprint of what a machine said, for other machines.

use core::fmt::{self, Write as _};
use std::collections::VecDeque;

use fedlink::Instant;

use super::diagram::{self, Entry, Lane};

/// The last events. None are kept unless somebody will read them.
#[derive(Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    kept: usize,
}

impl Log {
    /// A log that keeps the last `kept` events.
    pub fn keeping(kept: usize) -> Self {
        Self {
            kept,
            ..Self::default()
        }
    }

    /// Something happened at one place.
    pub fn note(&mut self, at: Instant, lane: Lane, text: impl FnOnce() -> String) {
        self.push(|| Entry::note(at, lane, text()));
    }

    /// A message goes from one place towards another, and arrives or not.
    pub fn arrow(
        &mut self,
        at: Instant,
        way: (Lane, Lane),
        arrives: bool,
        text: impl FnOnce() -> String,
    ) {
        self.push(|| Entry::arrow(at, way, arrives, text()));
    }

    /// A sequence diagram of what was kept.
    pub fn diagram(&self) -> String {
        diagram::draw(self.entries.iter())
    }

    fn push(&mut self, entry: impl FnOnce() -> Entry) {
        if self.kept == 0 {
            return;
        }
        if self.entries.len() == self.kept {
            self.entries.pop_front();
        }
        self.entries.push_back(entry());
    }
}

/// A running hash (FNV-1a over words) of everything that a machine said.
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

    /// What something looks like.
    pub fn text(&mut self, something: &impl fmt::Debug) {
        // Writing into a hash cannot fail.
        let _ = write!(self, "{something:?}");
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

impl fmt::Write for Transcript {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}
