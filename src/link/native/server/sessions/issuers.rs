//! The lists of issuing certificates, each held once for all sessions that rest on it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_kept_for_as_long_as_a_session_rests_on_it() {
        let [revoked, other] = [1, 2].map(|serial| CertificateId::new(b"issuer", &[serial]));
        let mut set = Revoked::new();
        set.insert_id(revoked);
        let mut issuers = Issuers::default();
        let unharmed = issuers.hold(&[other]);
        let places = [(); 3].map(|()| issuers.hold(&[other, revoked]));
        assert!(!issuers.are_hit(unharmed, &set));
        for place in places {
            assert_eq!(place, places[0]);
            assert!(issuers.are_hit(place, &set));
            issuers.release(place);
        }
        assert!(!issuers.are_hit(places[0], &set));
        issuers.release(unharmed);
        assert_eq!((issuers.lists.len(), issuers.places.len()), (0, 0));
    }
}
