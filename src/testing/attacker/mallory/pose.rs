//! The attacker in the server's place.

use bytes::Bytes;

use super::{Mallory, Posed};
use crate::digest::Hash;
use crate::identity::{LocalSigner, Signer};
use crate::link::native::seal::{self, nonces};
use crate::link::native::transcript::{self, Keys};
use crate::link::{ChannelBinding, TokenClaims};
use crate::message::{SessionId, Ssid, Token};
use crate::suite::Suite;
use crate::wire::native::{
    self, Applicant, ChallengeReply, Cookie, Envelope, Grant, lp_pair, take_lp_pair,
};

impl Mallory {
    /// Answers a client's Challenge in the server's place, with a share of the attacker's.
    pub(in crate::testing::attacker) fn pose(
        &mut self,
        hello_c: &[u8],
        chain: &[u8],
        proof: impl FnOnce(&LocalSigner, &Hash) -> Vec<u8>,
    ) -> Option<Bytes> {
        let Ok(Envelope::Challenge(challenge)) = native::parse(hello_c) else {
            return None;
        };
        let secret = self.secret();
        let share = x25519_dalek::PublicKey::from(&secret).to_bytes();
        let hello_s = native::challenge_reply(&ChallengeReply {
            suite: self.suite,
            client_nonce: challenge.client_nonce,
            server_nonce: [9; 16],
            server_share: (self.suite == Suite::Sealed).then_some(share),
            cookie: Cookie::EMPTY,
        });
        let th0 = transcript::hello(hello_c, &hello_s, &ChannelBinding::None);
        let keys = match self.suite {
            Suite::Sealed => Some(Keys::new(&secret, challenge.client_share?, &th0)?),
            Suite::Plain | Suite::Bearer => None,
        };
        let th1 = transcript::server(&th0, chain);
        let proof = proof(&self.key, &th1);
        let key = keys.as_ref().map(Keys::server_hello);
        let reply = nonces::unwatched(|| {
            seal::cover(key.as_ref(), hello_s.clone(), &lp_pair(chain, &proof))
        });
        self.posed.insert(
            challenge.client_nonce,
            Posed {
                hello_c: hello_c.to_vec(),
                hello_s,
                keys,
                chain: chain.to_vec(),
            },
        );
        Some(reply.into())
    }

    /// A client believed [`Self::pose`]: grants it a session, signed with the wrong key.
    pub(in crate::testing::attacker) fn grant(&self, register: &[u8]) -> Option<Bytes> {
        let Ok(Envelope::Register {
            register: hello,
            clear,
        }) = native::parse(register)
        else {
            return None;
        };
        let posed = self.posed.get(&hello.challenge.client_nonce)?;
        if posed.hello_c != hello.hello_c || posed.hello_s != hello.hello_s {
            return None;
        }
        let key = posed.keys.as_ref().map(Keys::client_hello);
        let protected = seal::uncover(key.as_ref(), register, clear)?;
        let (identity, proof) = take_lp_pair(&protected)?;
        let applicant: Applicant = native::decode_all(identity)?;
        let th0 = transcript::hello(&posed.hello_c, &posed.hello_s, &ChannelBinding::None);
        let th2 = transcript::client(&transcript::server(&th0, &posed.chain), identity);
        let th3 = transcript::session(&th2, proof);
        let session = SessionId::from_bytes([8; 16]);
        let mut grant = Grant {
            token: Some(Token::from_bytes([7; 16])),
            token_signature: Vec::new(),
            ssid: Ssid::from_bytes([6; 16]),
            issued: 0,
            expires: 1_000_000,
            interval: 10_000,
        };
        let claims = TokenClaims {
            suite: self.suite,
            project: "project",
            name: applicant.name.as_str(),
            token: grant.token.as_ref(),
            ssid: grant.ssid,
            issued: grant.issued,
            expires: grant.expires,
            interval: grant.interval,
            th3: &th3,
        };
        grant.token_signature = self.key.sign(&claims.to_sign()).to_vec();
        let keys = posed.keys.as_ref().map(|keys| keys.session(&th3, session));
        let header = native::register_reply_header(&hello.challenge.client_nonce, session);
        let body = native::encode(&grant, Vec::new());
        let key = keys.as_ref().map(|keys| &keys.to_client);
        Some(nonces::unwatched(|| seal::cover(key, header, &body)).into())
    }
}
