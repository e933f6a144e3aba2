use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::SystemTime;

use fedlink::FailureKind;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection, StreamOwned};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::testing::{certificate, server_config};
use super::*;
use crate::ConnectionFailure;
use crate::blocking::Connect;
use crate::nvflare::testing::{Folder, Root, SERVER_KEY};
use crate::testing::DAY;

/// What the server has seen.
type Seen = io::Result<(ProtocolVersion, bool)>;

/// Accepts one site, and sends back what it says.
fn serve(config: ServerConfig) -> (SocketAddr, JoinHandle<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept()?;
        let connection = ServerConnection::new(config.into()).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut said = [0; 5];
        stream.read_exact(&mut said)?;
        stream.write_all(&said)?;
        stream.flush()?;
        let certified = stream.conn.peer_certificates().is_some();
        Ok((stream.conn.protocol_version().unwrap(), certified))
    });
    (address, serving)
}

/// A kit for a server at this address.
fn folder(root: &Root, address: SocketAddr) -> Folder {
    let folder = Folder::new(root);
    folder.replace("fed_client.json", "localhost:8002", &address.to_string());
    folder
}

fn talk(folder: &Folder) -> io::Result<()> {
    let mut wire = folder.read().unwrap().connect().unwrap().connect()?.wire;
    wire.write_all(b"hello")?;
    let mut answer = [0; 5];
    wire.read_exact(&mut answer)?;
    assert_eq!(&answer, b"hello");
    Ok(())
}

#[test]
fn both_ends_show_certificates_of_the_project() {
    let root = Root::new();
    let (address, serving) = serve(server_config(&root, &certificate(&root, |_| {}), true));
    talk(&folder(&root, address)).unwrap();
    let seen = serving.join().unwrap().unwrap();
    assert_eq!(seen, (ProtocolVersion::TLSv1_3, true));
}

#[tokio::test]
async fn on_tokio() {
    let root = Root::new();
    let (address, serving) = serve(server_config(&root, &certificate(&root, |_| {}), true));
    let mut dial = folder(&root, address).read().unwrap().dial().unwrap();
    let mut stream = dial.dial().await.unwrap().stream;
    stream.write_all(b"hello").await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
    assert!(serving.join().unwrap().unwrap().1);
}

#[test]
fn an_older_version() {
    let root = Root::new();
    let leaf = CertificateDer::from_pem_slice(certificate(&root, |_| {}).as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(SERVER_KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .unwrap();
    let (address, serving) = serve(config);
    talk(&folder(&root, address)).unwrap();
    let seen = serving.join().unwrap().unwrap();
    assert_eq!(seen, (ProtocolVersion::TLSv1_2, false));
}

#[test]
fn a_certificate_of_the_server_alone() {
    let root = Root::new();
    let proxy = Root::other();
    let (address, serving) = serve(server_config(&root, &certificate(&root, |_| {}), false));
    let folder = folder(&root, address);
    folder.replace("fed_client.json", "mtls", "tls");
    talk(&folder).unwrap();
    assert!(!serving.join().unwrap().unwrap().1);

    let (address, serving) = serve(server_config(&root, &certificate(&proxy, |_| {}), false));
    let folder = self::folder(&root, address);
    folder.replace("fed_client.json", "mtls", "tls");
    folder.write("customRootCA.pem", &proxy.pem);
    talk(&folder).unwrap();
    serving.join().unwrap().unwrap();
}

#[test]
fn a_server_of_another_root() {
    let root = Root::new();
    let other = certificate(&Root::other(), |_| {});
    let (address, serving) = serve(server_config(&root, &other, true));
    let told = talk(&folder(&root, address)).unwrap_err().to_string();
    assert!(told.starts_with(&address.to_string()), "{told}");
    assert!(
        told.contains("another root than this kit's issued it: take the kit"),
        "{told}"
    );
    serving.join().unwrap().unwrap_err();
}

#[test]
fn a_server_that_has_expired() {
    let root = Root::new();
    let expired = certificate(&root, |params| {
        params.not_after = (SystemTime::now() - DAY / 48).into();
    });
    let (address, serving) = serve(server_config(&root, &expired, true));
    let told = talk(&folder(&root, address)).unwrap_err().to_string();
    assert!(
        told.contains("have the server's certificate renewed"),
        "{told}"
    );
    serving.join().unwrap().unwrap_err();
}

#[test]
fn a_site_of_another_root() {
    let root = Root::new();
    let other = Root::other();
    let (address, serving) = serve(server_config(&other, &certificate(&root, |_| {}), true));
    let told = talk(&folder(&root, address)).unwrap_err();
    assert!(serving.join().unwrap().is_err(), "{told}");
    // Closing a blocking server's end may take back what it has said.
    if told.kind() == io::ErrorKind::InvalidData {
        let failure = ConnectionFailure::of(&told);
        assert_eq!(failure.kind, FailureKind::Permanent, "{failure}");
        assert!(
            failure
                .text
                .contains("the server refuses this site's certificate"),
            "{failure}"
        );
    }
}

#[test]
fn a_site_without_a_certificate() {
    let root = Root::new();
    let (address, serving) = serve(server_config(&root, &certificate(&root, |_| {}), true));
    let folder = folder(&root, address);
    folder.replace("fed_client.json", "mtls", "tls");
    let told = talk(&folder).unwrap_err();
    assert!(serving.join().unwrap().is_err(), "{told}");
    if told.kind() == io::ErrorKind::InvalidData {
        let failure = ConnectionFailure::of(&told);
        assert_eq!(failure.kind, FailureKind::Permanent, "{failure}");
        assert!(
            failure.text.contains("`connection_security` mtls"),
            "{failure}"
        );
    }
}
