use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
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
use crate::nvflare::testing::{Folder, Root, SERVER_KEY, SITE_PKCS8};
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

/// The genuine server's TLS is that of OpenSSL.
#[test]
fn what_openssl_says_of_a_site() {
    let root = Root::new();
    let dated = |from: i32, to: i32| {
        root.issue("site-1", SITE_PKCS8, |params| {
            let day = |days: i32| match u32::try_from(days) {
                Ok(days) => SystemTime::now() + DAY * days,
                Err(_) => SystemTime::now() - DAY * days.unsigned_abs(),
            };
            (params.not_before, params.not_after) = (day(from).into(), day(to).into());
        })
    };
    let (lasting, passing) = (FailureKind::Permanent, FailureKind::Transient);
    for (trusted, certificate, security, kind, told) in [
        (
            &root,
            dated(-60, -30),
            "mtls",
            lasting,
            "CertificateExpired; this site's certificate is valid from 20",
        ),
        // It says the same of what cannot be used at any time.
        (
            &root,
            dated(30, 60),
            "mtls",
            passing,
            "BadCertificate; this site's certificate is valid from 20",
        ),
        (
            &Root::other(),
            dated(-1, 30),
            "mtls",
            lasting,
            "the server refuses this site's certificate",
        ),
        (
            &root,
            dated(-1, 30),
            "tls",
            lasting,
            "CertificateRequired; the server asks for a certificate",
        ),
    ] {
        let (_server, address) = openssl_server(&root, trusted);
        let folder = folder(&root, address);
        folder.replace("fed_client.json", "mtls", security);
        folder.write("client.crt", &certificate);
        let failure = ConnectionFailure::of(&talk(&folder).unwrap_err());
        assert!(failure.text.contains(told), "{failure}");
        assert_eq!(failure.kind, kind, "{failure}");
    }
}

/// A server of this root that asks sites for certificates of another.
fn openssl_server(root: &Root, trusted: &Root) -> (Killed, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let mut server = Command::new("openssl")
        .args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-Verify",
            "2",
            "-verify_return_error",
        ])
        .arg("-cert")
        .arg(file("server.crt", &certificate(root, |_| {})))
        .arg("-key")
        .arg(file("server.key", SERVER_KEY))
        .arg("-CAfile")
        .arg(file("trusted.pem", &trusted.pem))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
    let server = Killed(server, folder);
    let address = said.find_map(|line| line.unwrap().strip_prefix("ACCEPT ")?.parse().ok());
    // It goes on when nobody reads.
    std::thread::spawn(move || said.for_each(drop));
    (server, address.unwrap())
}

/// Ends with the test, and its folder with it.
struct Killed(
    Child,
    #[expect(dead_code, reason = "it is kept")] tempfile::TempDir,
);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
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
