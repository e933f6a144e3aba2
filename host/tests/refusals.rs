//! What TLS has against a site, as the hosts of sites know it: over real sockets, with the
//! host of a server at the other end.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::Federation;
use common::pki::Pki;
use fedlink::{ClientAction, FailureKind};
use fedlink_host::Connectivity;
use fedlink_host::blocking::{BlockingClient, TcpConnect};
use fedlink_host::tokio::{TcpAccept, TcpDial};
use tokio::net::TcpListener;

/// TLS of a site that has the certificate of one project and trusts another.
fn foreign(pki: &Pki) -> Arc<rustls::ClientConfig> {
    common::tls::client_config(&Pki::new(2), pki)
}

/// What both hosts of a site say once they know that only a person can help, or, if that is
/// never so, after so many tries.
async fn told(site_tls: Option<bool>, server_tls: bool, tries: usize) -> [Connectivity; 2] {
    let federation = Federation::new();
    let (client, server) = common::tls::configs(&federation.pki);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let accept = TcpAccept::new(listener);
    let accept = match server_tls {
        true => accept.tls(server),
        false => accept,
    };
    let (_server, _events) = federation.coordinator(accept).start().unwrap();

    let (mut dial, mut connect) = (TcpDial::new([&address]), TcpConnect::new([&address]));
    if let Some(own) = site_tls {
        let config = match own {
            true => client,
            false => foreign(&federation.pki),
        };
        dial = dial.tls(Arc::clone(&config), common::tls::server_name());
        connect = connect.tls(config, common::tls::server_name());
    }
    let host = federation.site("site-1", dial);
    let on_tokio = host.connectivity();
    let (client, mut events) = host.start().unwrap();
    client.register().await.unwrap();
    let mut retries = 0;
    while retries < tries && on_tokio.refusal().is_none() {
        let event = events.next().await.unwrap();
        retries += usize::from(matches!(event, ClientAction::Retry { .. }));
    }
    drop(client);

    let (config, identity) = (
        Arc::new(federation.client.clone()),
        federation.site_identity("site-1"),
    );
    let blocking = tokio::task::spawn_blocking(move || {
        let mut host = BlockingClient::new(config, identity, connect).unwrap();
        host.call(|client, now| client.register(now)).unwrap();
        let mut retries = 0;
        while retries < tries && host.connectivity().refusal().is_none() {
            let action = host.next_action(Duration::from_secs(1)).unwrap();
            retries += usize::from(matches!(action, Some(ClientAction::Retry { .. })));
        }
        host.connectivity().clone()
    });
    [on_tokio, blocking.await.unwrap()]
}

#[tokio::test]
async fn a_refusal_after_the_handshake_is_told_with_what_to_do() {
    for connectivity in told(Some(false), true, 9).await {
        let refusal = connectivity.refusal().expect("only a person can help");
        assert_eq!(refusal.kind, FailureKind::Permanent);
        let text = refusal.text;
        assert!(text.contains("127.0.0.1:"), "{text}");
        assert!(text.contains("received fatal alert"), "{text}");
        assert!(
            text.contains("the server refuses this site's certificate"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn tls_against_tcp_is_told_each_way_and_may_pass() {
    for (site, server, hint) in [
        (Some(true), false, "it may not speak TLS"),
        (None, true, "one end speaks TLS and the other does not"),
    ] {
        for connectivity in told(site, server, 5).await {
            assert_eq!(connectivity.refusal(), None);
            let failure = connectivity.failure().unwrap();
            assert_eq!(failure.kind, FailureKind::Transient);
            assert!(failure.text.contains(hint), "{failure}");
            assert!(failure.text.contains("`transport`"), "{failure}");
        }
    }
}
