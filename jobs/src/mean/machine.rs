//! The mean of a round, file by file and piece by piece.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::container::{Array, Header};

use super::builder::Part;
use super::chunk;
use super::element;
use super::sum::{Addend, Sum};
use super::{Kind, MeanBuilder, ResultError, Weight};

/// A site's result, that has been checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Contributor {
    /// The site's name.
    pub site: String,
    /// How much it counts.
    pub weight: Weight,
    /// Whether it is the model or a difference.
    pub kind: Kind,
    /// What is in its file.
    pub header: Header,
}

impl Contributor {
    /// The result of `site`.
    pub fn new(site: impl Into<String>, weight: Weight, kind: Kind, header: Header) -> Self {
        Self {
            site: site.into(),
            weight,
            kind,
            header,
        }
    }
}

/// Which file bytes are wanted of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The model that the round's tasks brought.
    Model,
    /// The result of this site.
    Result(&'a str),
}

/// Bytes that are wanted of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Read<'a> {
    /// Which file.
    pub source: Source<'a>,
    /// Where, in bytes from the beginning of the file.
    pub range: Range<u64>,
}

/// Why there is no mean.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeanError {
    /// Nobody returned anything.
    #[error("no result to average")]
    Nobody,
    /// A site is there twice.
    #[error("site {0:?} would count twice")]
    Twice(String),
    /// A result does not fit the model.
    #[error("{site}: {fault}")]
    Result {
        /// The site that returned it.
        site: String,
        /// Why.
        fault: ResultError,
    },
    /// The type of an array cannot hold the mean.
    #[error(
        "the mean of array {array:?}, or a sum on the way to it, is more than its type can hold at element {element}: train with smaller values, or a wider type"
    )]
    Overflow {
        /// The array.
        array: String,
        /// The index of the element, counted as the elements lie.
        element: u64,
    },
    /// The host has handed in other bytes than it was asked for.
    #[error("{found} bytes were read, where {expected} were asked for")]
    Read {
        /// How many were asked for.
        expected: u64,
        /// How many came.
        found: u64,
    },
}

/// The mean of a round.
///
/// The host reads what [`Mean::poll_read`] asks for and hands it to [`Mean::handle_read`]; what
/// [`Mean::poll_write`] returns goes behind [`Mean::header`], in this order. When nothing more is
/// asked for, the model is whole.
#[derive(Debug)]
pub struct Mean {
    /// The model to which differences are added, if it has arrays.
    model: Option<Header>,
    /// What is in the file of the new model.
    header: Header,
    /// Whose results, by group and name: in the order of summation.
    parts: Vec<((u8, String), Part)>,
    /// The piece that is being summed; `None` when all are done.
    piece: Option<Piece>,
    written: VecDeque<Vec<u8>>,
}

/// A piece of an array, and how far its sum has come.
#[derive(Debug)]
struct Piece {
    /// Which array of the new model.
    array: usize,
    /// Which of its bytes.
    range: Range<u64>,
    /// Whose results have the array: indices of parts.
    with_it: Vec<usize>,
    /// How many of them are added.
    added: usize,
    /// Whether the model is read at the end: for differences, or because no result has the
    /// array.
    needs_model: bool,
    sum: Sum,
}

impl Mean {
    /// The mean of these results: what a [`MeanBuilder`] makes of them, which need not have all
    /// headers in memory at once.
    ///
    /// # Errors
    ///
    /// If there is no result, a site is there twice, or a result does not fit.
    pub fn new(
        project: &str,
        model: Option<Header>,
        contributors: Vec<Contributor>,
        partial: bool,
    ) -> Result<Self, MeanError> {
        let mut builder = MeanBuilder::new(project, model, partial);
        for contributor in contributors {
            builder.add(contributor)?;
        }
        builder.build()
    }

    /// Begins with the first piece.
    pub(super) fn begin(
        model: Option<Header>,
        header: Header,
        parts: BTreeMap<(u8, String), Part>,
    ) -> Self {
        let mut mean = Self {
            model,
            header,
            parts: parts.into_iter().collect(),
            piece: None,
            written: VecDeque::new(),
        };
        mean.piece = mean.next(0, 0);
        mean
    }

