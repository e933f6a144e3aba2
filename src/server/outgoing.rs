//! Outgoing messages of a server, which leave as an answer to a stranger or within a session.

use bytes::Bytes;

use crate::error::Dropped;
use crate::link::native::session::Written;
use crate::message::limits::MAX_AMPLIFICATION;
use crate::message::{MessageKind, PeerId};
use crate::output_queue::OutputQueue;
use crate::transmit::ServerTransmit;
use crate::wire::native;

/// What waits to be sent.
#[cfg_attr(test, derive(Clone))]
pub(super) struct Outgoing {
    transmits: OutputQueue<ServerTransmit>,
    /// Anybody may have written the address that an answer to a stranger goes to.
    datagram: bool,
}

impl Outgoing {
    pub(super) fn new(datagram: bool) -> Self {
        Self {
            transmits: OutputQueue::default(),
            datagram,
        }
    }

    /// Answers a message of `asked` bytes that nobody has proved to have sent.
    ///
    /// # Errors
    /// If it was too short for this answer, which is not sent then.
    // spec: P-7
    pub(super) fn answer_stranger(
        &mut self,
        peer: PeerId,
        asked: usize,
        answer: Bytes,
    ) -> Result<(), Dropped> {
        if self.datagram && answer.len() > asked.saturating_mul(MAX_AMPLIFICATION) {
            return Err(Dropped::TooShort);
        }
        let kind = native::kind_outside_sessions(&answer);
        self.push(peer, answer, Bytes::new(), kind);
        Ok(())
    }

    /// Answers a request of a session.
    pub(super) fn answer_session(&mut self, peer: PeerId, answer: Written, kind: MessageKind) {
        self.push(peer, answer.header, answer.payload, kind);
    }

    fn push(&mut self, peer: PeerId, header: Bytes, payload: Bytes, kind: MessageKind) {
        self.transmits.push_back(ServerTransmit {
            peer,
            header: header.into(),
            payload: payload.into(),
            kind,
        });
    }

    pub(super) fn pop_front(&mut self) -> Option<ServerTransmit> {
        self.transmits.pop_front()
    }

    /// Forgets what waits for a connection that is gone.
    pub(super) fn disconnected(&mut self, peer: PeerId) {
        self.transmits.retain(|transmit| transmit.peer != peer);
    }

    pub(super) fn len(&self) -> usize {
        self.transmits.len()
    }

    /// Bytes of all that waits.
    pub(super) fn weight(&self) -> usize {
        self.transmits.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(datagram: bool, asked: usize, answer: usize) -> Result<(), Dropped> {
        let mut outgoing = Outgoing::new(datagram);
        let answer = Bytes::from(vec![0; answer]);
        let taken = outgoing.answer_stranger(PeerId(1), asked, answer);
        assert_eq!(outgoing.len(), usize::from(taken.is_ok()));
        taken
    }

    // spec: P-7
    #[test]
    fn on_datagrams_a_stranger_gets_three_times_what_it_sent_and_no_byte_more() {
        for asked in [1, 2, 63, 1200, 32 << 10] {
            assert_eq!(taken(true, asked, 3 * asked), Ok(()));
            assert_eq!(taken(true, asked, 3 * asked + 1), Err(Dropped::TooShort));
            assert_eq!(taken(false, asked, 100 * asked), Ok(()));
        }
    }
}
