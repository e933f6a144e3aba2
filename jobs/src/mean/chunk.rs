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
        Err(ResultError::Value {
            array: self.array.name().to_owned(),
            element: self.element(index),
            value,
        })
    }

    /// Where the same piece of the model is, in bytes from the beginning of its file; `None` if
    /// the model does not have the array.
    pub fn range_in(&self, model: &Header) -> Option<Range<u64>> {
        let of_array = self.array.range();
        let start = model.array(self.array.name())?.range().start;
        Some(start + self.range.start - of_array.start..start + self.range.end - of_array.start)
    }

    /// Whether the type of a difference can hold the model with it added: one result that it
    /// cannot hold would leave the whole round without a mean. `bytes` is the piece, which has
    /// passed [`Chunk::check`], `model` the same one of the model.
    ///
    /// # Errors
    ///
    /// With the array and the index of its first element that is too large.
    pub fn check_difference(&self, bytes: &[u8], model: &[u8]) -> Result<(), ResultError> {
        let dtype = self.array.dtype();
        let mut bad = None;
        if element::class(dtype) == Some(Class::Float) {
            let (largest, mut numbers) = (element::largest(dtype), Vec::new());
            let count = bytes.len() / element::width(dtype);
            element::floats(dtype, model, 0..count, |_, it| numbers.push(it));
            element::floats(dtype, bytes, (0..).zip(numbers), |(index, model), it| {
                if (model + it).abs() > largest && bad.is_none() {
                    bad = Some(index);
                }
            });
        } else {
            let (mut numbers, mut scratch) = (Vec::new(), Vec::new());
            element::wholes(dtype, model, 0.., |_: usize, it| numbers.push(it));
            element::wholes(dtype, bytes, (0..).zip(numbers), |(index, model), it| {
                scratch.clear();
                if !element::push_whole(dtype, model + it, &mut scratch) && bad.is_none() {
                    bad = Some(index);
                }
            });
        }
        match bad {
            None => Ok(()),
            Some(index) => Err(ResultError::TooLarge {
                array: self.array.name().to_owned(),
                element: self.element(index),
            }),
        }
    }

    /// Which element of the array a number of the piece belongs to.
    fn element(&self, index: usize) -> u64 {
        let dtype = self.array.dtype();
        let before = self.range.start - self.array.range().start;
        (before + (index * element::width(dtype)) as u64) * 8 / dtype.bitsize() as u64
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