    /// What is in the file of the new model: its bytes come first.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Who counts, in the order of summation.
    pub fn sites(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|((_, site), _)| site.as_str())
    }

    /// The bytes that are wanted next; `None` when the model is whole. It changes with
    /// [`Mean::handle_read`] alone.
    pub fn poll_read(&self) -> Option<Read<'_>> {
        let piece = self.piece.as_ref()?;
        let array = self.header.arrays().get(piece.array)?;
        let (source, start) = match piece.with_it.get(piece.added) {
            Some(index) => {
                let ((_, site), part) = self.parts.get(*index)?;
                (Source::Result(site), part.start(piece.array)?)
            }
            None => {
                let place = self.model.as_ref()?.array(array.name())?.range();
                (Source::Model, place.start)
            }
        };
        Some(Read {
            source,
            range: start + piece.range.start..start + piece.range.end,
        })
    }

    /// Takes the bytes that [`Mean::poll_read`] asked for.
    ///
    /// # Errors
    ///
    /// If these are not as many bytes as were asked for: nothing has changed then. If the type
    /// of an array cannot hold the mean: there is no model then.
    pub fn handle_read(&mut self, bytes: &[u8]) -> Result<(), MeanError> {
        let expected = self
            .poll_read()
            .map_or(0, |it| it.range.end - it.range.start);
        if bytes.len() as u64 != expected {
            return Err(MeanError::Read {
                expected,
                found: bytes.len() as u64,
            });
        }
        let Some(mut piece) = self.piece.take() else {
            return Ok(());
        };
        let Some(array) = self.header.arrays().get(piece.array) else {
            return Ok(());
        };
        let mut model = None;
        if piece.added < piece.with_it.len() {
            piece.sum.add(array.dtype(), piece.added, bytes);
            piece.added += 1;
            if piece.added < piece.with_it.len() || piece.needs_model {
                self.piece = Some(piece);
                return Ok(());
            }
        } else {
            model = Some(bytes);
        }
        let written = match model {
            Some(model) if piece.with_it.is_empty() => model.to_vec(),
            _ => piece.sum.finish(array.dtype(), model).map_err(|number| {
                let before = piece.range.start + (number * element::width(array.dtype())) as u64;
                MeanError::Overflow {
                    array: array.name().to_owned(),
                    element: before * 8 / array.dtype().bitsize() as u64,
                }
            })?,
        };
        self.written.push_back(written);
        self.piece = self.next(piece.array, piece.range.end);
        Ok(())
    }

    /// The next bytes of the new model's file; `None` until a piece is done.
    pub fn poll_write(&mut self) -> Option<Vec<u8>> {
        self.written.pop_front()
    }

    /// The piece of the array with this index that begins after `start` of its bytes, or the
    /// first of a later array.
    fn next(&self, index: usize, start: u64) -> Option<Piece> {
        let with_bytes = |array: &Array| array.range().end - array.range().start;
        let mut rest = self.header.arrays().iter().enumerate().skip(index);
        let (array, start) = match rest.next()? {
            (index, array) if start < with_bytes(array) => ((index, array), start),
            _ => (rest.find(|(_, array)| with_bytes(array) > 0)?, 0),
        };
        let (index, array) = array;
        let end = with_bytes(array).min(start + chunk::length(array));
        let with_it: Vec<usize> = (0..)
            .zip(&self.parts)
            .filter(|(_, (_, part))| part.start(index).is_some())
            .map(|(at, _)| at)
            .collect();
        let addends: Vec<Addend> = with_it
            .iter()
            .filter_map(|at| self.parts.get(*at))
            .map(|((group, _), part)| (*group, part.weight, part.kind == Kind::Diff))
            .collect();
        let numbers = (end - start) as usize / element::width(array.dtype());
        Some(Piece {
            array: index,
            range: start..end,
            needs_model: addends.is_empty() || addends.iter().any(|(.., difference)| *difference),
            sum: Sum::new(element::class(array.dtype())?, numbers, &addends),
            with_it,
            added: 0,
        })
    }
}
