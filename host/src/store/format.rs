//! The bytes of a store.
//!
//! | file | |
//! |---|---|
//! | 7 | `fedlink` |
//! | 1 | version, 2 |
//! | 8 | salt |
//! | 8 | durable |
//! | 4 | CRC-32 of the 24 bytes before |
//! | rest | records |
//!
//! | record | |
//! |---|---|
//! | 8 | length of the content |
//! | 4 | CRC-32 of the content |
//! | 8 | durable |
//! | 4 | CRC-32 of the salt and the 20 bytes before |
//! | rest | content |
//!
//! Numbers are little-endian. *Durable* is how much of the file had been synced when this
//! was written. It tells two kinds of damage apart: what a crash leaves of records that
//! nobody relied on, and the loss of one that somebody did. Only the first may be passed
//! over. It is the second if a later, whole record says that the damaged place was durable.
//!
//! The salt is another one in each file. So nothing that a peer sent, and no remainder of
//! an older file, passes for a record.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::{Buf, Bytes};

use super::error::Damage;

/// What stands at the beginning of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FileHeader {
    salt: u64,
    /// How much of the file is promised by the time anybody sees it.
    pub(super) durable: u64,
}

/// What stands before the content of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RecordHeader {
    length: u64,
    checksum: u32,
    durable: u64,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) header: FileHeader,
    pub(super) records: Vec<Bytes>,
    /// Where the last whole record ends.
    pub(super) end: u64,
}

/// Reads a whole file.
pub(super) fn scan(file: &Bytes) -> Result<Scanned, Damage> {
    let header = FileHeader::decode(file)?;
    if header.durable > file.len() as u64 {
        return Err(Damage::Short {
            promised: header.durable,
            found: file.len() as u64,
        });
    }
    let mut records = Vec::new();
    let mut at = FileHeader::LENGTH;
    while let Some((_, record)) = record(file, &header, at) {
        at += RecordHeader::LENGTH + record.len();
        records.push(record);
    }
    let end = at as u64;
    if end < header.durable || is_promised(file, &header, at) {
        return Err(Damage::Record(end));
    }
    Ok(Scanned {
        header,
        records,
        end,
    })
}

/// Whether a whole record behind `at` says that this place was durable.
fn is_promised(file: &Bytes, header: &FileHeader, at: usize) -> bool {
    (at + 1..file.len()).any(|later| {
        record(file, header, later).is_some_and(|(found, _)| found.durable > at as u64)
    })
}

/// The record at `at`, if there is a whole one.
fn record(file: &Bytes, header: &FileHeader, at: usize) -> Option<(RecordHeader, Bytes)> {
    let rest = file.get(at..)?;
    let (encoded, rest) = rest.split_first_chunk::<{ RecordHeader::LENGTH }>()?;
    let found = RecordHeader::decode(encoded, header)?;
    let content = rest.get(..usize::try_from(found.length).ok()?)?;
    (crc32fast::hash(content) == found.checksum).then(|| (found, file.slice_ref(content)))
}

impl FileHeader {
    const LENGTH: usize = 28;
    const NAME: &[u8] = b"fedlink";
    const VERSION: u8 = 2;

    pub(super) fn new() -> Self {
        Self {
            salt: RandomState::new().build_hasher().finish(),
            durable: 0,
        }
    }

    pub(super) fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..7].copy_from_slice(Self::NAME);
        bytes[7] = Self::VERSION;
        bytes[8..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.durable.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..24]);
        bytes[24..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(file: &[u8]) -> Result<Self, Damage> {
        let mut rest = file.strip_prefix(Self::NAME).ok_or(Damage::Foreign)?;
        let version = rest.try_get_u8().map_err(|_| Damage::Header)?;
        if version != Self::VERSION {
            return Err(Damage::Version(version));
        }
        let found = file.get(..Self::LENGTH).ok_or(Damage::Header)?;
        let header = Self {
            salt: rest.get_u64_le(),
            durable: rest.get_u64_le(),
        };
        if found == header.encode() {
            Ok(header)
        } else {
            Err(Damage::Header)
        }
    }
}

impl RecordHeader {
    const LENGTH: usize = 24;

    /// The header for this content.
    pub(super) fn of(parts: &[&[u8]], durable: u64) -> Self {
        let mut checksum = crc32fast::Hasher::new();
        for part in parts {
            checksum.update(part);
        }
        Self {
            length: parts.iter().map(|part| part.len() as u64).sum(),
            checksum: checksum.finalize(),
            durable,
        }
    }

    pub(super) fn encode(&self, file: &FileHeader) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.durable.to_le_bytes());
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&file.salt.to_le_bytes());
        checksum.update(&bytes[..20]);
        bytes[20..].copy_from_slice(&checksum.finalize().to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; Self::LENGTH], file: &FileHeader) -> Option<Self> {
        let mut rest = &bytes[..];
        let header = Self {
            length: rest.get_u64_le(),
            checksum: rest.get_u32_le(),
            durable: rest.get_u64_le(),
        };
        (header.encode(file) == *bytes).then_some(header)
    }
}
