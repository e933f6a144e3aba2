//! Ids of sessions: the place in the server's table, encrypted as one block, so that an id
//! tells nothing and is found by one look into memory.

use super::slab::Place;
use crate::entropy::Entropy;
use crate::link::native::permutation::Permutation;
use crate::message::SessionId;

/// What the table knows a session by. It names that one and no later one at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Handle {
    pub(super) place: Place,
    /// Drawn for each session.
    pub(super) mark: [u8; 8],
}

/// Handles and ids, each the other's only counterpart: of the 2^128 ids that somebody may
/// guess, every session has one.
#[cfg_attr(test, derive(Clone, Hash))]
pub(super) struct Ids(Permutation);

impl Ids {
    pub(super) fn new(entropy: &mut Entropy) -> Self {
        Self(Permutation::new(entropy))
    }

    // spec: P-60
    pub(super) fn id_of(&self, handle: Handle) -> SessionId {
        let mut block = [0; 16];
        block[..4].copy_from_slice(&handle.place.to_be_bytes());
        block[4..12].copy_from_slice(&handle.mark);
        SessionId::from_bytes(self.0.hide(block))
    }

    /// What `id` names; `None` if that is no handle. There may be no such session.
    pub(super) fn handle_of(&self, id: SessionId) -> Option<Handle> {
        let block = self.0.reveal(*id.as_bytes());
        let (place, rest) = block.split_first_chunk()?;
        let (mark, rest) = rest.split_first_chunk()?;
        (rest == [0; 4]).then_some(Handle {
            place: Place::from_be_bytes(*place),
            mark: *mark,
        })
    }
}

#[cfg(any(test, fuzzing))]
impl Handle {
    pub(crate) fn at(place: Place) -> Self {
        let mark = [4; 8];
        Self { place, mark }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_handle_has_one_id_and_hardly_an_id_a_handle() {
        let ids = Ids::new(&mut Entropy::new(&mut [1; 32]));
        for place in [0, 1, Place::MAX] {
            let id = ids.id_of(Handle::at(place));
            assert_eq!(ids.handle_of(id), Some(Handle::at(place)));
            for bit in 0..128 {
                let changed = u128::from_be_bytes(*id.as_bytes()) ^ 1 << bit;
                let changed = SessionId::from_bytes(changed.to_be_bytes());
                assert_eq!(ids.handle_of(changed), None, "{bit}");
            }
        }
    }

    /// Of ids given out one after another about half of all bits are set, and any two
    /// differ in about half of theirs: they show neither places nor an order.
    // spec: P-60
    #[test]
    fn ids_look_drawn() {
        let ids = Ids::new(&mut Entropy::new(&mut [1; 32]));
        let all: Vec<u128> = (0..256)
            .map(|place| u128::from_be_bytes(*ids.id_of(Handle::at(place)).as_bytes()))
            .collect();
        for bit in 0..128 {
            let set = all.iter().filter(|id| *id >> bit & 1 == 1).count();
            assert!((80..176).contains(&set), "bit {bit} is set in {set} of 256");
        }
        for two in all.windows(2) {
            let differ = (two[0] ^ two[1]).count_ones();
            assert!((32..96).contains(&differ), "{differ} bits differ");
        }
    }
}
