use std::sync::atomic::{AtomicUsize, Ordering};

use fedlink::identity::ChainError;
use fedlink::{ServerAction, ServerConfig, Suspicion};

use super::*;
use crate::clock::FAKED;
use crate::kit::{ServerKit, SiteKit};
use crate::testing::{Root, SERVER, SITE, folder, identity, name};
use crate::tokio::{Dialing, MemoryDial, ServerHandle, ServerHost, memory};

/// Counts its connections.
struct Counted(MemoryDial, Arc<AtomicUsize>);

impl Dial for Counted {
    fn dial(&mut self) -> Dialing {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.dial()
    }
}

/// A site, its server and the number of connections that the site has made.
struct Rig {
    client: ClientHandle,
    events: Events<ClientAction>,
    connections: Arc<AtomicUsize>,
    _server: (ServerHandle, Events<ServerAction>),
}

fn rig() -> Rig {
    let root = Root::new();
    let site = folder(SITE, &root.site(|_| {}), &root.pem);
    let site = identity(&SiteKit::load(site.path()).unwrap());
    let server = folder(SERVER, &root.server(), &root.pem);
    let server = identity(&ServerKit::load(server.path()).unwrap());
    let (dial, accept) = memory();
    let config = Arc::new(ServerConfig::new(name("wine")));
    let host = ServerHost::new(config, server).listen(accept);
    let server = host.start().unwrap();
    let mut config = ClientConfig::new(name("wine"));
    config.server = Some(name("coordinator"));
    let connections = Arc::new(AtomicUsize::new(0));
    let dial = Counted(dial, Arc::clone(&connections));
    let (client, events) = ClientHost::new(Arc::new(config), site, dial)
        .start()
        .unwrap();
    Rig {
        client,
        events,
        connections,
        _server: server,
    }
}

/// A site and its server start without the right time, and both get it later.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_is_known_on_the_connection_that_stands() {
    FAKED.set(Some(1000));
    let mut rig = rig();
    rig.client.register().await.unwrap();

    let mut refused = 0;
    loop {
        match rig.events.next().await.unwrap() {
            ClientAction::Suspect { suspicion, .. } => {
                let early = matches!(
                    suspicion,
                    Suspicion::Chain(ChainError::NotYetValid { position: 0, .. })
                );
                assert!(early, "{suspicion}");
                refused += 1;
                if refused == 2 {
                    FAKED.set(None);
                }
            }
            ClientAction::SetAuth(_) => break,
            _ => {}
        }
    }
    assert_eq!(refused, 2);
    assert_eq!(rig.connections.load(Ordering::Relaxed), 1);
}

/// Whoever calls the machine past its host may tell it that the connection is gone.
#[tokio::test(start_paused = true)]
async fn a_connection_that_the_client_takes_for_gone_is_replaced() {
    let mut rig = rig();
    rig.client.register().await.unwrap();
    for connection in 1..4 {
        while !matches!(
            rig.events.next().await.unwrap(),
            ClientAction::HeartbeatAnswered { .. }
        ) {}
        assert_eq!(rig.connections.load(Ordering::Relaxed), connection);
        let gone = |client: &mut Client, now| client.handle_disconnected(now);
        rig.client.call(gone).await.unwrap();
    }
}
