//! Chain bytes, and what happens to them on the way.

use fedlink::identity::{
    Chain, ChainError, LocalSigner, MAX_CERTIFICATES, MAX_CHAIN_BYTES, PublicKey, Revoked, Role,
    Roots, Signer, verify,
};

use crate::common::pki::{NOW, Pki, name};

/// Parses and judges what a peer sent as site-1.
fn receive(bytes: &[u8], roots: &Roots) -> Result<Chain, ChainError> {
    let chain = Chain::parse(bytes)?;
    let expected = name("site-1");
    verify(
        &chain,
        roots,
        &Revoked::new(),
        Role::Client,
        &expected,
        Some(NOW),
    )?;
    Ok(chain)
}

/// Numbers that look random and are the same in every run (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Changes, removes, repeats or moves several bytes.
    pub(crate) fn mangle(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let until = at + self.below((bytes.len() - at).min(40));
            match self.below(5) {
                0 => bytes[at] = self.next() as u8,
                1 => bytes[at] = [0, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff][self.below(7)],
                2 => drop(bytes.drain(at..until)),
                3 => {
                    let copy = bytes[at..until].to_vec();
                    let to = self.below(bytes.len());
                    drop(bytes.splice(to..to, copy));
                }
                _ => bytes[at..until].reverse(),
            }
        }
    }
}

#[test]
fn certificates_are_sent_after_their_lengths() {
    let pki = Pki::new(1);
    let leaf = pki.root().leaf("site-1", Role::Client, [1; 32], |_| {});
    let root = pki.root().der();
    let chain = Chain::from_der(vec![&leaf[..], root]).unwrap();
    let expected = [
        &[1][..],
        &(leaf.len() as u32).to_be_bytes(),
        &leaf,
        &(root.len() as u32).to_be_bytes(),
        root,
    ];
    assert_eq!(chain.as_bytes(), expected.concat());

    let received = receive(chain.as_bytes(), &pki.roots()).unwrap();
    assert_eq!(received, chain);
    assert_eq!(received.as_bytes(), chain.as_bytes());
    assert_eq!(received.leaf_der(), Some(&leaf[..]));
    assert_eq!(received.common_name(), Some(name("site-1")));
    assert_eq!(
        received.key(),
        LocalSigner::from_seed(&[1; 32]).public_key()
    );
    assert!(!received.is_pinned());
}

#[test]
fn a_pinned_key_is_sent_after_its_length() {
    let key = LocalSigner::from_seed(&[1; 32]).public_key();
    let chain = Chain::pinned(key);
    let expected = [&[2, 0, 0, 0, 32][..], key.as_bytes()].concat();
    assert_eq!(chain.as_bytes(), expected);

    let received = receive(&expected, &Roots::new().pin(name("site-1"), key)).unwrap();
    assert_eq!(received, chain);
    assert_eq!(received.key(), key);
    assert!(received.is_pinned());
    assert_eq!((received.leaf_der(), received.common_name()), (None, None));
}

// spec: P-31
#[test]
fn wrong_framing_is_refused() {
    let key = LocalSigner::from_seed(&[1; 32]).public_key();
    let pinned = Chain::pinned(key).as_bytes().to_vec();
    let with_length = |length: u8, key: &[u8]| [&[2, 0, 0, 0, length], key].concat();
    for bytes in [
        vec![],
        vec![2],
        vec![0],
        vec![1, 0, 0, 0],
        vec![1, 0, 0, 0, 9],
        vec![1, 0xff, 0xff, 0xff, 0xff],
        [&[3], &pinned[1..]].concat(),
        [&pinned[..], &pinned[1..]].concat(),
        [&pinned[..], &[0]].concat(),
        with_length(31, &[1; 31]),
        with_length(33, &[1; 33]),
    ] {
        assert_eq!(
            Chain::parse(&bytes),
            Err(ChainError::BadFraming),
            "{bytes:?}"
        );
    }
    assert_eq!(Chain::parse(&[1]), Err(ChainError::Empty));
    assert_eq!(
        Chain::parse(&with_length(32, &[0; 32])),
        Err(ChainError::WeakKey { position: 0 })
    );
}

