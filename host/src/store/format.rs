//! The format of a store's files, byte by byte.
//!
//! | file | |
//! |---|---|
//! | 4096 | a header |
//! | 4096 | another, of the same form |
//! | rest | records |
//!
//! | header | |
//! |---|---|
//! | 7 | `fedlink` |
//! | 1 | version, 3 |
//! | 8 | salt |
//! | 8 | turn: how many headers were written before this one |
//! | 8 | synced: how much of the file was durable when this was written |
//! | 4 | CRC-32 of the 32 bytes before |
//! | 28 | zeros |
//! | 2 | length of the owner |
//! | as long | owner, in UTF-8: whose records these are |
//! | 4 | CRC-32 of the owner and its length |
//! | rest | zeros |
//!
//! The owner is written before any header is, and never changes in a file. A file whose owner
//! was not known when it was made has zeros there.
//!
//! | record | |
//! |---|---|
//! | 8 | length of the content |
//! | 4 | CRC-32 of the content |
//! | 4 | CRC-32 of the salt, the record's place in the file, and the 12 bytes before |
//! | rest | content |
//!
//! Numbers are little-endian.
//!
//! # What was synced
//!
//! Nothing is reported as stored before two writes have reached the disk, one after the
//! other: the records, and a header that says how far they go. The headers take turns, so
//! that the older one is whole while the newer one is written. From that follows what a
//! file says after whatever befell it:
//!
//! - Up to `synced` of the newest header every record must be whole: one that is not was
//!   stored and is damaged.
//! - Whatever is not whole behind `synced` was never reported as stored, in whichever order
//!   the system wrote it.
//! - If one of the headers is not whole, the crash came while that header was written, when
//!   all records were durable and no other was begun. So a record that is not whole is
//!   damage then, wherever it is.
//! - A crash never leaves both headers broken. That is damage.
//!
//! The price is that each batch waits for the disk twice. With one wait, records that were
//! stored last and then damaged could not be told from those that a crash left half written.
//!
//! It is assumed that a disk keeps what it says that it has written, and that a write that
//! a loss of power cuts short leaves the bytes before it as they were.
//!
//! The salt is another one in each file. So nothing that a peer sent, and no remainder of
//! an older file, passes for a record.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::Buf;

use super::error::Damage;

/// The version of all of this.
pub(super) const VERSION: u8 = 3;

/// What each header has for itself: as much as a disk writes at once.
pub(super) const BLOCK: usize = 4096;

/// Where the first record begins.
pub(super) const RECORDS: usize = 2 * BLOCK;

const NAME: &[u8; 7] = b"fedlink";

/// Where in a block the owner stands: behind the header.
const OWNER: usize = 64;

/// The longest owner, in bytes: two names of the longest kind, and the words between them. What
/// is longer is cut.
const MAX_OWNER: usize = 1024;

/// What a new file begins with, before its headers are written into it.
pub(super) fn head(owner: Option<&str>) -> [u8; RECORDS] {
    let mut head = [0; RECORDS];
    let Some(owner) = owner else {
        return head;
    };
    let owner = cut(owner).as_bytes();
    let mut field = (owner.len() as u16).to_le_bytes().to_vec();
    field.extend(owner);
    field.extend(crc32fast::hash(&field).to_le_bytes());
    for block in head.chunks_exact_mut(BLOCK) {
        block[OWNER..][..field.len()].copy_from_slice(&field);
    }
    head
}

/// Whose records are in the file that begins like this, if it says so.
pub(super) fn owner(file: &[u8]) -> Option<String> {
    let mut blocks = [0, BLOCK]
        .into_iter()
        .filter_map(|at| file.get(at + OWNER..));
    blocks.find_map(|block| {
        let length = usize::from(u16::from_le_bytes(*block.first_chunk()?));
        let (field, rest) = block.split_at_checked(2 + length)?;
        let checksum = u32::from_le_bytes(*rest.first_chunk()?);
        let owner = field.get(2..)?.to_vec();
        let owner = (crc32fast::hash(field) == checksum).then_some(owner)?;
        String::from_utf8(owner).ok()
    })
}

