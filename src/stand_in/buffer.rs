//! The memory in which stand-ins write their messages.

use bytes::BytesMut;

use crate::link::native::room::Room;

/// Bytes of the allocation that messages share.
const SHARED: usize = 1 << 16;

/// Where stand-ins write, one for all. Their messages share an allocation, which is used
/// again when they are all gone.
pub struct MessageBuffer {
    pub(super) room: Room,
    out: BytesMut,
}

impl Default for MessageBuffer {
    fn default() -> Self {
        Self {
            room: Room::default(),
            out: BytesMut::with_capacity(SHARED),
        }
    }
}

impl MessageBuffer {
    /// The two parts of a message in one.
    pub fn join(&mut self, header: &[u8], payload: &[u8]) -> BytesMut {
        self.out.extend_from_slice(header);
        self.out.extend_from_slice(payload);
        self.out.split()
    }
}
