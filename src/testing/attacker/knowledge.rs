//! What the attacker knows: every message that it saw, and all that its keys open.

use alloc::collections::BTreeSet;

use crate::link::native::seal::Key;
use crate::wire::native::{self, Envelope, HEADER, RefusalSeal};

/// Messages that are remembered: a whole run, but for a flood.
const MEMORY: usize = 400;

/// Keys that every message is tried with: those of the latest exchanges.
const KEYS: usize = 12;

/// A message that was seen.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) bytes: Vec<u8>,
    /// Which site it came from or goes to; none if it is the attacker's own.
    pub(super) site: Option<usize>,
    pub(super) to_server: bool,
}

#[derive(Default)]
pub(super) struct Knowledge {
    pub(super) seen: Vec<Seen>,
    opened: Vec<Vec<u8>>,
    keys: Vec<Key>,
    /// Signatures, whatever they were for.
    pub(super) signatures: Vec<[u8; 64]>,
    /// Chains of others. Certificates are public.
    pub(super) chains: Vec<Vec<u8>>,
    /// Messages that no key opened.
    pub(super) closed: u64,
}

impl Knowledge {
    pub(super) fn learn_key(&mut self, key: Key) {
        self.keys.push(key);
        if self.keys.len() > KEYS {
            self.keys.remove(0);
        }
    }

    /// Sees a message, and tries every key on it.
    pub(super) fn see(&mut self, seen: Seen) {
        if self.seen.len() >= MEMORY {
            return;
        }
        if let Some((number, clear)) = sealed_part(&seen.bytes) {
            for key in &self.keys {
                let mut copy = seen.bytes.clone();
                match key.open(number, &mut copy, clear) {
                    Some(len) => self.opened.push(copy[clear..len].to_vec()),
                    None => self.closed += 1,
                }
            }
        }
        self.seen.push(seen);
    }

    pub(super) fn opened(&mut self, plain: &[u8]) {
        self.opened.push(plain.to_vec());
    }

    /// The first of `secrets` that stands anywhere in what is known.
    pub(super) fn finds(&self, secrets: &[(&'static str, Vec<u8>)]) -> Option<&'static str> {
        // Most windows are ruled out by eight bytes.
        let starts: BTreeSet<[u8; 8]> = secrets
            .iter()
            .filter_map(|(_, secret)| secret.first_chunk().copied())
            .collect();
        let known = self.seen.iter().map(|seen| &seen.bytes).chain(&self.opened);
        for bytes in known {
            for at in 0..bytes.len().saturating_sub(7) {
                let rest = &bytes[at..];
                if !rest.first_chunk().is_some_and(|it| starts.contains(it)) {
                    continue;
                }
                let found = secrets.iter().find(|(_, secret)| rest.starts_with(secret));
                if let Some((what, _)) = found {
                    return Some(what);
                }
            }
        }
        None
    }
}

/// The number and the clear part of what a message seals.
fn sealed_part(message: &[u8]) -> Option<(u64, usize)> {
    match native::parse(message).ok()? {
        Envelope::ChallengeReply { hello, .. } => Some((0, hello)),
        Envelope::Register { clear, .. } | Envelope::RegisterReply { clear, .. } => {
            Some((0, clear))
        }
        Envelope::Refusal {
            seal: RefusalSeal::Sealed { .. },
            clear,
            ..
        } => Some((0, clear)),
        Envelope::Sealed { number, .. } => Some((number, HEADER)),
        Envelope::Versions(_)
        | Envelope::ForeignChallenge(_)
        | Envelope::Challenge(_)
        | Envelope::Refusal { .. }
        | Envelope::InvalidSession(_)
        | Envelope::Clear { .. } => None,
    }
}
