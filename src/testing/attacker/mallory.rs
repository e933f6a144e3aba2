//! The attacker's own site: enrolled, with a key and a certificate in its own name. It
//! speaks the protocol by hand, so that it can lie in every field.

mod pose;

use alloc::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::pki::{Pki, name};
use super::world::{MALLORY, SITES};
use crate::digest::Hash;
use crate::identity::{Chain, LocalSigner};
use crate::link::native::room::Room;
use crate::link::native::seal::{self, Key, nonces};
use crate::link::native::session::{End, Protection, Seal, Session};
use crate::link::native::transcript::{self, Keys};
use crate::link::{ChannelBinding, TokenClaims};
use crate::message::{
    FetchReply, InstanceId, Properties, PullReply, PushReply, Reply, Request, RequestId, SessionId,
    SubmitReply,
};
use crate::suite::Suite;
use crate::wire::native::{
    self, Applicant, BindingKind, Challenge, ChallengeReply, Envelope, Grant, RefusalSeal, lp_pair,
    take_lp_pair,
};

/// Exchanges that the attacker goes on with: the latest ones.
const EXCHANGES: usize = 6;

pub(super) struct Mallory {
    suite: Suite,
    pub(super) key: LocalSigner,
    pub(super) chain: Vec<u8>,
    /// Exchanges with the server, by nonce.
    exchanges: BTreeMap<[u8; 16], Exchange>,
    /// Answers to clients in the server's place, by the client's nonce.
    posed: BTreeMap<[u8; 16], Posed>,
    pub(super) session: Option<Session>,
    next_request: u64,
    counter: u64,
}

/// A handshake with the server whose share is the attacker's own.
pub(super) struct Exchange {
    hello_c: Vec<u8>,
    secret: x25519_dalek::StaticSecret,
    /// What the server answered, and what follows from it.
    proven: Option<Proven>,
    /// In whose names Registers went out.
    claims: Vec<Claim>,
}

struct Proven {
    hello_s: Vec<u8>,
    keys: Option<Keys>,
    th1: Hash,
    chain: Vec<u8>,
}

struct Claim {
    name: &'static str,
    th3: Hash,
    /// The proof was a signature made for something else.
    misused: bool,
}

struct Posed {
    hello_c: Vec<u8>,
    hello_s: Vec<u8>,
    keys: Option<Keys>,
    chain: Vec<u8>,
}

/// What the server's answer to a Register was.
pub(super) enum Heard {
    /// A proof and a chain, for the collection.
    Proven {
        chain: Vec<u8>,
        signature: Vec<u8>,
    },
    /// A session in this name.
    Session(&'static str),
    /// A refusal for the attempt to be this site.
    Refused {
        name: &'static str,
        misused: bool,
    },
    /// The answer to a request.
    Reply(Vec<u8>),
    Nothing,
}

impl Mallory {
    pub(super) fn new(pki: &Pki, suite: Suite) -> Self {
        let (chain, key) = pki.site(MALLORY);
        Self {
            suite,
            key,
            chain: chain.as_bytes().to_vec(),
            exchanges: BTreeMap::new(),
            posed: BTreeMap::new(),
            session: None,
            next_request: 0,
            counter: 0,
        }
    }

    fn secret(&mut self) -> x25519_dalek::StaticSecret {
        self.counter += 1;
        let mut seed = [0x6d; 32];
        seed[..8].copy_from_slice(&self.counter.to_be_bytes());
        seed.into()
    }

    /// A Challenge with an own share; `nonce` may be somebody else's.
    pub(super) fn challenge(&mut self, nonce: [u8; 16]) -> Bytes {
        let secret = self.secret();
        let share = x25519_dalek::PublicKey::from(&secret).to_bytes();
        let hello_c = native::challenge(&Challenge {
            suites: vec![self.suite],
            project: transcript::project(&nonce, &name("project")),
            binding: BindingKind::None,
            client_nonce: nonce,
            client_share: Some(share),
            padding: Vec::new(),
        });
        if self.exchanges.len() >= EXCHANGES {
            self.exchanges.pop_first();
        }
        let exchange = Exchange {
            hello_c: hello_c.clone(),
            secret,
            proven: None,
            claims: Vec::new(),
        };
        self.exchanges.insert(nonce, exchange);
        hello_c.into()
    }

