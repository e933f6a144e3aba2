//! The certificates above those of clients: a few lists, shared by many sessions.

use std::collections::BTreeMap;

use super::slab::{Place, Slab};
use crate::identity::{CertificateId, Revoked};

/// Each list once, for as long as a session rests on it.
#[derive(Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Issuers {
    lists: Slab<(Box<[CertificateId]>, usize)>,
    places: BTreeMap<Box<[CertificateId]>, Place>,
}

impl Issuers {
    /// One more session rests on this list.
    pub(super) fn hold(&mut self, list: &[CertificateId]) -> Place {
        if let Some(place) = self.places.get(list) {
            if let Some((_, holders)) = self.lists.get_mut(*place) {
                *holders += 1;
            }
            return *place;
        }
        let place = self.lists.insert((list.into(), 1));
        self.places.insert(list.into(), place);
        place
    }

    /// One session less does.
    pub(super) fn release(&mut self, place: Place) {
        let Some((_, holders)) = self.lists.get_mut(place) else {
            return;
        };
        *holders -= 1;
        if *holders == 0
            && let Some((list, _)) = self.lists.remove(place)
        {
            self.places.remove(&list);
        }
    }

    /// Whether one of a list is revoked.
    pub(super) fn are_hit(&self, place: Place, revoked: &Revoked) -> bool {
        let list = self.lists.get(place);
        list.is_some_and(|(list, _)| list.iter().any(|it| revoked.contains(it)))
    }
}
