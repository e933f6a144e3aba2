//! Views into a client for tests that compare it with its server.

use super::Client;
use crate::link::client::Link;
use crate::message::{InstanceId, SessionId};

impl Client {
    pub(crate) fn instance(&self) -> InstanceId {
        self.instance
    }

    pub(crate) fn session_id(&self) -> Option<SessionId> {
        match &self.link {
            Link::Native(link) => link.session_id(),
            #[cfg(feature = "nvflare")]
            Link::Nvflare(_) => None,
        }
    }
}
