//! One job: which sites take part, and the order of each site's tasks.

use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Bound;

use serde::{Deserialize, Serialize};

use super::task::{Entry, Owner};
use crate::identity::Name;
use crate::message::TaskId;

/// The sites that a job is meant for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub enum Sites {
    /// Every site, also one that joins later.
    All,
    /// These alone.
    Named(BTreeSet<Name>),
}

impl Sites {
    /// Whether `site` is one of them.
    #[must_use]
    pub fn contains(&self, site: &Name) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(site),
        }
    }
}

#[derive(Debug)]
#[cfg_attr(any(test, fuzzing), derive(Clone, PartialEq))]
#[cfg_attr(test, derive(Hash))]
pub(super) struct Job {
    pub(super) sites: Sites,
    /// All tasks by the order of their creation.
    tasks: BTreeMap<u64, TaskId>,
    /// Those that wait for whoever asks, by the same order.
    queue: BTreeMap<u64, TaskId>,
    /// The open ones of each site, by the order in which they became its own.
    open: BTreeMap<Name, BTreeMap<u64, TaskId>>,
}

impl Job {
    pub(super) fn new(sites: Sites) -> Self {
        Self {
            sites,
            tasks: BTreeMap::new(),
            queue: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    /// All tasks in the order of their creation.
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.tasks.values().copied()
    }

    /// The oldest open task of `client` behind the place `after`.
    pub(super) fn next_of(&self, client: &Name, after: Option<u64>) -> Option<TaskId> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let open = self.open.get(client)?;
        open.range((start, Bound::Unbounded))
            .next()
            .map(|(_, task)| *task)
    }

    /// The oldest task that waits for whoever asks.
    pub(super) fn first_queued(&self) -> Option<TaskId> {
        self.queue.first_key_value().map(|(_, task)| *task)
    }

    /// Whether no other task has the places of this one.
    pub(super) fn has_room_for(&self, entry: &Entry) -> bool {
        let owner = entry.owner.as_ref();
        !self.tasks.contains_key(&entry.created) && owner.is_none_or(|owner| self.is_free(owner))
    }

    /// Whether no other task has this place among those of its site.
    pub(super) fn is_free(&self, owner: &Owner) -> bool {
        let open = self.open.get(&owner.client);
        open.is_none_or(|open| !open.contains_key(&owner.order))
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        self.tasks.insert(entry.created, entry.task);
    }

    /// The task of `entry` can be given.
    pub(super) fn open(&mut self, entry: &Entry) {
        match &entry.owner {
            None => self.queue.insert(entry.created, entry.task),
            Some(Owner { client, order }) => self
                .open
                .entry(client.clone())
                .or_default()
                .insert(*order, entry.task),
        };
    }

    /// The task of `entry` can no longer be given.
    pub(super) fn close(&mut self, entry: &Entry) {
        match &entry.owner {
            None => {
                self.queue.remove(&entry.created);
            }
            Some(Owner { client, order }) => {
                if let Some(open) = self.open.get_mut(client) {
                    open.remove(order);
                    if open.is_empty() {
                        self.open.remove(client);
                    }
                }
            }
        }
    }
}
