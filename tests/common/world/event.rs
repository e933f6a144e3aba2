//! What can happen at a moment.

use core::time::Duration;

use bytes::BytesMut;
use fedlink::message::{JobId, PeerId, SignatureId, TaskId};

use super::host::HostId;
use super::network::Towards;
use super::plan::Fault;

/// Something that happens. What concerns a process names its life: it does not happen to
/// a later one.
pub enum Event {
    /// A message has come to the end of its way.
    Arrival(Parcel),
    /// A message has come to a relay, and takes so long from there.
    AtRelay(Parcel, Duration),
    /// A connection of this site is made, if both ends are still there.
    Connected(usize, u32),
    /// The host learns that its connection is gone.
    CutAtSite(PeerId),
    CutAtServer(PeerId),
    Site(usize, u32, SiteEvent),
    Server(u32, ServerEvent),
    Fault(Fault),
}

#[derive(Debug)]
pub enum SiteEvent {
    Boot,
    Connect,
    Refused,
    Stored,
    /// The host goes on taking outputs.
    GoOn,
    SendFailed(u64),
    Signed(SignatureId, Box<[u8; 64]>),
    Start(JobId),
    /// Asks for tasks again.
    Pull(JobId),
    Worked(TaskId),
    /// Sends heartbeats again.
    Resume,
    /// Registers again after a farewell.
    Return,
}

#[derive(Debug)]
pub enum ServerEvent {
    Boot,
    Stored,
    GoOn,
    Signed(SignatureId, Box<[u8; 64]>),
    Enable(usize),
    StartJob(usize),
    AbortJob(usize),
    Take(TaskId),
    /// Looks for tasks that nobody works on.
    Review,
}

/// A message on its way.
pub struct Parcel {
    pub towards: Towards,
    pub peer: PeerId,
    pub message: BytesMut,
}

/// What comes first of events at the same moment. Those of the same order come in the
/// order in which they were planned, which is one for each host and each direction of a
/// connection: so nothing depends on which of two hosts planned something first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    Fault,
    Host(HostId),
    Cut(PeerId),
    AtRelay(PeerId, Towards),
    Arrival(PeerId, Towards),
}

impl Event {
    pub fn order(&self) -> Order {
        match self {
            Self::Fault(_) => Order::Fault,
            Self::Server(..) => Order::Host(HostId::Server),
            Self::Connected(site, _) | Self::Site(site, ..) => Order::Host(HostId::Site(*site)),
            Self::CutAtSite(peer) | Self::CutAtServer(peer) => Order::Cut(*peer),
            Self::AtRelay(parcel, _) => Order::AtRelay(parcel.peer, parcel.towards),
            Self::Arrival(parcel) => Order::Arrival(parcel.peer, parcel.towards),
        }
    }
}
