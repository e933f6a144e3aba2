//! Checkpoints: a model as bytes, on its way between coordinator and site.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `fedwine1` |
//! | 4 | round |
//! | 4 | examples that the weights were trained on |
//! | 4 | number of weights |
//! | 8 | length of the padding |
//! | 4 each | weights, IEEE 754 |
//! | rest | padding |
//!
//! Numbers are little-endian. The padding makes a small model as large as one likes, to
//! show how large ones travel. It is not arbitrary: it is drawn from a generator seeded by
//! all bytes before it, and the reader draws it again. A byte that was lost, repeated,
//! moved or changed on the way is therefore noticed, whatever else failed to notice it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::model::Model;
use super::wine::FEATURES;
use super::{FOLD_START, fold};

/// The most padding, in bytes: 1 GiB. A demo holds two payloads for each site in memory.
pub const MAX_PADDING: usize = 1 << 30;

/// A model with what it is part of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Checkpoint {
    /// The round, from 1, that this model begins (from the coordinator) or ends (from a site).
    pub round: u32,
    /// How many examples the site trained on; zero from the coordinator.
    pub examples: u32,
    /// The weights.
    pub model: Model,
}

/// Why bytes are not a checkpoint.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The bytes are of something else.
    #[error("these are not the bytes of a checkpoint: is the other side running the same job?")]
    Foreign,
    /// The bytes end early or go on too long.
    #[error("a checkpoint of {expected} bytes came with {found}: send it again")]
    Length {
        /// The length that the header states.
        expected: u64,
        /// The length that came.
        found: u64,
    },
    /// The model is of another shape.
    #[error(
        "a model of {found} weights does not fit one of {expected}: run the same version everywhere"
    )]
    Shape {
        /// How many weights this version has.
        expected: u32,
        /// How many came.
        found: u32,
    },
    /// More padding than this program sends.
    #[error(
        "padding of {0} bytes is over the limit of {MAX_PADDING}: choose a smaller --payload-mib"
    )]
    TooMuchPadding(u64),
    /// A weight that is infinite or no number.
    #[error("weight {0} is not a finite number: the training diverged, or its site is faulty")]
    NotFinite(usize),
    /// The padding is not what the sender drew.
    #[error("the padding was changed near byte {0}: the bytes were damaged on their way")]
    Damaged(usize),
}

impl Checkpoint {
    /// The bytes of this checkpoint with `padding` bytes behind them, at most [`MAX_PADDING`].
    pub fn encode(&self, padding: usize) -> Bytes {
        let padding = padding.min(MAX_PADDING);
        let mut bytes = BytesMut::with_capacity(PREFIX + padding);
        bytes.put_slice(MAGIC);
        bytes.put_u32_le(self.round);
        bytes.put_u32_le(self.examples);
        bytes.put_u32_le(WEIGHTS);
        bytes.put_u64_le(padding as u64);
        for weight in self.model.weights {
            bytes.put_f32_le(weight);
        }
        let mut source = padding_source(&bytes);
        bytes.resize(PREFIX + padding, 0);
        source.fill_bytes(&mut bytes[PREFIX..]);
        bytes.freeze()
    }

    /// Reads a checkpoint, and how much padding it came with.
    ///
    /// # Errors
    ///
    /// Every deviation from the format is an error; see [`CheckpointError`].
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), CheckpointError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(CheckpointError::Foreign)?;
        let (mut header, _) = rest
            .split_at_checked(HEADER - MAGIC.len())
            .ok_or_else(|| length(bytes, PREFIX))?;
        let (round, examples) = (header.get_u32_le(), header.get_u32_le());
        let found = header.get_u32_le();
        if found != WEIGHTS {
            return Err(CheckpointError::Shape {
                expected: WEIGHTS,
                found,
            });
        }
        let stated = header.get_u64_le();
        let padding = usize::try_from(stated)
            .ok()
            .filter(|padding| *padding <= MAX_PADDING)
            .ok_or(CheckpointError::TooMuchPadding(stated))?;
        if bytes.len() != PREFIX + padding {
            return Err(length(bytes, PREFIX + padding));
        }
        let (prefix, tail) = bytes.split_at(PREFIX);
        let mut model = Model::default();
        let mut encoded = &prefix[HEADER..];
        for (index, weight) in model.weights.iter_mut().enumerate() {
            *weight = encoded.get_f32_le();
            if !weight.is_finite() {
                return Err(CheckpointError::NotFinite(index));
            }
        }
        check_padding(padding_source(prefix), tail)?;
        Ok((
            Self {
                round,
                examples,
                model,
            },
            padding,
        ))
    }
}

