//! Archives of arrays in the .npz format of numpy: a zip whose members are stored as they
//! are.

mod read;
mod write;

use alloc::string::String;

pub use read::{Member, read};
pub use write::Writer;

/// Most members of an archive, so that a count of 16 bits says it.
pub(crate) const MAX_MEMBERS: usize = u16::MAX as usize - 1;
/// The longest name of a member, in bytes.
pub(crate) const MAX_NAME: usize = 1024;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;
/// The kind of extra field that holds sizes of 64 bits.
const EXTRA_64: u16 = 1;
/// In the flags: names are UTF-8.
const UTF8: u16 = 1 << 11;
/// In the flags: the member is encrypted.
const ENCRYPTED: u16 = 1;

/// The bytes are not an archive that can be used, or cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NpzError {
    /// Not a zip, or cut short, or its tables contradict each other.
    #[error("not a whole .npz file: write it with numpy.savez")]
    Malformed,
    /// A member is compressed or encrypted.
    #[error(
        "member `{0}` is compressed or encrypted: write it with numpy.savez, not savez_compressed"
    )]
    NotStored(String),
    /// A member is not what its checksum says.
    #[error("member `{0}` is damaged")]
    Damaged(String),
    /// Members share bytes.
    #[error("member `{0}` overlaps another")]
    Overlap(String),
    /// Two members have one name.
    #[error("member `{0}` is there twice: give each array a name of its own")]
    Twice(String),
    /// A name is empty, not UTF-8 or too long.
    #[error("the name of a member is empty, not UTF-8 or longer than {MAX_NAME} bytes")]
    Name,
    /// Too many members.
    #[error("more than {MAX_MEMBERS} members")]
    TooMany,
    /// Larger than an archive without 64-bit sizes may be.
    #[error("the archive would exceed 4 GiB")]
    TooLarge,
}
