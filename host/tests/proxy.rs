//! Hosts whose way to the server goes through an HTTP proxy: a genuine one, and one that opens
//! TLS.

mod common;

use std::io::Write;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use common::pki::Pki;
use common::{Federation, Site, joined, next_result, start_job, task};
use fedlink::{ClientAction, FailureKind};
use fedlink_host::blocking::{BlockingClient, TcpConnect};
use fedlink_host::tokio::{Dial, ServerHost, TcpAccept, TcpDial};
use fedlink_host::{ConnectionFailure, Proxies};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A genuine proxy that wants to know who calls and connects to one port alone.
struct Tinyproxy {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Tinyproxy {
    /// None where it is not installed.
    async fn start(port: u16) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("tinyproxy.conf");
        // Its port is free a moment before.
        let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = own.local_addr().unwrap();
        let mut file = std::fs::File::create(&config).unwrap();
        writeln!(
            file,
            "Port {}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nLogLevel Critical\n\
             BasicAuth fred s3cret\nConnectPort {port}",
            address.port()
        )
        .unwrap();
        drop(own);
        let started = Command::new("tinyproxy")
            .arg("-d")
            .arg("-c")
            .arg(config)
            .spawn();
        let Ok(child) = started else {
            println!("skipped: tinyproxy is not installed (apt-get install tinyproxy)");
            return None;
        };
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(Self {
            child,
            address: address.to_string(),
            _folder: folder,
        })
    }

    /// Through it, as whoever this is.
    fn proxies(&self, who: &str) -> Proxies {
        proxies(&format!("http://{who}{}", self.address))
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn proxies(url: &str) -> Proxies {
    Proxies::of(&url.to_owned().into(), "ORIGIN").unwrap()
}

/// A coordinator over TLS, and its port.
async fn coordinator(federation: &Federation) -> (ServerHost, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_, server) = common::tls::configs(&federation.pki);
    (
        federation.coordinator(TcpAccept::new(listener).tls(server)),
        port,
    )
}

fn dial(federation: &Federation, address: &str, proxies: Proxies) -> TcpDial {
    let (client, _) = common::tls::configs(&federation.pki);
    let dial = TcpDial::new([address]).tls(client, common::tls::server_name());
    dial.proxies(proxies)
}

/// Why there is no connection.
async fn failure(mut dial: TcpDial) -> ConnectionFailure {
    ConnectionFailure::of(&dial.dial().await.map(drop).unwrap_err())
}

#[tokio::test]
async fn sites_work_through_a_genuine_proxy_that_knows_them() {
    let federation = Federation::new();
    let (coordinator, port) = coordinator(&federation).await;
    let Some(proxy) = Tinyproxy::start(port).await else {
        return;
    };
    let (server, mut events) = coordinator.start().unwrap();
    // Only the proxy has to resolve the name.
    let address = format!("localhost:{port}");
    let through = proxy.proxies("fred:s3cret@");
    let dial = dial(&federation, &address, through.clone());
    let site = Site::start(federation.site("site-1", dial)).await;

    joined(&mut events).await;

    start_job(&server, task("through")).await;
    let result = next_result(&server, &mut events).await;
    assert_eq!(result.payload.bytes(), "hguorht");

    site.quit("done").await;

    let (client, _) = common::tls::configs(&federation.pki);
    let connect = TcpConnect::new([&address]).tls(client, common::tls::server_name());
    let config = Arc::new(federation.client.clone());
    let identity = federation.site_identity("site-2");
    let blocking = tokio::task::spawn_blocking(move || {
        let connect = connect.proxies(through);
        let mut host = BlockingClient::new(config, identity, connect).unwrap();
        host.call(|client, now| client.register(now)).unwrap();
        loop {
            let action = host.next_action(Duration::from_secs(1)).unwrap();
            if matches!(action, Some(ClientAction::SetAuth(_))) {
                return;
            }
        }
    });
    blocking.await.unwrap();
}

#[tokio::test]
async fn what_a_genuine_proxy_refuses_is_told() {
    let federation = Federation::new();
    let (coordinator, port) = coordinator(&federation).await;
    let Some(proxy) = Tinyproxy::start(port).await else {
        return;
    };
    let address = format!("127.0.0.1:{port}");
    for (who, told) in [
        ("", "write name and password into ORIGIN"),
        ("fred:wrong@", "does not take the name and the password"),
    ] {
        let failure = failure(dial(&federation, &address, proxy.proxies(who))).await;
        assert!(failure.text.contains(told), "{failure}");
        assert_eq!(failure.kind, FailureKind::Transient);
    }
    let known = proxy.proxies("fred:s3cret@");
    let told = failure(dial(&federation, "127.0.0.1:1", known.clone())).await;
    assert!(told.text.contains("does not allow a connection"), "{told}");
    // Nobody listens there any more.
    drop(coordinator);
    let told = failure(dial(&federation, &address, known)).await;
    assert!(told.text.contains("does not get through to"), "{told}");
}

#[tokio::test]
async fn a_proxy_that_opens_tls_is_named() {
    let federation = Federation::new();
    let (_, server) = common::tls::configs(&Pki::new(2));
    let acceptor = tokio_rustls::TlsAcceptor::from(server);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 999]).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let _ = acceptor.accept(stream).await;
    });
    let dial = dial(&federation, "fl.example.org:443", proxies(&at.to_string()));
    let failure = failure(dial).await;
    let told = format!("through the proxy http://{at} (ORIGIN); if it opens TLS itself");
    assert!(failure.text.contains(&told), "{failure}");
}

#[tokio::test]
async fn without_tls_nothing_goes_through_a_proxy() {
    let federation = Federation::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let coordinator = federation.coordinator(TcpAccept::new(listener));
    let (_server, mut events) = coordinator.start().unwrap();
    let dial = TcpDial::new([&address]).proxies(proxies("nobody.invalid:1"));
    let site = Site::start(federation.site("site-1", dial)).await;
    joined(&mut events).await;
    site.quit("done").await;
}

#[tokio::test]
async fn a_proxy_that_is_busy_is_asked_again() {
    let federation = Federation::new();
    let (coordinator, port) = coordinator(&federation).await;
    let (_server, mut events) = coordinator.start().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for refused in (0..).map(|tries| tries < 5) {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 999]).await;
            if refused {
                let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\n\r\n").await;
                continue;
            }
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut server).await });
        }
    });
    let dial = dial(&federation, &format!("127.0.0.1:{port}"), proxies(&at));
    let host = federation.site("site-1", dial);
    let connectivity = host.connectivity();
    let site = Site::start(host).await;
    joined(&mut events).await;
    assert_eq!(connectivity.refusal(), None);
    site.quit("done").await;
}

#[cfg(feature = "websocket")]
#[tokio::test]
async fn websocket_goes_through_a_genuine_proxy_too() {
    let federation = Federation::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let Some(proxy) = Tinyproxy::start(address.port()).await else {
        return;
    };
    let (_, server) = common::tls::configs(&federation.pki);
    let accept = TcpAccept::new(listener).tls(server).websocket();
    let (_server, mut events) = federation.coordinator(accept).start().unwrap();
    let through = proxy.proxies("fred:s3cret@");
    let dial = dial(&federation, &address.to_string(), through).websocket();
    let site = Site::start(federation.site("site-1", dial)).await;
    joined(&mut events).await;
    site.quit("done").await;
}
