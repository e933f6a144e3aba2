//! Attacks on a session that stands.

use bytes::BytesMut;
use fedlink::error::Dropped;
use fedlink::{ClientAction, Phase, ServerAction, Suite};

use crate::SECOND;
use crate::common::layout::{BODY, KIND, TAG, VERSION, kind, session};
use crate::common::pair::{Pair, Setup};
use crate::common::pki::name;
use crate::two::Two;
use crate::ways::next_heartbeat;

// spec: P-76
#[test]
fn a_repeated_request_is_opened_once() {
    let mut pair = Pair::sealed();
    pair.register();
    let heartbeat = next_heartbeat(&mut pair);
    pair.server_drops.clear();
    pair.deliver_to_server(heartbeat.clone());
    pair.deliver_to_server(heartbeat);
    assert_eq!(pair.server_drops, [Dropped::Repeated]);
}

// spec: P-85
#[test]
fn a_forged_end_of_session_is_refuted_by_one_request() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.pass(9 * SECOND);
    pair.take_client();
    // Somebody sees the next heartbeat, keeps it, and says that the session is unknown.
    let heartbeat = next_heartbeat(&mut pair);
    let mut forged = BytesMut::from(&[VERSION, kind::INVALID_SESSION][..]);
    forged.extend_from_slice(&heartbeat[BODY..session::CLEAR_PART]);
    forged.extend_from_slice(&heartbeat[heartbeat.len() - TAG..]);
    pair.deliver_to_client(forged.clone());
    pair.run();
    pair.pass(60 * SECOND);
    let actions = pair.take_client();
    assert!(!actions.contains(&ClientAction::ClearAuth));
    assert!(
        !actions
            .iter()
            .any(|it| matches!(it, ClientAction::SetAuth(_)))
    );
    // Later it echoes nothing that is outstanding.
    pair.client_drops.clear();
    pair.deliver_to_client(forged);
    assert_eq!(pair.client_drops, [Dropped::Unasked]);
}

#[test]
fn secrets_do_not_show() {
    let mut pair = Setup::new(Suite::Bearer).build();
    pair.register();
    let auth = pair
        .take_client()
        .into_iter()
        .find_map(|action| match action {
            ClientAction::SetAuth(auth) => Some(auth),
            _ => None,
        })
        .unwrap();
    let token = auth.token.clone().unwrap();
    let shown = format!("{auth:?} {:?} {:?}", pair.client, pair.server);
    let decimal = format!("{:?}", token.expose());
    let hex: String = token.expose().iter().map(|b| format!("{b:02x}")).collect();
    assert!(
        !shown.contains(&decimal) && !shown.contains(&hex),
        "{shown}"
    );
}

/// A message of one session is sent under the name of another, to either end.
///
/// ```text
/// A: Heartbeat in session a
/// to the server: the same bytes, named session b
/// server to A: HeartbeatReply in session a
/// to B: the same bytes, named session b
/// ```
#[test]
fn a_message_of_one_session_means_nothing_in_another() {
    let mut two = Two::new(["site-1", "site-2"]);
    two.register();
    two.hold(20 * SECOND);
    two.hold(SECOND);
    let theirs = two.sites[1].to_server.pop().unwrap();
    let mut request = two.sites[0].to_server.pop().unwrap();
    let genuine = request.clone();
    request[session::ID].copy_from_slice(&theirs[session::ID]);
    let peer = two.sites[1].peer;
    let taken = two.server.handle_message(two.now, peer, request);
    assert_eq!(taken, Err(Dropped::Unauthentic));
    two.server
        .handle_message(two.now, two.sites[0].peer, genuine)
        .unwrap();
    two.drain();
    let mut reply = two.sites[0].to_client.pop().unwrap();
    reply[session::ID].copy_from_slice(&theirs[session::ID]);
    let taken = two.sites[1].client.handle_message(two.now, reply);
    assert_eq!(taken, Err(Dropped::Unauthentic));
}

