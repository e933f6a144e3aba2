//! What can happen at a moment.

use bytes::BytesMut;
use fedlink::message::{JobId, PeerId, TaskId};

/// Something that happens. What concerns a process names its life: it does not happen to
/// a later one.
pub enum Event {
    ToServer(PeerId, BytesMut),
    ToSite(PeerId, BytesMut),
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
    SendFailed(u64),
    Start(JobId),
    Worked(TaskId),
    /// Registers again after a farewell.
    Return,
}

#[derive(Debug)]
pub enum ServerEvent {
    Boot,
    Stored,
    StartJob(usize),
    AbortJob(usize),
    Take(TaskId),
    /// Looks for tasks that nobody works on.
    Review,
}

/// What the storm brings.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The process dies after so many more outputs.
    CrashSite(usize, u32),
    CrashServer(u32),
    Cut(usize),
    Part(usize, u64),
    SiteSleeps(usize, u64),
    ServerSleeps(u64),
    SiteSnapshot(usize),
    ServerSnapshot,
    Farewell(usize),
    Reassign,
    Withdraw,
}
