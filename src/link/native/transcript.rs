//! The transcript of a handshake: what is hashed, signed and derived from it, so that no proof
//! fits another exchange.

#[cfg(test)]
mod vectors;

use alloc::vec::Vec;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::seal::Key;
use crate::digest::{self, Hash};
use crate::identity::Name;
use crate::link::ChannelBinding;
use crate::message::SessionId;
use crate::wire::native::Denied;

/// What a hello says of its project. Who guesses the name can check the guess.
pub(crate) fn project(client_nonce: &[u8; 16], project: &Name) -> Hash {
    digest::hash(
        "fedlink v2 project",
        &[client_nonce, project.as_str().as_bytes()],
    )
}

/// The hash of the hellos: `th0`.
// spec: P-26
pub(crate) fn hello(hello_c: &[u8], hello_s: &[u8], binding: &ChannelBinding) -> Hash {
    digest::hash("fedlink v2 hello", &[hello_c, hello_s, &binding.bytes()])
}

/// The hash up to the server's chain: `th1`.
pub(crate) fn server(th0: &Hash, chain: &[u8]) -> Hash {
    digest::hash("fedlink v2 server", &[th0, &digest::bare(chain)])
}

/// The hash up to the client's identity: `th2`.
pub(crate) fn client(th1: &Hash, identity: &[u8]) -> Hash {
    digest::hash("fedlink v2 client", &[th1, identity])
}

/// The hash of the whole exchange: `th3`.
pub(crate) fn session(th2: &Hash, proof: &[u8]) -> Hash {
    digest::hash("fedlink v2 session", &[th2, proof])
}

/// Names a Register as it came: its bytes, and the binding of the connection.
pub(crate) fn copy(register: &[u8], binding: &ChannelBinding) -> Hash {
    digest::hash("fedlink v2 copy", &[register, &binding.bytes()])
}

/// What the server's proof signs.
pub(crate) fn server_proof(th1: &Hash) -> Vec<u8> {
    digest::to_sign(b"fedlink v2 server proof", th1)
}

/// What the client's proof signs.
pub(crate) fn client_proof(th2: &Hash) -> Vec<u8> {
    digest::to_sign(b"fedlink v2 client proof", th2)
}

/// The keys of the sealed suite, all from one exchange of shares.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Keys {
    extracted: Hkdf<Sha256>,
    th0: Hash,
}

/// Both directions of a session.
#[derive(Clone)]
pub(crate) struct SessionKeys {
    pub(crate) to_server: Key,
    pub(crate) to_client: Key,
}

impl Keys {
    /// `None` when the shares make the all-zero secret, which no honest share does.
    // spec: P-27
    pub(crate) fn new(
        secret: &x25519_dalek::StaticSecret,
        share: [u8; 32],
        th0: &Hash,
    ) -> Option<Self> {
        let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(share));
        shared.was_contributory().then(|| Self {
            extracted: Hkdf::new(Some(th0), shared.as_bytes()),
            th0: *th0,
        })
    }

    /// Seals the server's chain and proof.
    pub(crate) fn server_hello(&self) -> Key {
        self.expand(b"fedlink v2 hs s2c", &[&self.th0])
    }

    /// Seals the client's identity and proof.
    pub(crate) fn client_hello(&self) -> Key {
        self.expand(b"fedlink v2 hs c2s", &[&self.th0])
    }

    /// Seals one refusal.
    pub(crate) fn refusal(&self, th3: &Hash, refusal_id: &[u8; 16]) -> Key {
        self.expand(b"fedlink v2 refuse", &[th3, refusal_id])
    }

    pub(crate) fn session(&self, th3: &Hash, session: SessionId) -> SessionKeys {
        SessionKeys {
            to_server: self.expand(b"fedlink v2 c2s", &[th3, session.as_bytes()]),
            to_client: self.expand(b"fedlink v2 s2c", &[th3, session.as_bytes()]),
        }
    }

    // spec: P-28
    fn expand(&self, label: &[u8], rest: &[&[u8]]) -> Key {
        Key::new(self.derive(label, rest))
    }

    fn derive(&self, label: &[u8], rest: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let info: Vec<&[u8]> = core::iter::once(label)
            .chain(rest.iter().copied())
            .collect();
        let mut key = Zeroizing::new([0; 32]);
        // HKDF refuses lengths over 255 hashes; this is one.
        let expanded = self.extracted.expand_multi_info(&info, &mut *key);
        debug_assert!(expanded.is_ok());
        key
    }
}

/// Seals a refusal: its clear part is `header`.
pub(crate) fn seal_refusal(key: &Key, header: Vec<u8>, denied: &Denied) -> Vec<u8> {
    key.seal_once(header, &crate::wire::native::encode(denied, Vec::new()))
}

/// A handshake's hellos name its keys.
#[cfg(test)]
impl core::hash::Hash for Keys {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.th0.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keys_are_drawn_from_is_wiped_when_dropped() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
        // `Hkdf` and `Hmac` hold keys as states of this hash and nowhere else.
        is_wiped::<Sha256>();
    }
}
