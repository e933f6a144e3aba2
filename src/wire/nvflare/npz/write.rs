//! Writes archives as a rope: small headers between the members' own bytes.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use super::{CENTRAL, END, LOCAL, MAX_MEMBERS, MAX_NAME, NpzError, UTF8};

/// The first of January 1980, as numpy dates its members: the core has no clock.
const DATE: u16 = 0x21;
/// The version of the format that is needed to read them: 2.0.
const VERSION: u16 = 20;

/// Puts an archive together without copying what is in it.
#[derive(Debug, Default)]
pub struct Writer {
    parts: Vec<Bytes>,
    names: BTreeSet<String>,
    central: BytesMut,
    offset: u32,
}

impl Writer {
    /// An archive without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the member `name`, which is the concatenation of `parts`. The names of arrays
    /// end in `.npy`.
    ///
    /// # Errors
    /// When the name is empty, too long or taken, or the archive gets too many members or
    /// too long. Then it is as it was before.
    pub fn add(
        &mut self,
        name: &str,
        parts: impl IntoIterator<Item = Bytes>,
    ) -> Result<(), NpzError> {
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(NpzError::Name);
        }
        if self.names.contains(name) {
            return Err(NpzError::Twice(name.to_owned()));
        }
        if self.names.len() == MAX_MEMBERS {
            return Err(NpzError::TooMany);
        }
        let parts: Vec<Bytes> = parts.into_iter().collect();
        let size = parts
            .iter()
            .try_fold(0_usize, |size, part| size.checked_add(part.len()))
            .and_then(|size| u32::try_from(size).ok())
            .ok_or(NpzError::TooLarge)?;
        let mut crc = crc32fast::Hasher::new();
        parts.iter().for_each(|part| crc.update(part));
        let common = common(name, size, crc.finalize());

        let mut local = BytesMut::with_capacity(30 + name.len());
        local.put_u32_le(LOCAL);
        local.put_slice(&common);
        local.put_u16_le(0);
        local.put_slice(name.as_bytes());
        let offset = u32::try_from(local.len())
            .ok()
            .and_then(|head| self.offset.checked_add(head)?.checked_add(size))
            .ok_or(NpzError::TooLarge)?;

        self.central.put_u32_le(CENTRAL);
        self.central.put_u16_le(VERSION);
        self.central.put_slice(&common);
        // No extra field, no comment, the only disk, no attributes.
        self.central.put_bytes(0, 12);
        self.central.put_u32_le(self.offset);
        self.central.put_slice(name.as_bytes());

        self.parts.push(local.freeze());
        self.parts
            .extend(parts.into_iter().filter(|part| !part.is_empty()));
        self.names.insert(name.to_owned());
        self.offset = offset;
        Ok(())
    }

    /// The archive: its parts are to be read one after another.
    ///
    /// # Errors
    /// When it would exceed 4 GiB.
    pub fn finish(mut self) -> Result<Vec<Bytes>, NpzError> {
        let count = u16::try_from(self.names.len()).map_err(|_| NpzError::TooMany)?;
        let size = u32::try_from(self.central.len()).map_err(|_| NpzError::TooLarge)?;
        self.offset.checked_add(size).ok_or(NpzError::TooLarge)?;
        self.central.put_u32_le(END);
        self.central.put_u32_le(0);
        self.central.put_u16_le(count);
        self.central.put_u16_le(count);
        self.central.put_u32_le(size);
        self.central.put_u32_le(self.offset);
        self.central.put_u16_le(0);
        self.parts.push(self.central.freeze());
        Ok(self.parts)
    }
}

/// What the local header and the central directory both say of a member.
fn common(name: &str, size: u32, crc: u32) -> BytesMut {
    let mut common = BytesMut::with_capacity(24);
    common.put_u16_le(VERSION);
    common.put_u16_le(if name.is_ascii() { 0 } else { UTF8 });
    // Stored, at midnight.
    common.put_u32_le(0);
    common.put_u16_le(DATE);
    common.put_u32_le(crc);
    common.put_u32_le(size);
    common.put_u32_le(size);
    common.put_u16_le(u16::try_from(name.len()).unwrap_or(u16::MAX));
    common
}
