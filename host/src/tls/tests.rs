use std::io::{Read, Write};

use rustls::{ClientConnection, Connection, ServerConnection};

use super::*;
use crate::kit::{ServerKit, SiteKit};
use crate::testing::{Root, SERVER, SITE, folder, write};

fn site(root: &Root, trusted: &Root) -> SiteKit {
    SiteKit::load(
        folder(
            SITE,
            &root.site(|_| {}),
            &format!("{}{}", root.pem, trusted.pem),
        )
        .path(),
    )
    .unwrap()
}

fn server(root: &Root) -> ServerKit {
    ServerKit::load(folder(SERVER, &root.server(), &root.pem).path()).unwrap()
}

/// Two ends after the handshake, or why it failed.
fn connect(
    site: &SiteKit,
    server: &ServerKit,
    name: &str,
) -> Result<[Connection; 2], rustls::Error> {
    let client = client_config(&site.credentials).unwrap();
    let client = ClientConnection::new(client, server_name(name).unwrap()).unwrap();
    let server = ServerConnection::new(server_config(&server.credentials).unwrap()).unwrap();
    let mut ends: [Connection; 2] = [client.into(), server.into()];
    while ends
        .iter()
        .any(|end| end.is_handshaking() || end.wants_write())
    {
        for (from, to) in [(0, 1), (1, 0)] {
            let mut bytes = Vec::new();
            while ends[from].wants_write() {
                ends[from].write_tls(&mut bytes).unwrap();
            }
            let mut bytes = &bytes[..];
            while !bytes.is_empty() {
                ends[to].read_tls(&mut bytes).unwrap();
                ends[to].process_new_packets()?;
            }
        }
    }
    Ok(ends)
}

fn binding(connection: &Connection) -> [u8; 32] {
    match connection {
        Connection::Client(connection) => channel_binding(connection).unwrap(),
        Connection::Server(connection) => channel_binding(connection).unwrap(),
    }
}

#[test]
fn kits_of_one_project_connect() {
    let root = Root::new();
    let mut ends = connect(&site(&root, &root), &server(&root), "coordinator").unwrap();
    for end in &ends {
        assert_eq!(
            end.protocol_version(),
            Some(rustls::ProtocolVersion::TLSv1_3)
        );
        assert_eq!(end.alpn_protocol(), Some(ALPN));
        assert_eq!(end.peer_certificates().map(<[_]>::len), Some(1));
    }
    let [client, server] = &mut ends;
    client.writer().write_all(b"hello").unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    server.read_tls(&mut &bytes[..]).unwrap();
    server.process_new_packets().unwrap();
    let mut hello = [0; 5];
    server.reader().read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"hello");
}

#[test]
fn both_ends_have_one_binding_and_each_connection_another() {
    let root = Root::new();
    let (site, server) = (site(&root, &root), server(&root));
    let bindings = [(); 2].map(|()| {
        let [client, server] = connect(&site, &server, "127.0.0.1").unwrap();
        assert_eq!(binding(&client), binding(&server));
        binding(&client)
    });
    assert_ne!(bindings[0], bindings[1]);
}

#[test]
fn there_is_no_binding_before_the_handshake() {
    let root = Root::new();
    let config = client_config(&site(&root, &root).credentials).unwrap();
    let client = ClientConnection::new(config, server_name("coordinator").unwrap()).unwrap();
    assert!(matches!(
        channel_binding(&client),
        Err(TlsError::NotConnected(_))
    ));
}

#[test]
fn a_site_does_not_connect_to_another_server() {
    let [root, other] = [Root::new(), Root::new()];
    let error = connect(&site(&root, &root), &server(&root), "elsewhere.example").unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    connect(&site(&root, &root), &server(&other), "coordinator").unwrap_err();
}

#[test]
fn a_server_does_not_let_in_a_site_of_another_project() {
    let [root, other] = [Root::new(), Root::new()];
    // This site trusts the server, so it is the server that refuses.
    let error = connect(&site(&other, &root), &server(&root), "coordinator").unwrap_err();
    assert!(
        matches!(error, rustls::Error::InvalidCertificate(_)),
        "{error}"
    );
}

#[test]
fn a_site_cannot_pass_for_the_server() {
    let root = Root::new();
    let site = site(&root, &root);
    let mut impostor = server(&root);
    impostor.credentials = self::site(&root, &root).credentials;
    let error = connect(&site, &impostor, "site-1").unwrap_err();
    assert!(
        matches!(error, rustls::Error::InvalidCertificate(_)),
        "{error}"
    );
}

#[test]
fn names_that_tls_cannot_have_are_told() {
    for name in ["", "a b", "-", "2025", "coord.7"] {
        assert_eq!(
            server_name(name),
            Err(TlsError::ServerName(name.to_owned()))
        );
    }
}

#[test]
fn a_site_whose_certificate_is_revoked_is_refused_and_back_with_another() {
    let root = Root::new();
    let files = root.site(|_| {});
    let of = |files| SiteKit::load(folder(SITE, files, &root.pem).path()).unwrap();
    let (revoked, renewed) = (of(&files), of(&root.site(|_| {})));
    let server = folder(SERVER, &root.server(), &root.pem);
    write(server.path(), "revoked.pem", &files[0]);
    let server = ServerKit::load(server.path()).unwrap();
    let error = connect(&revoked, &server, "coordinator").unwrap_err();
    let expected = rustls::Error::InvalidCertificate(rustls::CertificateError::Revoked);
    assert_eq!(error, expected);
    assert!(connect(&renewed, &server, "coordinator").is_ok());
}
