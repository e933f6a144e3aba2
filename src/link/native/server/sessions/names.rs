//! The index from a client's name to the session that stands for it.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::hashing::Hashing;
use super::slab::{Place, Slab};
use super::standing::Standing;
use crate::entropy::Entropy;
use crate::identity::Name;

/// The places of the sessions that stand, by the names of their clients.
#[cfg_attr(test, derive(Clone))]
pub(super) struct Names {
    table: HashTable<Place>,
    hashing: Hashing,
}

impl Names {
    pub(super) fn new(entropy: &mut Entropy) -> Self {
        Self {
            table: HashTable::new(),
            hashing: Hashing::new(entropy),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn find(&self, sessions: &Slab<Standing>, name: &Name) -> Option<Place> {
        let is_it = |at: &Place| sessions.get(*at).is_some_and(|it| it.client == *name);
        self.table.find(self.hashing.of(name), is_it).copied()
    }

    /// A session stands for the name of its client from now on. Returns the one before.
    pub(super) fn put(&mut self, sessions: &Slab<Standing>, place: Place) -> Option<Place> {
        let name = &sessions.get(place)?.client;
        let hashing = self.hashing;
        let entry = self.table.entry(
            hashing.of(name),
            |at| sessions.get(*at).is_some_and(|it| it.client == *name),
            |at| sessions.get(*at).map_or(0, |it| hashing.of(&it.client)),
        );
        match entry {
            Entry::Occupied(mut known) => Some(core::mem::replace(known.get_mut(), place)),
            Entry::Vacant(free) => {
                free.insert(place);
                None
            }
        }
    }

    /// The session at `place`, which is still in the table, stands no longer. Returns
    /// whether it did.
    pub(super) fn take(&mut self, sessions: &Slab<Standing>, place: Place) -> bool {
        let Some(standing) = sessions.get(place) else {
            return false;
        };
        let hash = self.hashing.of(&standing.client);
        let Ok(known) = self.table.find_entry(hash, |at| *at == place) else {
            return false;
        };
        known.remove();
        if self.table.is_empty() {
            self.table = HashTable::new();
        }
        true
    }
}
