//! What is behind the sessions of `tests/vectors/`: secrets, hashes, keys, and the content of
//! sealed messages, by the names that `docs/protocol.md` gives them.

// The core may not touch files; its tests read theirs.
#![allow(clippy::disallowed_methods)]

use core::fmt::Write as _;
use core::time::Duration;
use std::path::PathBuf;

use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};

use super::cookie::{Cookies, Exchange};
use super::seal::{self, Key};
use super::transcript::{self, Keys};
use crate::Instant;
use crate::entropy::Entropy;
use crate::link::{ChannelBinding, TokenClaims};
use crate::suite::Suite;
use crate::wire::native::{self, Applicant, Envelope, Grant, HEADER, RefusalSeal, take_lp_pair};

/// Lines of a name and the bytes in hexadecimal digits.
#[derive(Default)]
struct Values(String);

impl Values {
    fn put(&mut self, name: &str, value: &[u8]) {
        self.0.push_str(name);
        self.0.push(':');
        for (at, byte) in value.iter().enumerate() {
            let space = if at == 0 { " " } else { "" };
            write!(self.0, "{space}{byte:02x}").unwrap();
        }
        self.0.push('\n');
    }

    fn put_key(&mut self, name: &str, key: Option<&Key>) {
        if let Some(key) = key {
            self.put(name, key.expose());
        }
    }
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name)
}

/// The messages of a session, and whether each came from the client.
fn messages(session: &str) -> Vec<(bool, Vec<u8>)> {
    let text = std::fs::read_to_string(file(&format!("{session}.txt"))).unwrap();
    let message = |line: &str| {
        let (from, hex) = line.split_once(' ').unwrap();
        let bytes = hex.as_bytes().chunks(2).map(|two| {
            let two = core::str::from_utf8(two).unwrap();
            u8::from_str_radix(two, 16).unwrap()
        });
        (from == "client", bytes.collect())
    };
    text.lines().map(message).collect()
}

/// The client's first share: its machine draws its instance before.
fn client_secret() -> StaticSecret {
    let mut entropy = Entropy::new(&mut [1; 32]);
    let _: [u8; 16] = entropy.bytes();
    entropy.share()
}