/// A clear message names a sealed session, and a sealed one a clear session.
// spec: P-73
#[test]
fn a_message_of_another_suite_is_not_authentic() {
    let mut pair = Pair::sealed();
    pair.register();
    let request = next_heartbeat(&mut pair);
    // Up to the session's name; a number, no token, a heartbeat or its answer.
    let clear = |body: &[u8]| {
        let number = [0, 0, 0, 0, 0, 0, 0, 9];
        let head = [VERSION, kind::CLEAR];
        BytesMut::from(&[&head, &request[session::ID], &number, &[0; 4], body].concat()[..])
    };
    pair.server_drops.clear();
    pair.deliver_to_server(clear(&[0; 4]));
    assert_eq!(pair.server_drops, [Dropped::Unauthentic]);
    pair.client_drops.clear();
    pair.deliver_to_client(clear(&[0; 5]));
    assert_eq!(pair.client_drops, [Dropped::Unauthentic]);

    let mut pair = Setup::new(Suite::Plain).build();
    pair.register();
    let mut sealed = next_heartbeat(&mut pair);
    sealed[KIND] = kind::SEALED;
    sealed.resize(60, 0);
    pair.server_drops.clear();
    pair.deliver_to_server(sealed);
    assert_eq!(pair.server_drops, [Dropped::Unauthentic]);
}

/// Nothing but its name tells a clear reply of an older session from one of the newest.
// spec: P-45
#[test]
fn a_clear_reply_of_another_session_is_dropped() {
    let mut pair = Setup::new(Suite::Plain).build();
    pair.register();
    let request = next_heartbeat(&mut pair);
    pair.deliver_to_server(request);
    let mut reply = pair.to_client.pop().unwrap();
    reply[session::ID][0] ^= 1;
    pair.client_drops.clear();
    pair.deliver_to_client(reply);
    assert_eq!(pair.client_drops, [Dropped::NoSession]);
}

/// What an end has sent comes back to it.
// spec: P-75
#[test]
fn a_message_that_comes_back_to_its_sender_is_not_authentic() {
    let mut pair = Pair::sealed();
    pair.register();
    // The server has sent fewer messages than the client, so the number is new to it.
    next_heartbeat(&mut pair);
    let request = next_heartbeat(&mut pair);
    pair.client_drops.clear();
    pair.deliver_to_client(request.clone());
    assert_eq!(pair.client_drops, [Dropped::Unauthentic]);
    pair.deliver_to_server(request);
    let mut reply = pair.to_client.pop().unwrap();
    // A number that the client has not used yet.
    reply[session::NUMBER][6] = 1;
    pair.server_drops.clear();
    pair.deliver_to_server(reply);
    assert_eq!(pair.server_drops, [Dropped::Unauthentic]);
}

/// A farewell is held back until its client is back, or is sent a second time then.
///
/// ```text
/// client: Quit (seen, and delivered or not)
/// client: Challenge, Register, Heartbeat in a new session
/// to the server: the Quit
/// ```
// spec: P-107
#[test]
fn an_old_farewell_does_not_end_a_new_session() {
    for delivered in [false, true] {
        let mut pair = Pair::sealed();
        pair.register();
        pair.client.quit(pair.now, "for now");
        pair.drain();
        let farewell = pair.to_server.last().cloned().unwrap();
        if !delivered {
            pair.pass_silently(30 * SECOND);
        }
        pair.run();
        assert_eq!(pair.client.phase(), Phase::Closed);
        pair.client.register(pair.now).unwrap();
        pair.pass(SECOND);
        pair.take_server();
        pair.deliver_to_server(farewell);
        pair.run();
        let left = |it: &ServerAction| matches!(it, ServerAction::ClientLeft { .. });
        assert!(!pair.take_server().iter().any(left));
        assert!(pair.server.is_registered(&name("site-1")));
        pair.pass(60 * SECOND);
        assert_eq!(pair.client.phase(), Phase::Active);
    }
}

/// Every part of a request is cut off, then changed: it changes nothing, and the genuine
/// one is taken.
// spec: P-76
#[test]
fn a_request_that_was_changed_anywhere_is_dropped() {
    let mut pair = Pair::sealed();
    pair.register();
    let request = next_heartbeat(&mut pair);
    let mut changed: Vec<BytesMut> = Vec::new();
    for at in 0..request.len() {
        changed.push(request[..at].into());
        let mut flipped = request.clone();
        flipped[at] ^= 0x80 >> (at % 8);
        changed.push(flipped);
    }
    changed.push([&request[..], &[0]].concat()[..].into());
    changed.push([&request[..], &request[..]].concat()[..].into());
    for message in changed {
        pair.server_drops.clear();
        pair.deliver_to_server(message);
        assert_eq!(pair.server_drops.len(), 1);
    }
    pair.server_drops.clear();
    pair.deliver_to_server(request);
    assert!(pair.server_drops.is_empty());
}
