//! What a connection takes of the memory of a server's host.

mod common;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use common::{Federation, tls};
use fedlink::{ClientAction, Suite, Suites};
use fedlink_host::blocking::{BlockingClient, TcpConnect};
#[cfg(feature = "websocket")]
use fedlink_host::tokio::{ClientHandle, Events, TcpDial};
use fedlink_host::tokio::{Limits, ServerHandle, TcpAccept};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

/// Connections over which the heap is counted.
const SITES: usize = 64;
/// Its room for a read alone takes so much.
const LEAST: i64 = 2 << 10;
const MOST: i64 = 8 << 10;
/// As TLS has buffers and keys of its own.
const MOST_WITH_TLS: i64 = 16 << 10;
/// As WebSocket has two buffers more.
#[cfg(feature = "websocket")]
const MOST_WITH_WEBSOCKET: i64 = 24 << 10;

/// All is counted on one thread, which is the server's: its tasks, buffers and queues, TLS,
/// and what the machine holds of a registered client.
#[test]
fn a_connection_takes_8_kib_at_most_16_with_tls_and_24_with_websocket() {
    for (over, most) in [
        (Over::Tcp, MOST),
        (Over::Tls, MOST_WITH_TLS),
        #[cfg(feature = "websocket")]
        (Over::WebSocket, MOST_WITH_WEBSOCKET),
    ] {
        let coordinator = Coordinator::new(over);
        coordinator.let_in(1);
        let heap = allocation_counter::measure(|| coordinator.let_in(SITES));
        let each = heap.bytes_current / SITES as i64;
        println!("a connection over {over:?}: {each} bytes of the heap");
        assert!((LEAST..=most).contains(&each));
    }
}

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Over {
    Tcp,
    Tls,
    #[cfg(feature = "websocket")]
    WebSocket,
}

/// A server on this thread, and its sites on another.
struct Coordinator {
    runtime: Runtime,
    /// The server runs as long as this is there.
    _server: ServerHandle,
    asks: Sender<usize>,
    stand: Receiver<usize>,
}

impl Coordinator {
    fn new(over: Over) -> Self {
        let over_tls = over != Over::Tcp;
        let mut federation = Federation::new();
        federation.server.heartbeat_interval = Duration::from_secs(100);
        if over_tls {
            let bearer = Suites::new([Suite::Bearer]).unwrap();
            federation.server.suites = bearer.clone();
            federation.client.suites = bearer;
        }
        let (client_tls, server_tls) = tls::configs(&federation.pki);
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut accept = TcpAccept::new(listener);
        let mut connect = TcpConnect::new([&address]);
        if over_tls {
            accept = accept.tls(server_tls);
            connect = connect.tls(Arc::clone(&client_tls), tls::server_name());
        }
        #[cfg(feature = "websocket")]
        let dial = TcpDial::new([&address])
            .tls(client_tls, tls::server_name())
            .websocket();
        #[cfg(feature = "websocket")]
        if over == Over::WebSocket {
            accept = accept.websocket();
        }
        let limits = Limits {
            connections_per_address: 2 * SITES,
            ..Limits::default()
        };
        let host = federation.coordinator(accept).limits(limits);
        let inside = runtime.enter();
        let (server, mut events) = host.start().unwrap();
        runtime.spawn(async move { while events.next().await.is_some() {} });
        let ((asks, asked), (stands, stand)) = (channel(), channel());
        thread::spawn(move || {
            let mut sites = Vec::new();
            // The blocking host has no WebSocket.
            #[cfg(feature = "websocket")]
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            #[cfg(feature = "websocket")]
            let mut on_tokio_sites = Vec::new();
            let mut standing = 0;
            while let Ok(more) = asked.recv() {
                for _ in 0..more {
                    match over {
                        Over::Tcp | Over::Tls => {
                            sites.push(site(&federation, standing, connect.clone()));
                        }
                        #[cfg(feature = "websocket")]
                        Over::WebSocket => {
                            let site = on_tokio(&federation, standing, dial.clone());
                            on_tokio_sites.push(runtime.block_on(site));
                        }
                    }
                    standing += 1;
                }
                if stands.send(standing).is_err() {
                    return;
                }
            }
        });
        drop(inside);
        Self {
            runtime,
            _server: server,
            asks,
            stand,
        }
    }

    /// Has so many more sites connect, register and send a heartbeat.
    fn let_in(&self, sites: usize) {
        self.asks.send(sites).unwrap();
        let stand = self.runtime.block_on(async {
            loop {
                match self.stand.try_recv() {
                    Err(TryRecvError::Empty) => sleep(Duration::from_millis(1)).await,
                    stand => return stand,
                }
            }
        });
        stand.expect("no site has failed");
    }
}

/// The same on tokio.
#[cfg(feature = "websocket")]
async fn on_tokio(
    federation: &Federation,
    number: usize,
    dial: TcpDial,
) -> (ClientHandle, Events<ClientAction>) {
    let host = federation.site(&format!("site-{number}"), dial);
    let (client, mut events) = host.start().unwrap();
    client.register().await.unwrap();
    loop {
        match events.next().await.expect("the host goes on") {
            ClientAction::HeartbeatAnswered { .. } => return (client, events),
            ClientAction::HeartbeatDue => client.heartbeat_ready(None).await.unwrap(),
            _ => {}
        }
    }
}

/// A site that is at work, and says nothing more.
fn site(federation: &Federation, number: usize, connect: TcpConnect) -> BlockingClient {
    let identity = federation.site_identity(&format!("site-{number}"));
    let config = federation.client.clone();
    let mut client = BlockingClient::new(config.into(), identity, connect).unwrap();
    client.call(|client, now| client.register(now)).unwrap();
    loop {
        let action = client.next_action(Duration::from_secs(60)).unwrap();
        match action.expect("something happens") {
            ClientAction::HeartbeatAnswered { .. } => return client,
            ClientAction::HeartbeatDue => {
                let released = client.call(|client, now| client.heartbeat_ready(now, None));
                released.unwrap();
            }
            _ => {}
        }
    }
}
