//! A clock that is set while a connection stands. The wall clock of this thread is faked; the
//! server has a thread, and the true time, of its own.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use fedlink::identity::ChainError;
use fedlink::{ServerConfig, Suspicion};

use super::*;
use crate::clock::FAKED;
use crate::kit::{ServerKit, SiteKit};
use crate::testing::{Root, SERVER, SITE, folder, identity, name};
use crate::tokio::{ServerHost, TcpAccept};

const LONG_AGO: u64 = 1000;
const FAR_AHEAD: u64 = 4_000_000_000;

/// A client whose connections are counted, and its server, which runs until it is dropped.
fn pair() -> (BlockingClient, Rc<Cell<usize>>, tokio::runtime::Runtime) {
    let root = Root::new();
    let site = folder(SITE, &root.site(|_| {}), &root.pem);
    let site = identity(&SiteKit::load(site.path()).unwrap());
    let server = folder(SERVER, &root.server(), &root.pem);
    let server = identity(&ServerKit::load(server.path()).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let address = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = ServerConfig::new(name("wine"));
        config.heartbeat_interval = Duration::from_millis(20);
        // Where it is started decides nothing: its loop is a task of the other thread.
        let host = ServerHost::new(Arc::new(config), server).listen(TcpAccept::new(listener));
        let (handle, mut events) = tokio::spawn(async { host.start().unwrap() }).await.unwrap();
        tokio::spawn(async move {
            while events.next().await.is_some() {}
            drop(handle);
        });
        address
    });
    let connections = Rc::new(Cell::new(0));
    let (counted, mut connect) = (connections.clone(), TcpConnect::new([address.to_string()]));
    let connect = move || {
        counted.set(counted.get() + 1);
        connect.connect()
    };
    let mut config = ClientConfig::new(name("wine"));
    config.server = Some(name("coordinator"));
    // An answer that is suspect is held against the server when no better one has come.
    config.maintenance_timeout = Duration::from_millis(300);
    config.retry_min = Duration::from_millis(10);
    config.retry_max = Duration::from_millis(20);
    let client = BlockingClient::new(Arc::new(config), site, connect).unwrap();
    (client, connections, runtime)
}

fn next(client: &mut BlockingClient) -> ClientAction {
    let action = client.next_action(Duration::from_secs(60)).unwrap();
    action.expect("something happens")
}

/// Clocks that are set before and after the connection stands, each way.
#[test]
fn a_clock_that_is_set_is_known_on_the_connection_that_stands() {
    for (wrong, is_early) in [(LONG_AGO, true), (FAR_AHEAD, false)] {
        FAKED.set(Some(wrong));
        let (mut client, connections, _server) = pair();
        client.call(|client, now| client.register(now)).unwrap();
        let mut refused = 0;
        loop {
            match next(&mut client) {
                ClientAction::Suspect { suspicion, .. } => {
                    let early = matches!(
                        suspicion,
                        Suspicion::Chain(ChainError::NotYetValid { position: 0, .. })
                    );
                    let late = matches!(suspicion, Suspicion::Chain(ChainError::Expired { .. }));
                    assert_eq!((early, late), (is_early, !is_early), "{suspicion}");
                    refused += 1;
                    if refused == 2 {
                        FAKED.set(None);
                    }
                }
                ClientAction::SetAuth(_) => break,
                _ => {}
            }
        }
        assert_eq!((refused, connections.get()), (2, 1));
    }
}

/// A session that stands is not ended by a clock that jumps, and its client learns the time.
#[test]
fn a_clock_that_jumps_ends_no_session() {
    let (mut client, connections, _server) = pair();
    client.call(|client, now| client.register(now)).unwrap();
    while !matches!(next(&mut client), ClientAction::SetAuth(_)) {}
    for jump in [LONG_AGO, FAR_AHEAD, LONG_AGO] {
        FAKED.set(Some(jump));
        let mut answered = 0;
        while answered < 5 {
            match next(&mut client) {
                ClientAction::HeartbeatAnswered { .. } => answered += 1,
                ClientAction::HeartbeatDue => {}
                // By a clock that is far ahead.
                ClientAction::CertificateEnds { left, .. } => {
                    assert_eq!((jump, left), (FAR_AHEAD, Duration::ZERO));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(client.call(|client, _| client.phase()), Phase::Active);
    }
    FAKED.set(None);
    assert_eq!(connections.get(), 1);
}

/// A stream that takes nothing, and from which something always comes.
struct Flood {
    brings: &'static [u8],
}

impl Read for Flood {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let brought = self.brings.len().min(room.len());
        room[..brought].copy_from_slice(&self.brings[..brought]);
        Ok(brought)
    }
}

impl Write for Flood {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire for Flood {
    fn wait_at_most(&mut self, _patience: Duration) -> io::Result<()> {
        Ok(())
    }
}

/// A server that closes its end and goes on sending, whole messages or one without an end,
/// holds nobody.
#[test]
fn what_is_read_after_a_broken_connection_has_an_end() {
    // The length of a message of one byte, and the byte; the most that a length may be.
    let (whole, endless) = (&[0, 0, 0, 1, 2][..], &[0, 1, 1, 1][..]);
    for brings in [whole, endless] {
        let root = Root::new();
        let site = folder(SITE, &root.site(|_| {}), &root.pem);
        let site = identity(&SiteKit::load(site.path()).unwrap());
        let mut config = ClientConfig::new(name("wine"));
        config.server = Some(name("coordinator"));
        let connect = move || {
            Ok(Connected {
                wire: Box::new(Flood { brings }),
                carrier: fedlink::Carrier::default(),
            })
        };
        let mut client = BlockingClient::new(Arc::new(config), site, connect).unwrap();
        client.call(|client, now| client.register(now)).unwrap();
        assert!(matches!(
            next(&mut client),
            ClientAction::Retry {
                reason: fedlink::RetryReason::Disconnected,
                ..
            }
        ));
    }
}
