//! Registration with a server of NVFlare: both ends prove themselves, and the site gets its
//! token.
//!
//! Each signs the other's name-and-nonce: the site's nonce travels with the challenge, the
//! server's in its answer. Nothing binds these signatures to the connection.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use uuid::Uuid;

use super::Link;
use super::call::{Answer, Purpose};
use super::cell::{Credentials, Origin, named};
use super::send::{Target, peer_context};
use crate::config::nvflare::Settings;
use crate::identity::{CertificateId, ChainError, Revoked, RsaPublicKey};
use crate::link::event::{Event, HandshakeEvent, LinkContext};
use crate::link::{Auth, Suspicion};
use crate::message::{RejectReason, ReturnCode, Ssid, Token};
use crate::suite::Suite;
use crate::wire::native::{Denial, Denied};
use crate::wire::nvflare::cell::{Headers, channel, key, topic};
use crate::wire::nvflare::dialect::Dialect;
use crate::wire::nvflare::typed;
use crate::wire::nvflare::value::Value;

/// What this site tells a server of itself.
const PROTOCOL_VERSION: i64 = 1;
const NVFLARE_VERSION: &str = "2.9.0";

/// A handshake under way.
#[derive(Default)]
pub(super) enum Handshake {
    #[default]
    Idle,
    Challenged {
        nonce: String,
    },
    Registering {
        server: Option<Server>,
    },
}

/// In which dialect handshakes are written. A session that stands meanwhile keeps its own: a
/// renewal that comes to nothing must not make it speak as its server cannot read.
#[derive(Default)]
pub(super) struct Trial {
    pub(super) dialect: Dialect,
    /// In the plain mode nothing comes before the first value that is sent: this one was
    /// written in a dialect that the server has not shown to understand.
    guessed: bool,
}

impl Trial {
    /// Another one follows: not in the dialect of the latest if that one was not understood.
    fn guess(&mut self) {
        if core::mem::replace(&mut self.guessed, true) {
            self.dialect = self.dialect.other();
        }
    }

    /// Takes from an answer how the server writes.
    pub(super) fn heard(&mut self, payload: &Bytes) {
        self.dialect = Dialect::of(payload).unwrap_or(self.dialect);
    }

    /// The dialect of a server that has granted a token, in a body or in headers.
    fn granted(&mut self, in_body: bool) -> Dialect {
        if !in_body {
            self.dialect = self.dialect.granting_in_headers();
        }
        self.dialect
    }
}

/// Entries of a Shareable.
type Entries = Vec<(Value, Value)>;

/// A server that has proved itself.
pub(super) struct Server {
    key: RsaPublicKey,
    certificates: Vec<CertificateId>,
    not_after: Option<u64>,
}

impl Server {
    /// Whether one of its certificates is among these.
    fn check_revoked(&self, revoked: &Revoked) -> Result<(), Suspicion> {
        let mut certificates = self.certificates.iter();
        match certificates.position(|it| revoked.contains(it)) {
            Some(position) => Err(Suspicion::Chain(ChainError::Revoked { position })),
            None => Ok(()),
        }
    }
}

impl Link {
    /// Challenges the server, or registers at once where nobody proves anything.
    pub(crate) fn challenge(&mut self, cx: &mut LinkContext<'_>) {
        self.drop_handshake();
        if !self.settings.secure {
            self.trial.guess();
            self.register(cx, None, Vec::new());
            return;
        }
        let nonce = Uuid::from_bytes(cx.entropy.uuid()).to_string();
        let headers = Headers::new()
            .with(key::CN, cx.identity.name().as_str())
            .with(key::NONCE, nonce.as_str());
        self.handshake = Handshake::Challenged { nonce };
        let target = Target::server(channel::TASK, topic::CHALLENGE, true);
        self.call(cx, Purpose::Challenge, target, headers, None);
    }

    /// Stops a handshake; a late answer to it is dropped.
    pub(crate) fn drop_handshake(&mut self) {
        self.handshake = Handshake::Idle;
        self.withdraw(|call| call.purpose.is_handshake());
    }

