//! Payloads: opaque bytes with labels, hashed by block so that a part can be checked.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::limits::MAX_TEXT;
use super::once::Once;

/// Bytes of a payload that are hashed, checked and stored together when it travels in
/// chunks: 8 MiB keeps the list of digests short and the loss of a restart small.
pub const BLOCK: usize = 8 << 20;

/// SHA-256 over the concatenated SHA-256 of each block of [`BLOCK`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub struct Digest([u8; 32]);

impl Digest {
    /// The hash as bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn of_list(list: &[u8]) -> Self {
        Self(Sha256::digest(list).into())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…")
    }
}

/// The digests of all blocks, one after another, and the digest of that list.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    pub(crate) list: Bytes,
    pub(crate) digest: Digest,
}

/// The hash of each block, once somebody has computed it.
type Hashes = Box<[Once<[u8; 32]>]>;

/// Opaque bytes of a task or a result, with the labels that tell what they are.
///
/// Cloning shares the bytes and their digests: give every site a clone and a model is
/// held and hashed once. Bytes that the host keeps elsewhere, such as a memory map, come
/// in through [`Bytes::from_owner`]. Empty payloads are legal.
#[derive(Clone)]
pub struct Payload(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// The parts as one, once somebody has asked for that.
    joined: Once<Bytes>,
    content_type: String,
    encoding: String,
    hashes: Once<Hashes>,
    blocks: Once<Blocks>,
}

impl Payload {
    /// A payload without labels.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self::labelled(bytes, "", "")
    }

    /// A payload with its content type (`application/x-npy`) and the encoding that the
    /// host applied (`zstd`); each at most 255 bytes, checked where the payload is given
    /// to a machine.
    #[must_use]
    pub fn labelled(
        bytes: impl Into<Bytes>,
        content_type: impl Into<String>,
        encoding: impl Into<String>,
    ) -> Self {
        Self::of(Parts::One(bytes.into()), content_type, encoding)
    }

    /// A payload whose bytes lie in several pieces, one after another, so that a model
    /// need not be copied together. Labels as in [`Payload::labelled`].
    #[must_use]
    pub fn from_parts(
        parts: Vec<Bytes>,
        content_type: impl Into<String>,
        encoding: impl Into<String>,
    ) -> Self {
        Self::of(Parts::Many(parts), content_type, encoding)
    }

    fn of(parts: Parts, content_type: impl Into<String>, encoding: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            parts,
            joined: Once::new(),
            content_type: content_type.into(),
            encoding: encoding.into(),
            hashes: Once::new(),
            blocks: Once::new(),
        }))
    }

    /// The bytes themselves; cloning them shares them. A payload of several parts is
    /// copied together at the first call: [`Payload::parts`] copies nothing.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        match &self.0.parts {
            Parts::One(bytes) => bytes,
            Parts::Many(parts) => self.0.joined.get_or_init(|| parts.concat().into()),
        }
    }

    /// The pieces that the bytes lie in, in their order.
    #[must_use]
    pub fn parts(&self) -> &[Bytes] {
        match &self.0.parts {
            Parts::One(bytes) => core::slice::from_ref(bytes),
            Parts::Many(parts) => parts,
        }
    }

    /// What the bytes are; empty if nobody said.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.0.content_type
    }

    /// How the host encoded them; empty for not at all.
    #[must_use]
    pub fn encoding(&self) -> &str {
        &self.0.encoding
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.parts.len()
    }

    /// Whether there is not one byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The digest under which the payload travels. Computed at most once, in one pass
    /// over all that [`Payload::hash_block`] has not hashed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.blocks().digest
    }

    /// Hashes one block, the `index`th of [`BLOCK`] bytes, unless that was done before:
    /// several threads that each take some have a large payload hashed sooner, and
    /// [`Payload::digest`] finds it done. False if there is no such block, or the digest is
    /// known.
    ///
    /// ```
    /// # use fedlink::message::{BLOCK, Payload};
    /// let payload = Payload::new(vec![7; 3 * BLOCK]);
    /// std::thread::scope(|scope| {
    ///     for first in [0, 1] {
    ///         let mine = (first..).step_by(2);
    ///         scope.spawn(|| mine.take_while(|&index| payload.hash_block(index)).count());
    ///     }
    /// });
    /// let digest = payload.digest();
    /// ```
    pub fn hash_block(&self, index: usize) -> bool {
        if self.0.blocks.get().is_some() {
            return false;
        }
        let Some(block) = self.bytes().chunks(BLOCK).nth(index) else {
            return false;
        };
        let blocks = self.len().div_ceil(BLOCK);
        let unhashed = || (0..blocks).map(|_| Once::new()).collect();
        self.0.hashes.get_or_init(unhashed);
        self.block_hash(index, block);
        true
    }

    fn block_hash(&self, index: usize, block: &[u8]) -> [u8; 32] {
        let hash = || Sha256::digest(block).into();
        let kept = self.0.hashes.get().and_then(|hashes| hashes.get(index));
        kept.map_or_else(hash, |kept| *kept.get_or_init(hash))
    }

    // spec: P-109
    pub(crate) fn blocks(&self) -> &Blocks {
        self.0.blocks.get_or_init(|| {
            let blocks = self.bytes().chunks(BLOCK).enumerate();
            let list = blocks.flat_map(|(index, block)| self.block_hash(index, block));
            let list = Bytes::from_iter(list);
            let digest = Digest::of_list(&list);
            Blocks { list, digest }
        })
    }

    /// What announces this payload: inline up to `inline_limit` bytes, else apart.
    pub(crate) fn head(&self, inline_limit: usize) -> PayloadHead {
        let place = if self.len() <= inline_limit {
            Place::Inline
        } else {
            Place::Apart {
                size: self.len() as u64,
                digest: self.digest(),
            }
        };
        PayloadHead {
            content_type: self.0.content_type.clone(),
            encoding: self.0.encoding.clone(),
            place,
        }
    }

    /// Whether the labels are within their limit.
    pub(crate) fn labels_fit(&self) -> bool {
        labels_fit(&self.0.content_type, &self.0.encoding)
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
            && self.0.content_type == other.0.content_type
            && self.0.encoding == other.0.encoding
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Payload({} bytes, {:?}, {:?})",
            self.len(),
            self.content_type(),
            self.encoding()
        )
    }
}