/// As much of an owner as a file holds.
pub(super) fn cut(owner: &str) -> &str {
    let mut end = owner.len().min(MAX_OWNER);
    while !owner.is_char_boundary(end) {
        end -= 1;
    }
    &owner[..end]
}

/// What is promised about a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Header {
    salt: u64,
    turn: u64,
    /// How much of the file was durable when this was written.
    pub(super) synced: u64,
}

/// What the headers of a file say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Headers {
    pub(super) newest: Header,
    /// Whether the other one is whole too.
    pub(super) both_whole: bool,
}

/// What stands before the content of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RecordHeader {
    pub(super) length: u64,
    pub(super) checksum: u32,
}

/// Why the headers of a file say nothing.
#[derive(Debug, PartialEq)]
pub(super) enum NoHeader {
    Version(u8),
    Damaged(Damage),
}

impl Headers {
    pub(super) fn decode(file: &[u8]) -> Result<Self, NoHeader> {
        let [first, second] = [0, BLOCK].map(|place| file.get(place..).and_then(Header::decode));
        match (first, second) {
            (Some(first), Some(second)) if first.salt == second.salt => Ok(Self {
                newest: if first.turn > second.turn {
                    first
                } else {
                    second
                },
                both_whole: true,
            }),
            (Some(newest), None) | (None, Some(newest)) => Ok(Self {
                newest,
                both_whole: false,
            }),
            (Some(_), Some(_)) => Err(NoHeader::Damaged(Damage::Headers)),
            (None, None) => Err(match file.strip_prefix(NAME) {
                Some([VERSION, ..] | []) => NoHeader::Damaged(Damage::Headers),
                Some([version, ..]) => NoHeader::Version(*version),
                None => NoHeader::Damaged(Damage::Foreign),
            }),
        }
    }
}

impl Header {
    const LENGTH: usize = 36;

    /// The first one of a new file, with a salt of its own.
    pub(super) fn new() -> Self {
        Self {
            salt: RandomState::new().build_hasher().finish(),
            turn: 0,
            synced: 0,
        }
    }

    /// The one to write after this one.
    pub(super) fn next(&self, synced: u64) -> Self {
        Self {
            salt: self.salt,
            turn: self.turn.wrapping_add(1),
            synced,
        }
    }

    /// Where in the file it stands.
    pub(super) fn place(&self) -> u64 {
        (self.turn % 2) * BLOCK as u64
    }

    pub(super) fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..7].copy_from_slice(NAME);
        bytes[7] = VERSION;
        bytes[8..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.turn.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.synced.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(block: &[u8]) -> Option<Self> {
        let found = block.first_chunk::<{ Self::LENGTH }>()?;
        let mut fields = &found[8..];
        let header = Self {
            salt: fields.get_u64_le(),
            turn: fields.get_u64_le(),
            synced: fields.get_u64_le(),
        };
        (header.encode() == *found).then_some(header)
    }
}

impl RecordHeader {
    pub(super) const LENGTH: usize = 16;

    /// The header for this content.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut checksum = crc32fast::Hasher::new();
        for part in parts {
            checksum.update(part);
        }
        Self {
            length: parts.iter().map(|part| part.len() as u64).sum(),
            checksum: checksum.finalize(),
        }
    }

    /// Its bytes at this place of that file.
    pub(super) fn encode(&self, file: &Header, place: u64) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.checksum.to_le_bytes());
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&file.salt.to_le_bytes());
        checksum.update(&place.to_le_bytes());
        checksum.update(&bytes[..12]);
        bytes[12..].copy_from_slice(&checksum.finalize().to_le_bytes());
        bytes
    }

    /// What stands at the beginning of `bytes`, which are at this place of that file.
    pub(super) fn decode(bytes: &[u8], file: &Header, place: u64) -> Option<Self> {
        let found = bytes.first_chunk::<{ Self::LENGTH }>()?;
        let mut fields = &found[..];
        let header = Self {
            length: fields.get_u64_le(),
            checksum: fields.get_u32_le(),
        };
        (header.encode(file, place) == *found).then_some(header)
    }
}