// spec: P-31
#[test]
fn the_limits_hold_for_received_bytes() {
    let five = [&[1][..], &[0; (MAX_CERTIFICATES + 1) * 4]].concat();
    assert_eq!(Chain::parse(&five), Err(ChainError::TooMany));

    let found = MAX_CHAIN_BYTES + 1;
    let mut large = vec![1];
    large.extend((found as u32).to_be_bytes());
    large.resize(large.len() + found, 0);
    assert_eq!(Chain::parse(&large), Err(ChainError::TooLarge { found }));

    // Too much is seen before anything is read: certificates, each behind its length.
    let most = 16 * 1024 + 4 * 4;
    assert_eq!((MAX_CHAIN_BYTES, MAX_CERTIFICATES), (16 * 1024, 4));
    assert_eq!(
        Chain::parse(&vec![1; 1 + most]),
        Err(ChainError::BadFraming)
    );
    let found = most + 1;
    assert_eq!(
        Chain::parse(&vec![1; 1 + found]),
        Err(ChainError::TooLarge { found })
    );
}

#[test]
fn chains_are_equal_if_their_bytes_are() {
    let pki = Pki::new(1);
    let chain = pki.site("site-1").0;
    assert_eq!(Chain::parse(chain.as_bytes()), Ok(chain.clone()));
    assert_ne!(chain, pki.site("site-2").0);
}

#[test]
fn sets_tell_how_much_is_in_them() {
    let pki = Pki::new(1);
    let mut revoked = Revoked::new();
    assert_eq!((revoked.len(), revoked.is_empty()), (0, true));
    for site in ["site-1", "site-2"] {
        let chain = pki.site(site).0;
        revoked
            .insert_certificate(chain.leaf_der().unwrap())
            .unwrap();
    }
    assert_eq!((revoked.len(), revoked.is_empty()), (2, false));

    assert!(Roots::new().is_empty());
    assert!(!pki.roots().is_empty());
    let key = LocalSigner::from_seed(&[1; 32]).public_key();
    assert!(!Roots::new().pin(name("site-1"), key).is_empty());
}

#[test]
fn no_changed_bit_passes() {
    let pki = Pki::new(1);
    let chain = pki.site("site-1").0;
    let mut bytes = chain.as_bytes().to_vec();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(receive(&bytes, &pki.roots()).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    receive(&bytes, &pki.roots()).unwrap();
}

#[test]
fn no_beginning_of_a_chain_passes_but_a_whole_one() {
    let pki = Pki::new(1);
    let leaf = pki.root().leaf("site-1", Role::Client, [1; 32], |_| {});
    let chain = Chain::from_der(vec![&leaf[..], pki.root().der()]).unwrap();
    let bytes = chain.as_bytes();
    for length in 0..bytes.len() {
        let passes = receive(&bytes[..length], &pki.roots()).is_ok();
        assert_eq!(passes, length == 1 + 4 + leaf.len(), "{length} bytes");
    }
}

#[test]
fn a_truncated_certificate_in_a_right_frame_is_malformed() {
    let pki = Pki::new(1);
    let leaf = pki.root().leaf("site-1", Role::Client, [1; 32], |_| {});
    for length in 0..leaf.len() {
        assert_eq!(
            Chain::from_der(vec![&leaf[..length]]),
            Err(ChainError::Malformed { position: 0 })
        );
    }
}

/// Certificates with several bytes changed, removed, repeated or moved, and plain
/// noise: whatever comes, it is refused without a panic.
#[test]
fn mangled_certificates_are_refused() {
    let pki = Pki::new(1);
    let middle = pki.root().authority("middle", [2; 32], |_| {});
    let leaf = middle.leaf("site-1", Role::Client, [1; 32], |_| {});
    let sources = [leaf, middle.der().to_vec(), pki.root().der().to_vec()];
    let roots = pki.roots();
    let mut numbers = Numbers(7);
    for round in 0..30_000 {
        let mut der = sources[numbers.below(sources.len())].clone();
        numbers.mangle(&mut der);
        if sources.contains(&der) {
            continue;
        }
        if let Ok(chain) = Chain::from_der(vec![&der[..], &sources[1], &sources[2]]) {
            assert!(receive(chain.as_bytes(), &roots).is_err(), "round {round}");
        }
        let _ = Roots::new().certificate(&der);
        let _ = Revoked::new().insert_certificate(&der);
        let _ = LocalSigner::from_pkcs8_der(&der);
    }
}

#[test]
fn noise_is_refused() {
    let mut numbers = Numbers(8);
    for _ in 0..30_000 {
        let length = numbers.below(200);
        let mut noise: Vec<u8> = (0..length).map(|_| numbers.next() as u8).collect();
        assert!(Chain::parse(&noise).is_err());
        assert!(Chain::from_der(vec![&noise]).is_err());
        assert!(LocalSigner::from_pkcs8_der(&noise).is_err());
        noise.splice(0..0, [0x30, 0x81, length as u8]);
        assert!(Chain::from_der(vec![&noise]).is_err());
        if let Some(key) = noise.first_chunk() {
            let _ = PublicKey::from_bytes(*key);
        }
    }
}
