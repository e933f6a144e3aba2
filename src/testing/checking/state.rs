//! A state of the model: the machines, what their hosts have stored, what is on its way.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use std::hash::DefaultHasher;

use bytes::Bytes;

use super::bounds::Spent;
use crate::message::{JobId, RecordId, SessionId, TaskId};
use crate::{Client, Server};

#[derive(Clone, PartialEq, Hash)]
pub(super) struct State {
    pub(super) sites: Vec<Part<Site>>,
    pub(super) center: Part<Center>,
    /// Sorted: what overtakes what is decided when it arrives.
    pub(super) network: Vec<Packet>,
    pub(super) spent: Spent,
    pub(super) witness: Part<Witness>,
}

/// A client and its host.
#[derive(Clone, Hash)]
pub(super) struct Site {
    pub(super) client: Client,
    pub(super) disk: Disk,
    /// The jobs that the host runs.
    pub(super) running: BTreeSet<JobId>,
}

/// The server and its host.
#[derive(Clone, Hash)]
pub(super) struct Center {
    pub(super) server: Server,
    pub(super) disk: Disk,
    /// Messages of handshakes that have come from each client.
    pub(super) handshakes: Vec<u8>,
}

/// What a host has stored.
#[derive(Clone, Default, Hash)]
pub(super) struct Disk {
    pub(super) stored: Vec<Bytes>,
    /// Records wait here until the checker lets them be stored.
    pub(super) slow: bool,
    /// Those that wait, in their order.
    pub(super) writing: VecDeque<(RecordId, Bytes)>,
}

impl Disk {
    /// The process has died: what was not stored is lost.
    pub(super) fn break_off(&mut self) {
        self.slow = false;
        self.writing.clear();
    }
}

/// A message on its way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Packet {
    /// The client at one end.
    pub(super) site: usize,
    pub(super) to_server: bool,
    pub(super) message: Bytes,
    /// Where its sender's job table was, if that is the server.
    pub(super) generation: u64,
}

/// Somebody who sees everything and remembers what the properties are about.
#[derive(Clone, Default, Hash)]
pub(super) struct Witness {
    /// How often each task was given to each client's host for the first time.
    pub(super) given: BTreeMap<(usize, TaskId), u8>,
    /// How often each result was given to the server's host for the first time.
    pub(super) received: BTreeMap<TaskId, u8>,
    /// Results that a client has stored, and so promised to deliver.
    pub(super) promised: BTreeSet<TaskId>,
    /// Results that a client was told to be refused.
    pub(super) refused: BTreeSet<TaskId>,
    /// Sessions that the server has made, and for whom.
    pub(super) made: BTreeMap<SessionId, usize>,
    /// Cookies, by server process and stamp, that have made a session.
    pub(super) cookies: BTreeSet<(u8, [u8; 16])>,
    /// The latest lists of jobs that each client has taken in its session.
    pub(super) lists: BTreeMap<usize, u64>,
    /// What must never happen, and did.
    pub(super) faults: BTreeSet<Fault>,
}

/// Something that must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fault {
    /// One cookie made two sessions.
    CookieTwice,
    /// A client's host was told to start or stop jobs from lists older than others that it
    /// had.
    OldLists,
    /// A result of another service session was taken.
    ForeignResult,
    /// A client was refused for good.
    Rejected,
}

/// A part of the state, shared by the states in which it is the same.
pub(super) struct Part<T> {
    value: Arc<T>,
    print: u64,
}

impl<T: Hash + Clone> Part<T> {
    pub(super) fn new(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self {
            print: hasher.finish(),
            value: Arc::new(value),
        }
    }

    /// Changes a copy and puts it here.
    pub(super) fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = (*self.value).clone();
        let result = change(&mut value);
        *self = Self::new(value);
        result
    }
}

impl<T> Clone for Part<T> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            print: self.print,
        }
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Hash for Part<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.print.hash(state);
    }
}

impl<T> PartialEq for Part<T> {
    fn eq(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

impl State {
    /// Puts a message on its way.
    pub(super) fn send(&mut self, packet: Packet) {
        let at = self.network.partition_point(|other| *other <= packet);
        self.network.insert(at, packet);
    }

    /// Messages on their way to or from a client.
    pub(super) fn in_flight(&self, site: usize, to_server: bool) -> usize {
        let way = (site, to_server);
        let packets = self.network.iter();
        packets.filter(|it| (it.site, it.to_server) == way).count()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phases = self.sites.iter().map(|site| site.client.phase());
        write!(
            f,
            "{:?}, {} in flight",
            phases.collect::<Vec<_>>(),
            self.network.len()
        )
    }
}
