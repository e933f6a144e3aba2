//! A coordinator over TCP with the standard library alone: one thread owns the server, one
//! accepts connections, and each connection has one that reads.
//!
//! It is as short as can be. What a coordinator for strangers needs besides (limits on
//! connections, queues for each of them, TLS, records) is in `fedlink-host`.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use fedlink::frame::{Framing, MAX_MESSAGE, MAX_STRANGER, Splitter, frame_header};
use fedlink::message::PeerId;

use crate::average::Coordinator;
use crate::clock::Clock;
use crate::{Error, parties};

/// Messages that may wait for the server before connections are read no further.
const QUEUE: usize = 64;

/// A peer that takes nothing for so long is cut off: it must not hold up the others.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the threads tell the one that owns the server.
enum Event {
    Connected(PeerId, Connection),
    Message(PeerId, BytesMut),
    Disconnected(PeerId),
}

struct Connection {
    stream: TcpStream,
    /// How long the next message may be.
    limit: Arc<AtomicUsize>,
}

/// Runs the job with whatever sites connect. Returns the model once they have left.
///
/// # Errors
/// When a result cannot be used.
pub fn serve(listener: TcpListener) -> Result<f64, Error> {
    let clock = Clock::start();
    let mut server = parties::server(clock)?;
    let mut coordinator = Coordinator::start(&mut server, clock.now())?;
    let (events, arriving) = mpsc::sync_channel(QUEUE);
    thread::spawn(move || accept(&listener, &events));
    let mut connections: BTreeMap<PeerId, Connection> = BTreeMap::new();
    loop {
        // 1. Tell the time, in every round.
        server.handle_timeout(clock.now());
        // 2. Do what the server asks for.
        while let Some(action) = server.poll_action() {
            coordinator.act(&mut server, clock.now(), action)?;
        }
        // 3. Send.
        while let Some(message) = server.poll_transmit() {
            let Some(connection) = connections.get_mut(&message.peer) else {
                continue;
            };
            let parts = [&message.header[..], &message.payload];
            if send(&mut connection.stream, parts).is_err() {
                // The thread that reads it says that it is gone.
                let _ = connection.stream.shutdown(Shutdown::Both);
            }
        }
        if let Some(model) = coordinator.outcome() {
            return Ok(model);
        }
        // 4. Wait for something, but not beyond the next timer.
        match arriving.recv_timeout(clock.until(server.poll_timeout())) {
            Ok(Event::Connected(peer, connection)) => {
                server.handle_connected(clock.now(), peer, None);
                connections.insert(peer, connection);
            }
            Ok(Event::Message(peer, message)) => {
                // A refused message is counted, and changes nothing.
                let _ = server.handle_message(clock.now(), peer, message);
                if server.has_session_on(peer)
                    && let Some(connection) = connections.get(&peer)
                {
                    connection.limit.store(MAX_MESSAGE, Ordering::Relaxed);
                }
            }
            Ok(Event::Disconnected(peer)) => {
                connections.remove(&peer);
                server.handle_disconnected(clock.now(), peer);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("nobody can connect".into()),
        }
    }
}

/// Sends one message: its length, then both parts.
///
/// # Errors
/// When the connection is gone.
pub fn send(stream: &mut TcpStream, parts: [&[u8]; 2]) -> io::Result<()> {
    let [header, payload] = parts;
    let length = frame_header(header.len() + payload.len());
    stream.write_all(&[&length, header, payload].concat())
}

fn accept(listener: &TcpListener, events: &SyncSender<Event>) {
    // Numbers are not used twice here, though they might be after `handle_disconnected`.
    for (number, stream) in (1..).zip(listener.incoming()) {
        let peer = PeerId(number);
        let opened = stream.and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
            Ok((stream.try_clone()?, stream))
        });
        let Ok((reader, stream)) = opened else {
            continue;
        };
        let limit = Arc::new(AtomicUsize::new(MAX_STRANGER));
        let connection = Connection {
            stream,
            limit: Arc::clone(&limit),
        };
        if events.send(Event::Connected(peer, connection)).is_err() {
            return;
        }
        let events = events.clone();
        thread::spawn(move || {
            let _ = read(reader, peer, &limit, &events);
            let _ = events.send(Event::Disconnected(peer));
        });
    }
}

/// Cuts what comes into messages, until the connection ends.
fn read(
    mut stream: TcpStream,
    peer: PeerId,
    limit: &AtomicUsize,
    events: &SyncSender<Event>,
) -> Result<(), Error> {
    let mut splitter = Splitter::new(Framing::Native);
    let mut bytes = [0; 16 << 10];
    loop {
        let read = stream.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        splitter.buffer().extend_from_slice(&bytes[..read]);
        splitter.set_limit(limit.load(Ordering::Relaxed));
        while let Some(message) = splitter.next_frame()? {
            events.send(Event::Message(peer, message))?;
            splitter.set_limit(limit.load(Ordering::Relaxed));
        }
    }
}
