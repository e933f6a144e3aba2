//! The connection of a client's host to the server: resting, being made, or up.

use std::io::{self, ErrorKind};
use std::net::IpAddr;

use bytes::BytesMut;
use fedlink::frame::Framing;
use fedlink::{Carrier, Instant, Transmit};
use tokio::time::{timeout, timeout_at};

use crate::connectivity::Connectivity;
use crate::tokio::clock::{Alarm, Clock};
use crate::tokio::dial::{Dial, Dialing};
use crate::tokio::pipe::{CLOSE_TIMEOUT, Pipe, Received};

pub(super) struct Link {
    dial: Box<dyn Dial>,
    framing: Framing,
    connectivity: Connectivity,
    state: LinkState,
}

enum LinkState {
    /// Nothing, until somebody asks for a connection.
    Resting,
    /// A connection is to be made then.
    Waiting(Instant),
    /// One that was to be made then is being made.
    Dialing(Instant, Dialing),
    Up(Box<Pipe>),
    /// Nothing can be written any more. The server may have said why before it closed its
    /// end: what it said is read for a moment.
    Broken {
        pipe: Box<Pipe>,
        error: io::Error,
        until: tokio::time::Instant,
    },
}

/// What has happened.
pub(super) enum LinkEvent {
    /// A connection stands.
    Connected {
        carrier: Carrier,
        local_address: Option<IpAddr>,
    },
    /// A message has come.
    Message(BytesMut),
    /// The connection broke, or could not be made.
    Lost,
    /// Something else went on.
    Moved,
}

impl Link {
    pub(super) fn new(dial: Box<dyn Dial>, framing: Framing, connectivity: Connectivity) -> Self {
        Self {
            dial,
            framing,
            connectivity,
            state: LinkState::Resting,
        }
    }

    /// Wants a connection at `at`: the client has none. An attempt that was to be made at
    /// another moment is given up, and so is a connection of which the client was told that it
    /// is gone.
    pub(super) fn dial_at(&mut self, at: Instant) {
        match &self.state {
            LinkState::Waiting(before) | LinkState::Dialing(before, _) if *before == at => {}
            LinkState::Resting
            | LinkState::Waiting(_)
            | LinkState::Dialing(..)
            | LinkState::Up(_)
            | LinkState::Broken { .. } => self.state = LinkState::Waiting(at),
        }
    }

    /// Wants no other connection than the one that there is.
    pub(super) fn stop_dialing(&mut self) {
        if matches!(self.state, LinkState::Waiting(_) | LinkState::Dialing(..)) {
            self.state = LinkState::Resting;
        }
    }

    /// Sends as long as the connection takes messages.
    pub(super) fn send(&mut self, mut next: impl FnMut() -> Option<Transmit>) {
        if let LinkState::Up(pipe) = &mut self.state
            && !pipe.writer.is_busy()
            && let Some(transmit) = next()
        {
            pipe.writer
                .start(transmit.header.into_bytes(), transmit.payload.into_bytes());
        }
    }

    /// Waits for what comes next; for messages only if `reading`. Nothing is lost if the
    /// future is dropped.
    pub(super) async fn next(&mut self, clock: Clock, reading: bool) -> LinkEvent {
        match &mut self.state {
            LinkState::Resting => std::future::pending().await,
            LinkState::Waiting(at) => {
                Alarm::new().reach(clock.at(*at)).await;
                self.state = LinkState::Dialing(*at, self.dial.dial());
                LinkEvent::Moved
            }
            LinkState::Dialing(_, dialing) => match dialing.await {
                Ok(connection) => {
                    let pipe = Pipe::new(connection.stream, self.framing);
                    self.connectivity.connected();
                    self.state = LinkState::Up(Box::new(pipe));
                    LinkEvent::Connected {
                        carrier: connection.carrier,
                        local_address: connection.local_address,
                    }
                }
                Err(error) => {
                    self.connectivity.failed(&error);
                    LinkEvent::Lost
                }
            },
            LinkState::Up(pipe) => {
                let error = tokio::select! {
                    received = pipe.reader.next(), if reading => return self.received(received),
                    written = pipe.writer.write() => match written {
                        Ok(()) => return LinkEvent::Moved,
                        Err(error) => error,
                    },
                };
                if let LinkState::Up(pipe) = std::mem::replace(&mut self.state, LinkState::Resting)
                {
                    let until = tokio::time::Instant::now() + CLOSE_TIMEOUT;
                    self.state = LinkState::Broken { pipe, error, until };
                }
                LinkEvent::Moved
            }
            LinkState::Broken { pipe, error, until } => {
                let received = match timeout_at(*until, pipe.reader.next()).await {
                    Ok(received) if reading => received,
                    // Of what cannot be taken now, the server will hear that it was not.
                    _ => Err(std::mem::replace(error, ErrorKind::BrokenPipe.into())),
                };
                self.received(received)
            }
        }
    }

    fn received(&self, received: io::Result<Received>) -> LinkEvent {
        match received {
            Ok(Received::Message(message)) => {
                self.connectivity.answered();
                LinkEvent::Message(message)
            }
            Ok(Received::TooLong(_) | Received::Closed) => {
                self.connectivity.closed();
                LinkEvent::Lost
            }
            Err(error) => {
                self.connectivity.failed(&error);
                LinkEvent::Lost
            }
        }
    }

    /// Breaks the connection, or the attempt to make one.
    pub(super) fn drop_connection(&mut self) {
        self.state = LinkState::Resting;
    }

    /// Breaks a connection on which no answers come.
    pub(super) fn give_up(&mut self) {
        self.connectivity.gave_up();
        self.drop_connection();
    }

    /// Ends the connection in order, if there is one.
    pub(super) async fn close(&mut self) {
        if let LinkState::Up(pipe) = &mut self.state {
            let closed = timeout(CLOSE_TIMEOUT, pipe.writer.close()).await;
            if !matches!(closed, Ok(Ok(()))) {
                tracing::debug!("the connection did not end in order");
            }
        }
        self.state = LinkState::Resting;
    }
}
