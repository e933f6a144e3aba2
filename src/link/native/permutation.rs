//! A permutation of 16 bytes under a secret key. It makes ids and stamps that tell nothing to
//! anybody but the server, which reads them again without a table.

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use crate::entropy::Entropy;

/// One block of AES-128. No two blocks may be alike, or it shows that they are.
///
/// It hides and proves nothing: any 16 bytes are the image of some block.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Permutation(Aes128);

impl Permutation {
    /// Under a fresh key.
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        let key = zeroize::Zeroizing::new(entropy.bytes::<16>());
        Self(Aes128::new((&*key).into()))
    }

    pub(crate) fn hide(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        self.0.encrypt_block(&mut block);
        block.into()
    }

    /// The block whose image this is.
    pub(crate) fn reveal(&self, image: [u8; 16]) -> [u8; 16] {
        let mut block = image.into();
        self.0.decrypt_block(&mut block);
        block.into()
    }
}

/// A key is known by what it does.
#[cfg(test)]
impl core::hash::Hash for Permutation {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.hide([0; 16]).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_reveals_what_is_hidden() {
        let mut entropy = Entropy::new(&mut [1; 32]);
        let [one, other] = [(); 2].map(|()| Permutation::new(&mut entropy));
        let block = [7; 16];
        assert_eq!(one.reveal(one.hide(block)), block);
        assert_ne!(other.reveal(one.hide(block)), block);
        assert_ne!(one.hide(block), other.hide(block));
    }

    #[test]
    fn it_is_the_cipher_of_fips_197() {
        let key = core::array::from_fn::<u8, 16, _>(|at| at as u8);
        let plain = core::array::from_fn::<u8, 16, _>(|at| at as u8 * 0x11);
        let cipher = 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a_u128.to_be_bytes();
        let permutation = Permutation(Aes128::new(&key.into()));
        assert_eq!(permutation.hide(plain), cipher);
        assert_eq!(permutation.reveal(cipher), plain);
    }

    #[test]
    fn its_key_is_wiped_when_dropped() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>() {}
        is_wiped::<Aes128>();
    }
}