/// The values behind a session of the project `project`.
fn values(session: &str, binding: &ChannelBinding) -> String {
    let mut values = Values::default();
    let messages = messages(session);
    let [
        (_, hello_c),
        (_, reply_message),
        (_, register),
        (_, answer),
        rest @ ..,
    ] = &messages[..]
    else {
        panic!("a handshake has four messages");
    };
    let Ok(Envelope::ChallengeReply { reply, hello }) = native::parse(reply_message) else {
        panic!("a ChallengeReply");
    };
    let Ok(Envelope::Challenge(challenge)) = native::parse(hello_c) else {
        panic!("a Challenge");
    };
    let hello_s = &reply_message[..hello];

    values.put("project", &challenge.project);
    let th0 = transcript::hello(hello_c, hello_s, binding);
    values.put("th0", &th0);
    let keys = reply.server_share.map(|share| {
        let secret = client_secret();
        let own = PublicKey::from(&secret).to_bytes();
        assert_eq!(challenge.client_share, Some(own));
        values.put("client_secret", secret.as_bytes());
        let shared = secret.diffie_hellman(&PublicKey::from(share));
        values.put("shared", shared.as_bytes());
        let (prk, _) = Hkdf::<Sha256>::extract(Some(&th0), shared.as_bytes());
        values.put("prk", &prk);
        Keys::new(&secret, share, &th0).unwrap()
    });
    let key = keys.as_ref().map(Keys::server_hello);
    values.put_key("key_challenge_reply", key.as_ref());
    let protected = seal::uncover(key.as_ref(), reply_message, hello).unwrap();
    let (chain, proof) = take_lp_pair(&protected).unwrap();
    values.put("chain", chain);
    if reply.server_share.is_some() {
        // What the server has kept of the challenge, which is nothing.
        let mut entropy = Entropy::new(&mut [2; 32]);
        let now = Instant::from_micros(1_000_000);
        let cookies = Cookies::new(Duration::from_secs(60), now, &mut entropy);
        let exchange = Exchange { hello_c, chain };
        let checked = cookies.check(now, &exchange, &reply).unwrap();
        values.put("server_secret", checked.secret.unwrap().as_bytes());
    }
    let th1 = transcript::server(&th0, chain);
    values.put("th1", &th1);
    values.put("server_signs", &transcript::server_proof(&th1));
    values.put("server_proof", proof);

    let Ok(Envelope::Register { clear, .. }) = native::parse(register) else {
        panic!("a Register");
    };
    let key = keys.as_ref().map(Keys::client_hello);
    values.put_key("key_register", key.as_ref());
    let protected = seal::uncover(key.as_ref(), register, clear).unwrap();
    let (identity, proof) = take_lp_pair(&protected).unwrap();
    let applicant: Applicant = native::decode_all(identity).unwrap();
    values.put("identity", identity);
    let th2 = transcript::client(&th1, identity);
    values.put("th2", &th2);
    values.put("client_signs", &transcript::client_proof(&th2));
    values.put("client_proof", proof);
    let th3 = transcript::session(&th2, proof);
    values.put("th3", &th3);

    let (session, clear) = match native::parse(answer) {
        Ok(Envelope::RegisterReply { session, clear, .. }) => (session, clear),
        Ok(Envelope::Refusal { seal, clear, .. }) => {
            let RefusalSeal::Sealed { refusal_id } = seal else {
                panic!("a sealed one");
            };
            let key = keys.unwrap().refusal(&th3, &refusal_id);
            values.put("key_refusal", key.expose());
            values.put("denied", &key.open_once(answer, clear).unwrap());
            return values.0;
        }
        other => panic!("{other:?}"),
    };
    let keys = keys.map(|keys| keys.session(&th3, session));
    let (to_server, to_client) = keys
        .map(|keys| (Some(keys.to_server), Some(keys.to_client)))
        .unwrap_or_default();
    values.put_key("key_to_server", to_server.as_ref());
    values.put_key("key_to_client", to_client.as_ref());
    let grant = seal::uncover(to_client.as_ref(), answer, clear).unwrap();
    values.put("grant", &grant);
    let grant: Grant = native::decode_all(&grant).unwrap();
    if reply.suite != Suite::Plain {
        let signed = TokenClaims {
            suite: reply.suite,
            project: "project",
            name: applicant.name.as_str(),
            token: grant.token.as_ref(),
            ssid: grant.ssid,
            issued: grant.issued,
            expires: grant.expires,
            interval: grant.interval,
            th3: &th3,
        };
        values.put("token_signs", &signed.to_sign());
        values.put("token_signature", &grant.token_signature);
    }
    for (place, (from_client, message)) in (4..).zip(rest) {
        let key = if *from_client { &to_server } else { &to_client };
        let (Some(key), Ok(Envelope::Sealed { number, .. })) = (key, native::parse(message)) else {
            continue;
        };
        let mut message = message.clone();
        let len = key.open(number, &mut message, HEADER).unwrap();
        values.put(&format!("message_{place}_nonce"), &seal::nonce(number));
        let plaintext = &message[HEADER..len];
        values.put(&format!("message_{place}_plaintext"), plaintext);
    }
    values.0
}

fn check(session: &str, binding: &ChannelBinding) {
    let values = values(session, binding);
    let path = file(&format!("{session}.values.txt"));
    if std::env::var_os("FEDLINK_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &values).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap();
    for (is, was) in values.lines().zip(pinned.lines()) {
        assert_eq!(is, was, "{session}");
    }
    assert_eq!(values.lines().count(), pinned.lines().count());
}

// spec: P-26, P-28, P-29, P-75
#[test]
fn hashes_and_keys_are_those_of_the_vectors() {
    for session in ["plain", "bearer", "sealed", "refused", "apart"] {
        check(session, &ChannelBinding::None);
    }
    check("bound", &ChannelBinding::TlsExporter([9; 32]));
}
