//! Inputs of tasks, each held and stored once however many tasks share it.

use alloc::collections::BTreeMap;

use crate::digest::{self, Hash};
use crate::message::Payload;

/// Names a payload by its labels and bytes.
pub(super) type PayloadId = Hash;

pub(super) fn id_of(payload: &Payload) -> PayloadId {
    digest::hash(
        "fedlink v2 task payload",
        &[
            payload.content_type().as_bytes(),
            payload.encoding().as_bytes(),
            payload.digest().as_bytes(),
        ],
    )
}

/// The payloads of all open and unread tasks.
#[derive(Debug, Default)]
#[cfg_attr(any(test, fuzzing), derive(Clone, PartialEq))]
#[cfg_attr(test, derive(Hash))]
pub(super) struct TaskInputs(BTreeMap<PayloadId, Shared>);

#[derive(Debug)]
#[cfg_attr(any(test, fuzzing), derive(Clone, PartialEq))]
#[cfg_attr(test, derive(Hash))]
struct Shared {
    payload: Payload,
    users: usize,
}

impl TaskInputs {
    pub(super) fn contains(&self, id: &PayloadId) -> bool {
        self.0.contains_key(id)
    }

    /// Puts a payload up, used by nobody yet, unless it is there already.
    pub(super) fn put(&mut self, id: PayloadId, payload: Payload) {
        self.0.entry(id).or_insert(Shared { payload, users: 0 });
    }

    /// The payload for one more user.
    pub(super) fn hold(&mut self, id: &PayloadId) -> Option<Payload> {
        let shared = self.0.get_mut(id)?;
        shared.users = shared.users.saturating_add(1);
        Some(shared.payload.clone())
    }

    /// One user less; the last one takes the payload down.
    pub(super) fn release(&mut self, id: &PayloadId) {
        if let Some(shared) = self.0.get_mut(id) {
            shared.users = shared.users.saturating_sub(1);
            if shared.users == 0 {
                self.0.remove(id);
            }
        }
    }

    /// Takes down what a replay has put up for tasks that are closed.
    pub(super) fn drop_unused(&mut self) {
        self.0.retain(|_, shared| shared.users > 0);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PayloadId, &Payload)> {
        self.0.iter().map(|(id, shared)| (id, &shared.payload))
    }
}
