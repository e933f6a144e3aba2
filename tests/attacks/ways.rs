//! Ways to a moment at which an attack may begin.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fedlink::identity::{Identity, LocalSigner, Signer};
use fedlink::message::SignatureId;
use fedlink::{Carrier, Client, ClientConfig, Instant, ServerAction};

use crate::SECOND;
use crate::common::pair::Pair;
use crate::common::pki::{NOW, name};

/// A client on a connection without a binding that has begun to register.
pub(crate) fn begin(
    config: Arc<ClientConfig>,
    identity: Identity,
    seed: u8,
    now: Instant,
) -> Client {
    let mut client = Client::new(config, identity, [seed; 32], now).unwrap();
    client.set_wall_clock(now, NOW);
    client.handle_connected(now, Carrier::default()).unwrap();
    client.register(now).unwrap();
    client
}

/// The next message of a client, which has no payload.
pub(crate) fn next(client: &mut Client) -> BytesMut {
    BytesMut::from(&client.poll_transmit().unwrap().header[..])
}

/// The next heartbeat, taken off the wire.
pub(crate) fn next_heartbeat(pair: &mut Pair) -> BytesMut {
    loop {
        pair.now = pair.now + SECOND;
        pair.tick();
        if let Some(message) = pair.to_server.pop() {
            return message;
        }
    }
}

/// A pair whose server's key is elsewhere, and that key.
pub(crate) fn with_signer() -> (Pair, LocalSigner) {
    let mut pair = Pair::sealed();
    let key = give_signer(&mut pair);
    (pair, key)
}

/// The server's key is elsewhere from now on; the key. The client connects.
pub(crate) fn give_signer(pair: &mut Pair) -> LocalSigner {
    let key = take_key(pair);
    pair.connect();
    key
}

/// The server's key is elsewhere from now on; the key.
pub(crate) fn take_key(pair: &mut Pair) -> LocalSigner {
    let (chain, key) = pair.pki.server("coordinator");
    let identity =
        Identity::with_key_elsewhere(name("coordinator"), chain, pair.pki.roots()).unwrap();
    pair.server.set_identity(pair.now, identity).unwrap();
    key
}

/// Runs until the server asks for a signature; returns what it asked.
pub(crate) fn until_sign(pair: &mut Pair) -> (SignatureId, Bytes) {
    loop {
        while pair.step() {}
        for action in pair.take_server() {
            if let ServerAction::Sign { request, bytes } = action {
                return (request, bytes);
            }
        }
        pair.now = pair.now + SECOND;
        pair.tick();
    }
}

/// Runs a registration until the server asks for the signature of its token.
pub(crate) fn until_token(pair: &mut Pair, key: &LocalSigner) -> (SignatureId, Bytes) {
    let (request, bytes) = until_sign(pair);
    pair.server
        .signed(pair.now, request, &key.sign(&bytes))
        .unwrap();
    until_sign(pair)
}
