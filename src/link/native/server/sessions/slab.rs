//! A table whose entries keep their places, and which grows a page at a time: nothing is
//! moved, and no more than one page is empty for lack of entries.

use alloc::vec::Vec;

/// Entries of a page.
const PAGE: usize = 512;

/// Where an entry stands.
pub(crate) type Place = u32;

#[cfg_attr(test, derive(Clone))]
pub(crate) struct Slab<T> {
    pages: Vec<Vec<Option<T>>>,
    /// Places that are free again, the latest last.
    free: Vec<Place>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where the next entry will stand.
    pub(crate) fn next_place(&self) -> Place {
        self.free.last().copied().unwrap_or_else(|| {
            let full = self.pages.len().saturating_sub(1) * PAGE;
            let last = self.pages.last().map_or(0, Vec::len);
            Place::try_from(full + last).unwrap_or(Place::MAX)
        })
    }

    /// Puts an entry at [`next_place`](Self::next_place).
    pub(crate) fn insert(&mut self, entry: T) -> Place {
        let place = self.next_place();
        self.len += 1;
        if self.free.pop().is_some() {
            if let Some(slot) = self.slot(place) {
                *slot = Some(entry);
            }
            return place;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        if let Some(page) = self.pages.last_mut() {
            page.push(Some(entry));
        }
        place
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<T> {
        let entry = self.slot(place)?.take()?;
        self.len -= 1;
        self.free.push(place);
        if self.len == 0 {
            *self = Self::default();
        }
        Some(entry)
    }

    pub(crate) fn get(&self, place: Place) -> Option<&T> {
        #[cfg(test)]
        super::looks::note();
        let (page, at) = split(place);
        self.pages.get(page)?.get(at)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        self.slot(place)?.as_mut()
    }

    /// All entries, in the order of their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        let entries = self.pages.iter().flatten();
        #[cfg(test)]
        let entries = entries.inspect(|_| super::looks::note());
        (0..)
            .zip(entries)
            .filter_map(|(at, it)| Some((at, it.as_ref()?)))
    }

    /// All entries, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pages.iter_mut().flatten().flatten()
    }

    fn slot(&mut self, place: Place) -> Option<&mut Option<T>> {
        #[cfg(test)]
        super::looks::note();
        let (page, at) = split(place);
        self.pages.get_mut(page)?.get_mut(at)
    }
}

fn split(place: Place) -> (usize, usize) {
    let place = place as usize;
    (place / PAGE, place % PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_where_they_are_and_free_places_are_used_again() {
        let mut slab = Slab::default();
        for number in 0..2 * PAGE as u32 + 1 {
            assert_eq!(slab.next_place(), number);
            assert_eq!(slab.insert(number), number);
        }
        assert_eq!(slab.remove(7), Some(7));
        assert_eq!((slab.remove(7), slab.get(7)), (None, None));
        assert_eq!((slab.next_place(), slab.len()), (7, 2 * PAGE));
        assert_eq!(slab.insert(77), 7);
        assert_eq!(slab.get(7), Some(&77));
        assert_eq!(slab.next_place(), 2 * PAGE as u32 + 1);
        *slab.get_mut(7).unwrap() = 78;
        let all: Vec<u32> = slab.iter().map(|(_, it)| *it).collect();
        assert_eq!(all.len(), 2 * PAGE + 1);
        assert_eq!((all[6], all[7], all[8]), (6, 78, 8));
        for place in 0..2 * PAGE as u32 + 1 {
            assert!(slab.remove(place).is_some());
        }
        assert_eq!((slab.len(), slab.next_place(), slab.pages.len()), (0, 0, 0));
        assert_eq!(slab.get(Place::MAX), None);
    }
}
