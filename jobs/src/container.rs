//! The container in which models travel and lie on disk: a safetensors file.
//!
//! ```text
//! 8 bytes   length of the header, little-endian
//! header    JSON: each array's name, type, shape and place; `__metadata__`: texts by name
//! the rest  the arrays' elements, little-endian, one array after the other, without gaps
//! ```
//!
//! A [`Header`] says what is in a file; it is read from the file's beginning alone, so that
//! gigabytes need not be in memory. [`Container`] is a whole file in memory or mapped to it.
//!
//! A value that is a flat dict of arrays has no more to it. Anything else is described by a
//! [`Tree`], JSON under `fedlink.tree` in the metadata, which refers to arrays by name.
//!
//! ```
//! use fedlink_jobs::container::{ArrayOutline, Container, Dtype, Metadata, write};
//!
//! let weights = ArrayOutline::new("weights", Dtype::F32, [2]);
//! let elements = [1.0f32, 2.0].map(f32::to_le_bytes);
//! let file = write([(weights, elements.as_flattened())], Metadata::new())?;
//!
//! let read = Container::read(&file)?;
//! assert_eq!(read.header().array("weights").map(|it| it.shape()), Some(&[2][..]));
//! assert_eq!(read.bytes("weights"), Some(elements.as_flattened()));
//! # Ok::<(), fedlink_jobs::container::ContainerError>(())
//! ```

mod header;
mod json;
mod npy;
mod tree;

use std::collections::BTreeMap;
use std::ops::Range;

pub use header::{Array, ArrayOutline, Header, Metadata};
pub use safetensors::Dtype;
pub use tree::{Tree, TreeError};

#[cfg(test)]
mod tests;

/// The longest header, in bytes: room for about 100,000 arrays. What it says is held in
/// memory several times over while it is read.
pub const MAX_HEADER: usize = 16 << 20;
/// The longest name of an array, in bytes: it appears in messages and in paths of archives.
pub const MAX_NAME: usize = 1024;
/// Most dimensions of an array: numpy's own limit.
pub const MAX_DIMENSIONS: usize = 64;
/// The key of the metadata that holds a value's [`Tree`].
pub const TREE: &str = "fedlink.tree";

/// Why bytes are no container, or cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// The file ends within its header, or is none of safetensors.
    #[error("not a whole safetensors file: {found} bytes, of {expected} that its header takes")]
    Short {
        /// How many bytes the header takes, with its length before it.
        expected: u64,
        /// How many bytes there are.
        found: u64,
    },
    /// The header is too long to be read.
    #[error(
        "a header of {0} bytes is over the limit of {MAX_HEADER}: not a safetensors file, or one of too many arrays"
    )]
    HeaderTooLong(u64),
    /// The header is not the JSON that it has to be.
    #[error("the header of the safetensors file cannot be read: {0}")]
    Json(String),
    /// Two arrays, or two entries of the metadata, have one name.
    #[error("{0:?} is there twice: give each array a name of its own")]
    Twice(String),
    /// A name that no array may have.
    #[error(
        "an array's name is empty, `__metadata__`, or longer than {MAX_NAME} bytes: it begins {0:?}"
    )]
    Name(String),
    /// More dimensions than an array may have.
    #[error("array {array:?} has {found} dimensions, of at most {MAX_DIMENSIONS}")]
    Dimensions {
        /// The array.
        array: String,
        /// How many dimensions it has.
        found: usize,
    },
    /// An array has more elements than a file can hold, or a part of a byte is left over.
    #[error("the size of array {0:?} is not a whole number of bytes that a file can hold")]
    Size(String),
    /// The place of an array is not as long as its type and shape say.
    #[error(
        "array {array:?} takes {expected} bytes by its type and shape, but {found} are its own"
    )]
    Length {
        /// The array.
        array: String,
        /// What its type and shape come to, in bytes.
        expected: u64,
        /// How many bytes the header gives to it.
        found: u64,
    },
    /// Two arrays share bytes.
    #[error("array {0:?} shares bytes with another")]
    Overlap(String),
    /// Bytes before an array belong to none.
    #[error("bytes before array {0:?} belong to no array")]
    Gap(String),
    /// The file is shorter or longer than header and arrays.
    #[error("{found} bytes, where header and arrays take {expected}: the file was cut or added to")]
    FileLength {
        /// What header and arrays take, in bytes.
        expected: u64,
        /// How long the file is, in bytes.
        found: u64,
    },
    /// The tree says what cannot be.
    #[error("{TREE}: {0}")]
    Tree(#[from] TreeError),
}

/// A file with these arrays, each with the bytes of its elements: little-endian, the last
/// dimension varies fastest.
///
/// What is larger than memory is written piece by piece: [`Header::bytes`], then each of
/// [`Header::arrays`] in its order.
///
/// # Errors
///
/// As [`Header::new`], and if an array has another number of bytes than its type and shape say.
pub fn write<'a>(
    arrays: impl IntoIterator<Item = (ArrayOutline, &'a [u8])>,
    metadata: Metadata,
) -> Result<Vec<u8>, ContainerError> {
    let (outlines, bytes): (Vec<_>, Vec<_>) = arrays.into_iter().unzip();
    let named = outlines.iter().map(|it| it.name.clone()).zip(bytes);
    let bytes: BTreeMap<String, &[u8]> = named.collect();
    let header = Header::new(outlines, metadata)?;
    let mut file = header.bytes().to_vec();
    for array in header.arrays() {
        let elements = bytes.get(array.name()).copied().unwrap_or_default();
        let Range { start, end } = array.range();
        if elements.len() as u64 != end - start {
            return Err(ContainerError::Length {
                array: array.name().to_owned(),
                expected: end - start,
                found: elements.len() as u64,
            });
        }
        file.extend(elements);
    }
    Ok(file)
}

/// A whole file, in memory or mapped to it.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    header: Header,
    tree: Option<Tree>,
    file: &'a [u8],
}

impl<'a> Container<'a> {
    /// Reads a file of safetensors, and its tree if it has one.
    ///
    /// # Errors
    ///
    /// If the file is not exactly what its header says, or the tree says what cannot be.
    pub fn read(file: &'a [u8]) -> Result<Self, ContainerError> {
        let header = Header::read(file, file.len() as u64)?;
        let tree = header.tree()?;
        let read = Self { header, tree, file };
        if let Some(tree) = &read.tree {
            tree.check_npy(|name| read.bytes(name))?;
        }
        Ok(read)
    }

    /// What is in the file.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How the arrays are put together, unless they are a flat dict.
    pub fn tree(&self) -> Option<&Tree> {
        self.tree.as_ref()
    }

    /// The elements of an array: little-endian, the last dimension varies fastest.
    pub fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        let range = self.header.array(name)?.range();
        let (start, end) = (range.start.try_into().ok()?, range.end.try_into().ok()?);
        self.file.get::<Range<usize>>(start..end)
    }
}
