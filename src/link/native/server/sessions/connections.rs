//! Which sessions were last heard on which connection: a ring for each.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::slab::{Place, Slab};
use super::standing::Standing;
use crate::message::PeerId;

/// One session of the ring of each connection.
#[derive(Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Connections(HashTable<Place>);

impl Connections {
    /// Whether a connection has a ring.
    pub(super) fn has(&self, table: &Slab<Standing>, peer: PeerId) -> bool {
        let on_it = |at: &Place| table.get(*at).and_then(Standing::peer) == Some(peer);
        self.0.find(spread(peer), on_it).is_some()
    }

    /// A session joins the ring of a connection.
    pub(super) fn join(&mut self, table: &mut Slab<Standing>, place: Place, peer: PeerId) {
        let heard_on = |at: Place| table.get(at).and_then(Standing::peer);
        let entry = self.0.entry(
            spread(peer),
            |at| heard_on(*at) == Some(peer),
            |at| heard_on(*at).map_or(0, spread),
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
        if let Ok(mut known) = self.0.find_entry(spread(peer), |at| *at == place) {
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
        let Ok(known) = self.0.find_entry(spread(peer), on_it) else {
            return;
        };
        let (mut place, _) = known.remove();
        while let Some(standing) = table.get_mut(place).filter(|it| it.peer() == Some(peer)) {
            standing.set_peer(None);
            place = standing.ring[1];
        }
        if self.0.is_empty() {
            *self = Self::default();
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

/// Peers are numbered by the host: it is enough to spread what lies close together.
fn spread(peer: PeerId) -> u64 {
    let product = peer.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn connections_are_spread_however_the_host_numbers_them() {
        for shift in [0, 8, 16, 32] {
            let places = (0..256).map(|number| spread(PeerId(number << shift)) % 256);
            let places = places.collect::<BTreeSet<_>>().len();
            assert!(
                places > 150,
                "{places} places, numbered in steps of 2^{shift}"
            );
        }
    }
}
