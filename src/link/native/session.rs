//! A session at either end: how its messages are written, protected and opened.

use alloc::boxed::Box;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;

use super::room::Room;
use super::seal::{self, Key, LAST_NUMBER};
use super::transcript::SessionKeys;
use crate::error::Dropped;
use crate::message::{RequestId, SessionId, Token};
use crate::suite::Suite;
use crate::wire::native::{HEADER, TAG, clear_header, encode, sealed_header};

/// Room for every body but long lists and contexts.
const BODY: usize = 128;

/// Which end of the session this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum End {
    Client,
    Server,
}

/// How the messages of a session are protected.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) enum Protection {
    Plain,
    /// Requests carry the token.
    Bearer(Token),
    Sealed(Box<Seal>),
}

/// The keys and counters of a sealed session.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Seal {
    outgoing: Key,
    incoming: Key,
    next: u64,
    window: seal::Window,
}

impl Seal {
    /// The RegisterReply is the server's number 0, so both ends start there.
    pub(crate) fn new(keys: SessionKeys, end: End) -> Self {
        let (outgoing, incoming) = match end {
            End::Client => (keys.to_server, keys.to_client),
            End::Server => (keys.to_client, keys.to_server),
        };
        let mut window = seal::Window::default();
        let mut next = 0;
        match end {
            End::Client => window.mark(0),
            End::Server => next = 1,
        }
        Self {
            outgoing,
            incoming,
            next,
            window,
        }
    }
}

/// A session message ready to go.
pub(crate) struct Written {
    pub(crate) header: Bytes,
    pub(crate) payload: Bytes,
    /// What a server without this session would echo: number and tag.
    pub(crate) number: u64,
    pub(crate) tag: [u8; TAG],
}

/// A session message from the peer. `body` is postcard, the payload behind it.
pub(crate) struct Opened {
    pub(crate) request: RequestId,
    pub(crate) body: BytesMut,
}

impl Protection {
    pub(crate) fn suite(&self) -> Suite {
        match self {
            Self::Plain => Suite::Plain,
            Self::Bearer(_) => Suite::Bearer,
            Self::Sealed(_) => Suite::Sealed,
        }
    }

    /// Writes one message of session `id`. `None` when the session has sealed all that it
    /// may.
    // spec: P-75
    pub(crate) fn write(
        &mut self,
        (id, end): (SessionId, End),
        request: RequestId,
        body: &impl Serialize,
        payload: &Bytes,
        room: &mut Room,
    ) -> Option<Written> {
        let token = match self {
            Self::Sealed(seal) => {
                // spec: P-77
                if seal.next >= LAST_NUMBER {
                    return None;
                }
                let number = seal.next;
                seal.next += 1;
                let header = room.write(HEADER + BODY + payload.len() + TAG, |out| {
                    out.put_slice(&sealed_header(id, number));
                    out.put_u64(request.0);
                    *out = encode(body, core::mem::take(out));
                    out.put_slice(payload);
                    seal.outgoing.seal(number, out, HEADER);
                });
                let tag = header.last_chunk().copied().unwrap_or_default();
                return Some(Written {
                    header,
                    payload: Bytes::new(),
                    number,
                    tag,
                });
            }
            Self::Bearer(token) if end == End::Client => Some(token.expose()),
            Self::Bearer(_) | Self::Plain => None,
        };
        let header = room.write(HEADER + BODY, |out| {
            clear_header(out, id, request, token);
            *out = encode(body, core::mem::take(out));
        });
        Some(Written {
            header,
            payload: payload.clone(),
            number: request.0,
            tag: [0; TAG],
        })
    }

    /// Opens a sealed message in place. The window moves only if it is authentic.
    // spec: P-73, P-76
    pub(crate) fn open_sealed(
        &mut self,
        number: u64,
        message: BytesMut,
    ) -> Result<Opened, Dropped> {
        let Self::Sealed(seal) = self else {
            return Err(Dropped::Unauthentic);
        };
        if !seal.window.is_new(number) {
            return Err(Dropped::Repeated);
        }
        let mut body = seal::open_in_place(&seal.incoming, number, message, HEADER)
            .ok_or(Dropped::Unauthentic)?;
        seal.window.mark(number);
        let request = body.try_get_u64().map_err(|_| Dropped::Malformed)?;
        Ok(Opened {
            request: RequestId(request),
            body,
        })
    }

    /// Takes a clear message that came to `end`, if the session is clear and its token
    /// right.
    // spec: P-73, P-78
    pub(crate) fn open_clear(
        &self,
        end: End,
        request: RequestId,
        token: Option<[u8; 16]>,
        mut message: BytesMut,
        clear: usize,
    ) -> Result<Opened, Dropped> {
        let expected = match self {
            Self::Sealed(_) => return Err(Dropped::Unauthentic),
            Self::Bearer(expected) if end == End::Server => Some(expected),
            Self::Bearer(_) | Self::Plain => None,
        };
        if token.map(Token::from_bytes).as_ref() != expected {
            return Err(Dropped::Unauthentic);
        }
        message.advance(clear.min(message.len()));
        Ok(Opened {
            request,
            body: message,
        })
    }
}

/// A session as the client holds it, and as the server begins it.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) protection: Protection,
}

impl Session {
    pub(crate) fn new(id: SessionId, protection: Protection) -> Self {
        Self { id, protection }
    }

    pub(crate) fn write(
        &mut self,
        request: RequestId,
        body: &impl Serialize,
        payload: &Bytes,
        room: &mut Room,
    ) -> Option<Written> {
        let at = (self.id, End::Client);
        self.protection.write(at, request, body, payload, room)
    }

    pub(crate) fn open_sealed(
        &mut self,
        number: u64,
        message: BytesMut,
    ) -> Result<Opened, Dropped> {
        self.protection.open_sealed(number, message)
    }

    pub(crate) fn open_clear(
        &self,
        request: RequestId,
        token: Option<[u8; 16]>,
        message: BytesMut,
        clear: usize,
    ) -> Result<Opened, Dropped> {
        self.protection
            .open_clear(End::Client, request, token, message, clear)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    // spec: P-77
    #[test]
    fn a_session_that_is_used_up_seals_nothing_more() {
        let key = || Key::new(Zeroizing::new([5; 32]));
        let keys = SessionKeys {
            to_server: key(),
            to_client: key(),
        };
        let mut seal = Seal::new(keys, End::Client);
        seal.next = LAST_NUMBER - 1;
        let mut protection = Protection::Sealed(Box::new(seal));
        let mut write = || {
            let at = (SessionId::from_bytes([1; 16]), End::Client);
            let mut room = Room::for_one();
            let written = protection.write(at, RequestId(1), &7_u64, &Bytes::new(), &mut room);
            written.map(|it| it.number)
        };
        assert_eq!(write(), Some(LAST_NUMBER - 1));
        assert_eq!((write(), write()), (None, None));
    }
}