    pub(super) fn challenge_answered(&mut self, cx: &mut LinkContext<'_>, answer: &Answer) {
        let Handshake::Challenged { nonce } = core::mem::take(&mut self.handshake) else {
            return;
        };
        if answer.code != ReturnCode::Ok {
            self.denied(answer);
            return;
        }
        match check_server(cx, &nonce, answer) {
            Ok((server, evidence, dates_checked)) => {
                let not_after = server.not_after;
                self.register(cx, Some(server), evidence);
                self.handshake_event(HandshakeEvent::Proven {
                    to_sign: None,
                    dates_checked,
                    not_after,
                });
            }
            Err(suspicion) => self.handshake_event(HandshakeEvent::Suspect(suspicion)),
        }
    }

    fn register(&mut self, cx: &mut LinkContext<'_>, server: Option<Server>, evidence: Entries) {
        let address = if cx.address.is_empty() {
            "0.0.0.0"
        } else {
            cx.address
        };
        let headers = Headers::new()
            .with(key::CLIENT_NAME, cx.identity.name().as_str())
            .with(key::CLIENT_TYPE, "regular")
            .with(key::CLIENT_IP, address)
            .with(key::PROJECT_NAME, cx.config.project.as_str())
            .with(key::PROTOCOL_VERSION, PROTOCOL_VERSION)
            .with(key::NVFLARE_VERSION, NVFLARE_VERSION);
        let mut entries = evidence;
        if !cx.site_info.is_empty() {
            let facts = cx
                .site_info
                .iter()
                .map(|(key, value)| (key.into(), value.into()));
            entries.push(("site_config".into(), Value::Map(facts.collect())));
        }
        let body = typed::shareable(vec![peer_context(cx, Origin::Site)], entries);
        self.handshake = Handshake::Registering { server };
        let target = Target::server(channel::TASK, topic::REGISTER, true);
        self.call(cx, Purpose::Register, target, headers, Some(&body));
    }

    pub(super) fn register_answered(&mut self, cx: &LinkContext<'_>, answer: &Answer) {
        let Handshake::Registering { server } = core::mem::take(&mut self.handshake) else {
            return;
        };
        // Any other refusal has read what was sent.
        self.trial.guessed &= answer.code == ReturnCode::ProcessException;
        if answer.code != ReturnCode::Ok {
            self.denied(answer);
            return;
        }
        match granted(cx, &self.settings, server.as_ref(), answer) {
            Ok((auth, credentials)) => {
                self.credentials = Some(credentials);
                self.dialect = self.trial.granted(answer.body.is_some());
                self.server_certificates =
                    server.map(|server| server.certificates).unwrap_or_default();
                self.session_begins(cx);
                self.events.push_back(Event::Registered(auth));
            }
            Err(suspicion) => self.handshake_event(HandshakeEvent::Suspect(suspicion)),
        }
    }

    fn denied(&mut self, answer: &Answer) {
        let denial = match answer.code {
            ReturnCode::Unauthenticated => refusal(&answer.error),
            _ => Denial::Busy,
        };
        let message = if answer.error.is_empty() {
            answer.code.to_string()
        } else {
            answer.error.clone()
        };
        self.handshake_event(HandshakeEvent::Denied {
            denied: Denied::new(denial, message),
            protected: true,
        });
    }

    fn handshake_event(&mut self, event: HandshakeEvent) {
        self.events.push_back(Event::Handshake(event));
    }
}

/// Checks the server's answer. Returns the server and what the site shows in return.
fn check_server(
    cx: &mut LinkContext<'_>,
    nonce: &str,
    answer: &Answer,
) -> Result<(Server, Entries, bool), Suspicion> {
    let body = answer.body.as_ref().ok_or(Suspicion::Malformed)?;
    let entries = typed::SHAREABLE
        .data(&body.value)
        .ok_or(Suspicion::Malformed)?;
    let text = |key| {
        entries
            .get(key)
            .and_then(Value::as_str)
            .ok_or(Suspicion::Malformed)
    };
    let bytes = |key| {
        entries
            .get(key)
            .and_then(Value::as_bytes)
            .ok_or(Suspicion::Malformed)
    };
    let (cn, server_nonce) = (text("cn")?, text("nonce")?);
    let (chain, signature) = (bytes("cert")?, bytes("signature")?);

    let own = cx.identity.rsa_proof().ok_or(Suspicion::Malformed)?;
    let verified = own
        .verify_server(chain, &cx.identity.revoked, cx.server, cx.wall)
        .map_err(Suspicion::Chain)?;
    let signed = [cn, nonce].concat();
    if cn != cx.server.as_str() || !verified.key.verify(signed.as_bytes(), signature) {
        return Err(Suspicion::Proof);
    }

    let name = cx.identity.name().as_str();
    let to_sign = [name, server_nonce].concat();
    let proof = own
        .sign(to_sign.as_bytes(), cx.entropy)
        .map_err(|_| Suspicion::Malformed)?;
    let evidence = vec![
        ("cert".into(), Value::Bytes(own.chain_pem().clone())),
        ("signature".into(), Value::Bytes(Bytes::from(proof))),
        ("cn".into(), name.into()),
    ];
    let server = Server {
        key: verified.key,
        certificates: verified.certificates,
        not_after: verified.not_after,
    };
    Ok((server, evidence, verified.dates_checked))
}

