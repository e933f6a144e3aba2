//! The honest machines' settings, certificates, and keys that remember what they were asked to
//! sign.

use alloc::sync::Arc;
use std::sync::Mutex;

use super::pki::{Pki, name};
use super::world::{COORDINATOR, Nature, World};
use crate::identity::{Identity, LocalSigner, PublicKey, Role, Signer};
use crate::{ClientConfig, ServerConfig, Suite, Suites};

/// Payloads above this travel in chunks.
const INLINE: usize = 64;

/// What keys were asked to sign, and whose they are.
pub(super) type Signed = Arc<Mutex<Vec<(&'static str, Vec<u8>)>>>;

pub(super) fn client_config(nature: Nature) -> Arc<ClientConfig> {
    Arc::new(ClientConfig {
        server: Some(name(COORDINATOR)),
        suites: Suites::new([nature.suite]).expect("it is one"),
        trusted_path: nature.suite == Suite::Bearer,
        inline_limit: INLINE,
        ..ClientConfig::new(name("project"))
    })
}

pub(super) fn server_config(nature: Nature) -> Arc<ServerConfig> {
    Arc::new(ServerConfig {
        suites: Suites::new([nature.suite]).expect("it is one"),
        trusted_path: nature.suite == Suite::Bearer,
        inline_limit: INLINE,
        // The attacker has a run of many moves in few seconds; budgets have tests of
        // their own.
        peer_budget: 10_000,
        challenge_budget: 100_000,
        register_attempts: u16::MAX,
        ..ServerConfig::new(name("project"))
    })
}

/// A key that remembers what it was asked to sign.
struct Recorder {
    owner: &'static str,
    key: LocalSigner,
    signed: Signed,
}

impl Signer for Recorder {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signed = self.signed.lock().expect("one thread");
        signed.push((self.owner, message.to_vec()));
        self.key.sign(message)
    }
}

pub(super) fn server_identity(pki: &Pki, nature: Nature, signed: &Signed) -> Identity {
    identity(pki, COORDINATOR, Role::Server, nature, signed)
}

pub(super) fn site_identity(
    pki: &Pki,
    site: &'static str,
    nature: Nature,
    signed: &Signed,
) -> Identity {
    identity(pki, site, Role::Client, nature, signed)
}

fn identity(
    pki: &Pki,
    owner: &'static str,
    role: Role,
    nature: Nature,
    signed: &Signed,
) -> Identity {
    let (chain, key) = match role {
        Role::Server => pki.server(owner),
        Role::Client => pki.site(owner),
    };
    let identity = if nature.slow_signer {
        Identity::with_key_elsewhere(name(owner), chain, pki.roots())
    } else {
        let signed = Arc::clone(signed);
        let signer = Recorder { owner, key, signed };
        Identity::new(name(owner), chain, Arc::new(signer), pki.roots())
    };
    identity.expect("it can work")
}

impl World {
    /// The key of a site or of the server, where it is elsewhere.
    pub(super) fn sign(&self, owner: &'static str, bytes: &[u8]) -> [u8; 64] {
        let (_, key) = match owner {
            COORDINATOR => self.pki.server(owner),
            _ => self.pki.site(owner),
        };
        let signed = Arc::clone(&self.signed);
        Recorder { owner, key, signed }.sign(bytes)
    }
}
