//! Arrays in pieces, so that none need be in memory whole.

use std::ops::Range;

use crate::container::{Array, Header};

use super::ResultError;
use super::element::{self, Class};

/// Most elements of a piece: large enough that a read costs little beside its bytes, small
/// enough that the sums of a piece stay near the processor.
pub const CHUNK_ELEMENTS: u64 = 64 << 10;

/// A piece of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    array: &'a Array,
    range: Range<u64>,
}

impl<'a> Chunk<'a> {
    /// The array.
    pub fn array(&self) -> &'a Array {
        self.array
    }

    /// Where the piece is, in bytes from the beginning of the file.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Whether all numbers are finite and all logical ones 0 or 1. `bytes` is the piece.
    ///
    /// # Errors
    ///
    /// With the array and the index of its first element that is not.
    pub fn check(&self, bytes: &[u8]) -> Result<(), ResultError> {
        let dtype = self.array.dtype();
        let mut bad = None;
        match element::class(dtype) {
            Some(Class::Float) => element::floats(dtype, bytes, 0.., |index, it| {
                if !it.is_finite() && bad.is_none() {
                    bad = Some((index, it.to_string()));
                }
            }),
            Some(Class::Bool) => element::wholes(dtype, bytes, 0.., |index, it| {
                if it > 1 && bad.is_none() {
                    bad = Some((index, it.to_string()));
                }
            }),
            Some(Class::Whole { .. }) | None => {}
        }
        let Some((index, value)) = bad else {
            return Ok(());
        };
        let before = self.range.start - self.array.range().start;
        let element =
            (before + (index * element::width(dtype)) as u64) * 8 / dtype.bitsize() as u64;
        Err(ResultError::Value {
            array: self.array.name().to_owned(),
            element,
            value,
        })
    }
}

/// All arrays of a file in pieces of at most [`CHUNK_ELEMENTS`], in the order of their bytes.
pub fn chunks(header: &Header) -> impl Iterator<Item = Chunk<'_>> {
    header.arrays().iter().flat_map(|array| {
        let step = length(array);
        let range = array.range();
        let starts = (range.start..range.end).step_by(step.try_into().unwrap_or(usize::MAX));
        starts.map(move |start| Chunk {
            array,
            range: start..range.end.min(start + step),
        })
    })
}

/// How many bytes a piece of an array has, but for the last.
pub(super) fn length(array: &Array) -> u64 {
    CHUNK_ELEMENTS * (array.dtype().bitsize() as u64).div_ceil(8)
}