/// Bytes in one piece or in several.
#[derive(Clone)]
pub(crate) enum Parts {
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Parts {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::One(bytes) => bytes.len(),
            Self::Many(parts) => parts.iter().map(Bytes::len).sum(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In one piece, copied together if need be.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::One(bytes) => bytes,
            Self::Many(parts) => parts.concat().into(),
        }
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl From<Vec<Bytes>> for Parts {
    fn from(mut parts: Vec<Bytes>) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => Self::One(only),
            last => {
                parts.extend(last);
                Self::Many(parts)
            }
        }
    }
}

impl From<Bytes> for Parts {
    fn from(bytes: Bytes) -> Self {
        Self::One(bytes)
    }
}

/// What a message says of its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct PayloadHead {
    pub(crate) content_type: String,
    pub(crate) encoding: String,
    pub(crate) place: Place,
}

/// Where the payload's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Place {
    /// Behind the body of this message.
    Inline,
    /// To be moved in chunks.
    Apart { size: u64, digest: Digest },
}

impl PayloadHead {
    /// The payload that these blocks are, whose digests are known.
    pub(crate) fn with_blocks(self, blocks: Vec<Bytes>, list: Bytes, digest: Digest) -> Payload {
        let payload = self.with(blocks);
        // It is new, and nothing is known of it yet.
        payload.0.blocks.get_or_init(|| Blocks { list, digest });
        payload
    }

    pub(crate) fn with(self, bytes: impl Into<Parts>) -> Payload {
        Payload::of(bytes.into(), self.content_type, self.encoding)
    }

    pub(crate) fn labels_fit(&self) -> bool {
        labels_fit(&self.content_type, &self.encoding)
    }
}

/// Labels are names, not data.
fn labels_fit(content_type: &str, encoding: &str) -> bool {
    content_type.len().max(encoding.len()) <= MAX_TEXT
}

#[cfg(test)]
impl core::hash::Hash for Payload {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (self.bytes(), self.content_type(), self.encoding()).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: P-109
    #[test]
    fn the_digest_is_over_the_digests_of_the_blocks() {
        let bytes = vec![3u8; BLOCK + 1];
        let list = [Sha256::digest(&bytes[..BLOCK]), Sha256::digest([3u8])].concat();
        assert_eq!(
            Payload::new(bytes).digest().as_bytes()[..],
            Sha256::digest(list)[..]
        );
        assert_eq!(
            Payload::new(Bytes::new()).digest().as_bytes()[..],
            Sha256::digest([])[..]
        );
    }

    #[test]
    fn a_block_that_was_hashed_is_not_hashed_again() {
        let payload = Payload::new(vec![3u8; BLOCK + 1]);
        assert!(payload.hash_block(1));
        let hashes = payload.0.hashes.get().unwrap();
        assert_eq!(hashes[1].get(), Some(&Sha256::digest([3u8]).into()));

        // It stands for a hash, and shows whether somebody looks for one.
        let mark = [9; 32];
        hashes[0].get_or_init(|| mark);
        assert!(payload.hash_block(0) && !payload.hash_block(2));
        assert_eq!(payload.blocks().list[..32], mark);
        assert!(!payload.hash_block(0), "the digest is known");
        assert!(!Payload::new("").hash_block(0));
    }

    #[test]
    fn parts_are_the_payload_one_after_another() {
        let parts = vec![Bytes::from("ab"), Bytes::new(), Bytes::from("c")];
        let payload = Payload::from_parts(parts.clone(), "", "");
        assert_eq!(payload.parts(), parts);
        assert_eq!(payload.len(), 3);
        assert_eq!(payload, Payload::new("abc"));
        assert_eq!(payload.digest(), Payload::new("abc").digest());
    }

    #[test]
    fn one_part_is_not_copied() {
        let part = Bytes::from(vec![7; 100]);
        let head = Payload::new("").head(0);
        let payload = head.with(vec![part.clone()]);
        assert_eq!(payload.bytes().as_ptr(), part.as_ptr());
    }

    #[test]
    fn payloads_are_equal_when_bytes_and_labels_are() {
        let payload = Payload::labelled("ab", "text/plain", "gzip");
        let same = Payload::from_parts(vec!["a".into(), "b".into()], "text/plain", "gzip");
        assert_eq!(payload, same);
        assert_ne!(payload, Payload::labelled("ac", "text/plain", "gzip"));
        assert_ne!(payload, Payload::labelled("ab", "text", "gzip"));
        assert_ne!(payload, Payload::labelled("ab", "text/plain", ""));
        assert!(!payload.is_empty() && Payload::new("").is_empty());
    }

    #[test]
    fn debug_shows_no_content() {
        let shown = format!("{:?}", Payload::labelled("secret", "text/plain", ""));
        assert_eq!(shown, "Payload(6 bytes, \"text/plain\", \"\")");
    }
}
