//! The address of a reply: the connection, session and request that it answers.

use crate::link::native::server::Handle;
use crate::message::{PeerId, RequestId};

/// The request that a reply answers. The ledger keeps it while an answer waits for a record,
/// and hands it back without a look at what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(test, derive(Hash))]
pub(super) struct ReplyTo {
    pub(super) peer: PeerId,
    pub(super) session: Handle,
    pub(super) request: RequestId,
}