    /// The nonces of exchanges in which the server has proved itself.
    pub(super) fn proven(&self) -> Vec<[u8; 16]> {
        let proven = |it: &(&[u8; 16], &Exchange)| it.1.proven.is_some();
        self.exchanges
            .iter()
            .filter(proven)
            .map(|(nonce, _)| *nonce)
            .collect()
    }

    /// What the client's proof of this exchange signs, for an identity.
    pub(super) fn to_prove(&self, nonce: &[u8; 16], identity: &[u8]) -> Option<Vec<u8>> {
        let proven = self.exchanges.get(nonce)?.proven.as_ref()?;
        let th2 = transcript::client(&proven.th1, identity);
        Some(transcript::client_proof(&th2))
    }

    /// A Register in an exchange of the attacker's.
    pub(super) fn register(
        &mut self,
        nonce: &[u8; 16],
        claimed: &'static str,
        identity: &[u8],
        proof: &[u8],
        misused: bool,
    ) -> Option<Bytes> {
        let exchange = self.exchanges.get_mut(nonce)?;
        let proven = exchange.proven.as_ref()?;
        let th2 = transcript::client(&proven.th1, identity);
        exchange.claims.push(Claim {
            name: claimed,
            th3: transcript::session(&th2, proof),
            misused,
        });
        let clear = native::register(&exchange.hello_c, &proven.hello_s);
        let key = proven.keys.as_ref().map(Keys::client_hello);
        let register =
            nonces::unwatched(|| seal::cover(key.as_ref(), clear, &lp_pair(identity, proof)));
        Some(register.into())
    }

    /// The identity of whomever the attacker wants to be.
    pub(super) fn identity(
        &self,
        claimed: &'static str,
        instance: InstanceId,
        chain: &[u8],
    ) -> Vec<u8> {
        let applicant = Applicant {
            name: name(claimed),
            instance,
            chain: chain.to_vec(),
            want_token: true,
            address: String::new(),
            site_info: Properties::new(),
            context: Properties::new(),
        };
        native::encode(&applicant, Vec::new())
    }

    /// Takes what the server sent to one of the attacker's connections.
    pub(super) fn hear(&mut self, message: &[u8], keys: &mut Vec<Key>) -> Heard {
        match native::parse(message) {
            Ok(Envelope::ChallengeReply { reply, hello }) => {
                self.hear_proof(message, &reply, hello, keys)
            }
            Ok(Envelope::RegisterReply {
                client_nonce,
                session,
                clear,
            }) => self.hear_grant(message, &client_nonce, session, clear, keys),
            Ok(Envelope::Refusal {
                client_nonce,
                seal,
                clear,
            }) => self.hear_refusal(message, &client_nonce, seal, clear),
            Ok(Envelope::Sealed { session, number }) => {
                let own = self.session.as_mut().filter(|it| it.id == session);
                own.and_then(|it| it.open_sealed(number, BytesMut::from(message)).ok())
                    .map_or(Heard::Nothing, |opened| Heard::Reply(opened.body.to_vec()))
            }
            Ok(Envelope::Clear { clear, .. }) => Heard::Reply(message[clear..].to_vec()),
            _ => Heard::Nothing,
        }
    }

    fn hear_proof(
        &mut self,
        message: &[u8],
        reply: &ChallengeReply,
        hello: usize,
        learnt: &mut Vec<Key>,
    ) -> Heard {
        let Some(exchange) = self.exchanges.get_mut(&reply.client_nonce) else {
            return Heard::Nothing;
        };
        let hello_s = message[..hello].to_vec();
        let th0 = transcript::hello(&exchange.hello_c, &hello_s, &ChannelBinding::None);
        let keys = reply
            .server_share
            .and_then(|share| Keys::new(&exchange.secret, share, &th0));
        let key = keys.as_ref().map(Keys::server_hello);
        let Some(protected) = seal::uncover(key.as_ref(), message, hello) else {
            return Heard::Nothing;
        };
        learnt.extend(key);
        learnt.extend(keys.as_ref().map(Keys::client_hello));
        let Some((chain, signature)) = take_lp_pair(&protected) else {
            return Heard::Nothing;
        };
        exchange.proven = Some(Proven {
            hello_s,
            th1: transcript::server(&th0, chain),
            keys,
            chain: chain.to_vec(),
        });
        Heard::Proven {
            chain: chain.to_vec(),
            signature: signature.to_vec(),
        }
    }