const MAGIC: &[u8] = b"fedwine1";
const WEIGHTS: u32 = FEATURES as u32 + 1;
const HEADER: usize = MAGIC.len() + 4 + 4 + 4 + 8;
const PREFIX: usize = HEADER + 4 * WEIGHTS as usize;

/// How much padding is drawn again at a time: small enough to stay in a processor's cache.
const BLOCK: usize = 16 * 1024;

fn length(bytes: &[u8], expected: usize) -> CheckpointError {
    CheckpointError::Length {
        expected: expected as u64,
        found: bytes.len() as u64,
    }
}

fn padding_source(prefix: &[u8]) -> Pcg64 {
    Pcg64::seed_from_u64(fold(FOLD_START, prefix))
}

fn check_padding(mut source: Pcg64, padding: &[u8]) -> Result<(), CheckpointError> {
    let mut drawn = [0; BLOCK];
    for (index, block) in padding.chunks(BLOCK).enumerate() {
        let drawn = &mut drawn[..block.len()];
        source.fill_bytes(drawn);
        if drawn != block {
            let at = drawn.iter().zip(block).take_while(|(a, b)| a == b).count();
            return Err(CheckpointError::Damaged(PREFIX + index * BLOCK + at));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let mut model = Model::default();
        for (i, weight) in model.weights.iter_mut().enumerate() {
            *weight = i as f32 / 3.0 - 1.0;
        }
        Checkpoint {
            round: 7,
            examples: 161,
            model,
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        for padding in [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 5] {
            let bytes = checkpoint().encode(padding);
            assert_eq!(bytes.len(), PREFIX + padding);
            assert_eq!(Checkpoint::decode(&bytes), Ok((checkpoint(), padding)));
        }
    }

    #[test]
    fn every_truncation_and_a_byte_too_many_are_noticed() {
        let bytes = checkpoint().encode(10);
        for end in 0..bytes.len() {
            let error = Checkpoint::decode(&bytes[..end]).unwrap_err();
            assert_eq!(
                matches!(error, CheckpointError::Foreign),
                end < MAGIC.len(),
                "{end}: {error}"
            );
        }
        let longer = [&bytes[..], &[0]].concat();
        let found = longer.len() as u64;
        assert_eq!(
            Checkpoint::decode(&longer),
            Err(CheckpointError::Length {
                expected: found - 1,
                found
            })
        );
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let bytes = checkpoint().encode(2 * BLOCK);
        for bit in (0..8 * (PREFIX + 40)).chain([8 * bytes.len() - 1]) {
            let mut changed = bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpoint::decode(&changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn damage_is_located() {
        let mut bytes = checkpoint().encode(2 * BLOCK).to_vec();
        let at = PREFIX + BLOCK + 3;
        bytes[at] ^= 1;
        assert_eq!(
            Checkpoint::decode(&bytes),
            Err(CheckpointError::Damaged(at))
        );
    }

    #[test]
    fn hostile_headers_are_refused() {
        let mut bytes = checkpoint().encode(0).to_vec();
        bytes[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        let shape = CheckpointError::Shape {
            expected: WEIGHTS,
            found: u32::MAX,
        };
        assert_eq!(Checkpoint::decode(&bytes), Err(shape));

        let mut bytes = checkpoint().encode(0).to_vec();
        bytes[20..28].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(
            Checkpoint::decode(&bytes),
            Err(CheckpointError::TooMuchPadding(u64::MAX))
        );

        let mut diverged = checkpoint();
        diverged.model.weights[3] = f32::NAN;
        assert_eq!(
            Checkpoint::decode(&diverged.encode(0)),
            Err(CheckpointError::NotFinite(3))
        );
    }
}