/// Checks what the server granted.
fn granted(
    cx: &LinkContext<'_>,
    settings: &Settings,
    server: Option<&Server>,
    answer: &Answer,
) -> Result<(Auth, Credentials), Suspicion> {
    let body = answer.body.as_ref().map(|body| &body.value);
    // Release 2.5 grants in the headers, and has no body.
    let text = |key| match body {
        Some(body) => body.get(key).and_then(Value::as_str),
        None => answer.headers.get(key).and_then(Value::as_str),
    };
    // A server that does not believe a proof grants nothing, and does not say so.
    let token = text(key::TOKEN).ok_or(Suspicion::NoToken)?;
    let token_signature = text(key::TOKEN_SIGNATURE).ok_or(Suspicion::Malformed)?;
    let ssid = text(key::SSID).unwrap_or_default();
    let name = cx.identity.name();
    let signature = match server {
        Some(server) => {
            // It may have been revoked since it proved itself.
            server.check_revoked(&cx.identity.revoked)?;
            let signature =
                Base64::decode_vec(token_signature).map_err(|_| Suspicion::TokenSignature)?;
            let signed = [name.as_str(), token].concat();
            if !server.key.verify(signed.as_bytes(), &signature) {
                return Err(Suspicion::TokenSignature);
            }
            signature
        }
        None => Vec::new(),
    };
    let auth = Auth {
        token: Uuid::try_parse(token)
            .ok()
            .map(|id| Token::from_bytes(id.into_bytes())),
        token_signature: Bytes::from(signature).into(),
        name: name.clone(),
        suite: Suite::Bearer,
        ssid: ssid_of(ssid),
        issued: cx.wall.unwrap_or_default(),
        expires: u64::MAX,
        heartbeat_interval: settings.heartbeat_interval,
        session_hash: [0; 32],
    };
    let credentials = Credentials {
        token: token.to_owned(),
        token_signature: token_signature.to_owned(),
        ssid: ssid.to_owned(),
    };
    Ok((auth, credentials))
}

/// NVFlare's service sessions are named by any text.
pub(super) fn ssid_of(text: &str) -> Ssid {
    Ssid::from_bytes(named(text))
}

/// What the server's words about a refusal mean: NVFlare has one code for all of them.
fn refusal(words: &str) -> Denial {
    let words = words.to_lowercase();
    let says = |part: &str| words.contains(part);
    if says("no registration session") || says("maximum") || says("not ready") {
        Denial::Busy
    } else if says("does not match the current server task") {
        Denial::Rejected(RejectReason::WrongProject)
    } else if says("disabled") {
        Denial::Rejected(RejectReason::Disabled)
    } else {
        Denial::Rejected(RejectReason::Unauthenticated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_tell_a_refusal_for_good_from_one_for_now() {
        let rejected = |reason| Denial::Rejected(reason);
        for (words, denial) in [
            ("no registration session for site-1", Denial::Busy),
            ("Maximum number of clients reached", Denial::Busy),
            (
                "Requested task does not match the current server task",
                rejected(RejectReason::WrongProject),
            ),
            (
                "Client site-1 is disabled",
                rejected(RejectReason::Disabled),
            ),
            (
                "server is not in secure mode",
                rejected(RejectReason::Unauthenticated),
            ),
            ("", rejected(RejectReason::Unauthenticated)),
        ] {
            assert_eq!(refusal(words), denial, "{words}");
        }
    }
}
