//! The sessions that were last heard on each connection, as a ring within the table.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::hashing::Hashing;
use super::slab::{Place, Slab};
use super::standing::Standing;
use crate::entropy::Entropy;
use crate::message::PeerId;

/// One session of the ring of each connection.
#[cfg_attr(test, derive(Clone))]
pub(super) struct Connections {
    table: HashTable<Place>,
    /// A number may be the hash of an address, which its owner chooses.
    hashing: Hashing,
}

impl Connections {
    pub(super) fn new(entropy: &mut Entropy) -> Self {
        Self {
            table: HashTable::new(),
            hashing: Hashing::new(entropy),
        }
    }

    /// Whether a connection has a ring.
    pub(super) fn has(&self, table: &Slab<Standing>, peer: PeerId) -> bool {
        let on_it = |at: &Place| table.get(*at).and_then(Standing::peer) == Some(peer);
        self.table.find(self.hashing.of(&peer), on_it).is_some()
    }

    /// A session joins the ring of a connection.
    pub(super) fn join(&mut self, table: &mut Slab<Standing>, place: Place, peer: PeerId) {
        let heard_on = |at: Place| table.get(at).and_then(Standing::peer);
        let hashing = self.hashing;
        let entry = self.table.entry(
            hashing.of(&peer),
            |at| heard_on(*at) == Some(peer),
            |at| heard_on(*at).map_or(0, |peer| hashing.of(&peer)),
        );
        let next = match entry {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => *free.insert(place).get(),
        };
        let previous = match table.get(next) {
            Some(known) if next != place => known.ring[0],
            Some(_) | None => place,
        };
        if let Some(standing) = table.get_mut(place) {
            standing.set_peer(Some(peer));
            standing.ring = [previous, next];
        }
        tie(table, previous, place);
        tie(table, place, next);
    }

    /// A session leaves the ring that it is in, if any.
    pub(super) fn leave(&mut self, table: &mut Slab<Standing>, place: Place) {
        let Some((peer, [previous, next])) = table
            .get(place)
            .and_then(|standing| Some((standing.peer()?, standing.ring)))
        else {
            return;
        };
        if let Ok(mut known) = self
            .table
            .find_entry(self.hashing.of(&peer), |at| *at == place)
        {
            if next == place {
                known.remove();
            } else {
                *known.get_mut() = next;
            }
        }
        tie(table, previous, next);
        if let Some(standing) = table.get_mut(place) {
            standing.set_peer(None);
        }
    }

    /// A connection is gone, and its ring.
    pub(super) fn close(&mut self, table: &mut Slab<Standing>, peer: PeerId) {
        let on_it = |at: &Place| table.get(*at).and_then(Standing::peer) == Some(peer);
        let Ok(known) = self.table.find_entry(self.hashing.of(&peer), on_it) else {
            return;
        };
        let (mut place, _) = known.remove();
        while let Some(standing) = table.get_mut(place).filter(|it| it.peer() == Some(peer)) {
            standing.set_peer(None);
            place = standing.ring[1];
        }
        if self.table.is_empty() {
            self.table = HashTable::new();
        }
    }
}

/// Makes two sessions neighbours.
fn tie(table: &mut Slab<Standing>, previous: Place, next: Place) {
    if let Some(standing) = table.get_mut(previous) {
        standing.ring[1] = next;
    }
    if let Some(standing) = table.get_mut(next) {
        standing.ring[0] = previous;
    }
}
