//! Messages that a machine wants its host to send.

use crate::message::{MessageKind, Opaque, PeerId};
use crate::output_queue::Weigh;

/// One message to send: `header` followed by `payload`, best in one vectored write. On a
/// byte stream the length of both goes before them
/// ([`frame_header`](crate::frame::frame_header)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
#[non_exhaustive]
pub struct Transmit {
    /// The first part of the message.
    pub header: Opaque,
    /// The rest of it: a payload that is shared, not copied; often empty.
    pub payload: Opaque,
    /// Names the message if the carrier fails to send it.
    pub id: u64,
    /// What it is, for whoever watches; the bytes of a sealed session do not show it.
    pub kind: MessageKind,
}

impl Transmit {
    /// Bytes of the whole message.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header.len() + self.payload.len()
    }

    /// Whether there is nothing to send; never so for what a machine returns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One message of the server, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerTransmit {
    /// The peer that the message is for.
    pub peer: PeerId,
    /// The first part of the message.
    pub header: Opaque,
    /// The rest of it: a payload that is shared, not copied; often empty.
    pub payload: Opaque,
    /// What it is, for whoever watches; the bytes of a sealed session do not show it.
    pub kind: MessageKind,
}

impl ServerTransmit {
    /// Bytes of the whole message.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header.len() + self.payload.len()
    }

    /// Whether there is nothing to send; never so for what a machine returns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Weigh for ServerTransmit {
    /// A payload that is shared belongs to its task.
    fn weight(&self) -> usize {
        size_of::<Self>() + self.header.len()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_message_is_as_long_as_its_parts_together() {
        for (header, payload, len) in [("", "", 0), ("ab", "", 2), ("", "c", 1), ("ab", "c", 3)] {
            let [header, payload] = [header, payload].map(|it| Opaque::from(Bytes::from(it)));
            let of_client = Transmit {
                header: header.clone(),
                payload: payload.clone(),
                id: 1,
                kind: MessageKind::Push,
            };
            let of_server = ServerTransmit {
                peer: PeerId(1),
                header,
                payload,
                kind: MessageKind::FetchReply,
            };
            assert_eq!((of_client.len(), of_server.len()), (len, len));
            assert_eq!(
                (of_client.is_empty(), of_server.is_empty()),
                (len == 0, len == 0)
            );
        }
    }
}
