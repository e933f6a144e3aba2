//! Messages that came at once: their signatures are checked together before each is handled in
//! its turn.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::BytesMut;

use super::Server;
use crate::Instant;
use crate::error::Dropped;
use crate::link::native::server::{CheckedRegister, OpenedRegister};
use crate::message::PeerId;
use crate::wire::native::{self, Envelope, Register};

/// Messages that are looked at together. More would cost memory and gain little: 64
/// signatures checked together take half the time of 64 checked one by one, and with 256
/// it is still a third.
const GROUP: usize = 64;

/// A message of a batch, and what was found out about it ahead of its turn.
#[cfg_attr(test, derive(Clone))]
pub(super) struct Arrived {
    peer: PeerId,
    message: BytesMut,
    ahead: Option<Ahead>,
}

/// A Register that has been opened, or why it was dropped.
#[cfg_attr(test, derive(Clone))]
pub(super) struct Ahead(pub(super) Result<Box<(Register, CheckedRegister)>, Dropped>);

impl Server {
    /// Takes many messages that came at once; returns how many were dropped.
    ///
    /// It comes to the same as [`handle_message`](Self::handle_message) for one after
    /// another, but takes less time: the proofs of registrations are checked together, and
    /// sessions are fetched from memory together. Only what strangers may take of the
    /// server's time is counted in another order: registrations come first.
    pub fn handle_batch(
        &mut self,
        now: Instant,
        messages: impl IntoIterator<Item = (PeerId, BytesMut)>,
    ) -> usize {
        self.advance(now);
        let mut messages = messages.into_iter();
        let mut dropped = 0;
        let mut group = core::mem::take(&mut self.group);
        loop {
            group.extend(
                messages
                    .by_ref()
                    .take(GROUP)
                    .map(|(peer, message)| Arrived {
                        peer,
                        message,
                        ahead: None,
                    }),
            );
            if group.is_empty() {
                break;
            }
            self.look_ahead(&mut group);
            for arrived in group.drain(..) {
                let Arrived {
                    peer,
                    message,
                    ahead,
                } = arrived;
                dropped += usize::from(self.receive(peer, message, ahead).is_err());
            }
        }
        self.group = group;
        dropped
    }

    fn look_ahead(&mut self, group: &mut [Arrived]) {
        for arrived in &mut *group {
            let Arrived {
                peer,
                message,
                ahead,
            } = arrived;
            if let Some(session) = native::session_of(message) {
                self.sessions.fetch(session);
            } else if native::is_register(message)
                && message.len() <= native::MAX_STRANGER
                && let Ok(Envelope::Register { register, clear }) = native::parse(message)
            {
                *ahead = Some(self.open(*peer, message, register, clear));
            }
        }
        let opened = group
            .iter_mut()
            .filter_map(|it| it.ahead.as_mut()?.0.as_mut().ok());
        let mut registers: Vec<&mut OpenedRegister> =
            opened.filter_map(|it| it.1.opened()).collect();
        if registers.len() > 1 {
            let wall = self.wall.map(|wall| wall.unix_time(self.now));
            self.handshakes
                .check_together(&self.identity, wall, &mut registers);
        }
    }
}