    fn hear_grant(
        &mut self,
        message: &[u8],
        nonce: &[u8; 16],
        session: SessionId,
        clear: usize,
        learnt: &mut Vec<Key>,
    ) -> Heard {
        let Some(exchange) = self.exchanges.get(nonce) else {
            return Heard::Nothing;
        };
        let Some(proven) = &exchange.proven else {
            return Heard::Nothing;
        };
        for claim in &exchange.claims {
            let keys = proven
                .keys
                .as_ref()
                .map(|keys| keys.session(&claim.th3, session));
            let key = keys.as_ref().map(|keys| &keys.to_client);
            let grant = seal::uncover(key, message, clear);
            let grant = grant.and_then(|body| native::decode_all::<Grant>(&body));
            let Some(grant) = grant.filter(|it| self.is_for(claim, proven, it)) else {
                continue;
            };
            let protection = match (keys, grant.token) {
                (Some(keys), _) => {
                    learnt.extend([keys.to_client.clone(), keys.to_server.clone()]);
                    Protection::Sealed(Box::new(Seal::new(keys, End::Client)))
                }
                (None, Some(token)) => Protection::Bearer(token),
                (None, None) => Protection::Plain,
            };
            let name = claim.name;
            self.session = Some(Session::new(session, protection));
            return Heard::Session(name);
        }
        Heard::Nothing
    }

    /// Whether the server signed this grant for that claim: in the bearer suite nothing
    /// else tells.
    fn is_for(&self, claim: &Claim, proven: &Proven, grant: &Grant) -> bool {
        let claims = TokenClaims {
            suite: self.suite,
            project: "project",
            name: claim.name,
            token: grant.token.as_ref(),
            ssid: grant.ssid,
            issued: grant.issued,
            expires: grant.expires,
            interval: grant.interval,
            th3: &claim.th3,
        };
        let signature = grant.token_signature[..].try_into();
        let chain = Chain::parse(&proven.chain);
        chain.is_ok_and(|chain| {
            signature.is_ok_and(|signature| chain.key().verify(&claims.to_sign(), signature))
        })
    }

    fn hear_refusal(
        &mut self,
        message: &[u8],
        nonce: &[u8; 16],
        seal: RefusalSeal,
        clear: usize,
    ) -> Heard {
        let Some(exchange) = self.exchanges.get(nonce) else {
            return Heard::Nothing;
        };
        let Some(proven) = &exchange.proven else {
            return Heard::Nothing;
        };
        let refused = exchange
            .claims
            .iter()
            .find(|claim| match (seal, &proven.keys) {
                (RefusalSeal::Sealed { refusal_id }, Some(keys)) => keys
                    .refusal(&claim.th3, &refusal_id)
                    .open_once(message, clear)
                    .is_some(),
                (RefusalSeal::Clear, None) => true,
                (RefusalSeal::Clear, Some(_)) | (RefusalSeal::Sealed { .. }, None) => false,
            });
        refused.map_or(Heard::Nothing, |claim| Heard::Refused {
            name: claim.name,
            misused: claim.misused,
        })
    }

    /// A request in the attacker's own session.
    pub(super) fn request(&mut self, request: &Request, payload: &[u8]) -> Option<Bytes> {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        let payload = Bytes::copy_from_slice(payload);
        let session = self.session.as_mut()?;
        let room = &mut Room::for_one();
        let written = nonces::unwatched(|| session.write(id, request, &payload, room))?;
        Some([&written.header[..], &written.payload].concat().into())
    }

    /// The same bytes of a request, for a session that is somebody else's.
    pub(super) fn request_as(&mut self, session: SessionId, request: &Request) -> Option<Bytes> {
        let own = self.session.as_mut()?.id;
        let message = {
            let session_of = self.session.as_mut()?;
            session_of.id = session;
            self.request(request, &[])
        };
        self.session.as_mut()?.id = own;
        message
    }

    /// A site that is not the attacker's.
    pub(super) fn victim(which: usize) -> &'static str {
        SITES[which % SITES.len()]
    }

    /// Whether these bytes are a reply that says that something is not the attacker's.
    pub(super) fn is_refusal(body: &[u8]) -> bool {
        matches!(
            native::decode::<Reply>(body),
            Some((
                Reply::PullTask(PullReply::RunEnded)
                    | Reply::SubmitResult(SubmitReply::Refused(_))
                    | Reply::Fetch(FetchReply::Gone)
                    | Reply::Push(PushReply::Unknown),
                _
            ))
        )
    }
}
