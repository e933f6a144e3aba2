//! What can happen at a moment.

use bytes::BytesMut;
use fedlink::message::{JobId, PeerId, SignatureId, TaskId};

use super::process::Doom;

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

/// What the storm brings.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    CrashSite(usize, Doom),
    CrashServer(Doom),
    Cut(usize),
    /// The site's host has a new connection before the old one is known to be gone.
    Roam(usize),
    Part(usize, u64),
    SiteSleeps(usize, u64),
    /// It says that it will sleep, and does.
    SiteSuspends(usize, u64),
    SitePauses(usize, u64),
    /// The process dies, and all that it had stored is gone.
    WipeSite(usize),
    WipeServer,
    /// The twin of a site is started.
    Twin(usize),
    ServerSleeps(u64),
    SiteSnapshot(usize),
    ServerSnapshot,
    Farewell(usize),
    /// A site ends a job that nobody told it to end, and starts it again.
    Hiccup(usize),
    /// The coordinator keeps a site out for a while.
    Disable(usize),
    Reassign,
    Withdraw,
}
