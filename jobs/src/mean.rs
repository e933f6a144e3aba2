//! The mean of what sites returned, the same to the last bit wherever and whenever it is
//! computed.
//!
//! # Definition
//!
//! Sites are in 64 groups: [`group`] of the project's and the site's name. They are summed by
//! name (bytewise) within each group, then the groups' sums by their numbers. So a cluster in
//! which each node has some of the groups comes to the same bytes from the groups' sums.
//!
//! **Floating-point numbers** (F16, BF16, F32, F64, and C64 as two of F32) are summed in f64: each
//! product `weight · value`, each sum, and the weights' sum `W` in the same order, are rounded to
//! f64. Sum by `W` is the mean; if it is one of differences, the model is added to it. At the end
//! it is rounded to the array's type, half to even. With `n` sites, what is rounded last is at most
//! `(n + 4) · 2⁻⁵³ · Σ |w·x| / W` from the true mean: next to nothing in all types but F64.
//!
//! **Whole numbers** are summed without any rounding, divided once, and rounded half to even.
//!
//! **BOOL** is true if true ones have half of the weight or more.
//!
//! A result is [`Kind::Full`], or a [`Kind::Diff`] to be added to the model. In a round with both,
//! a difference stands for the model plus it: `(Σ w·x + model · Σ w of differences) / W`, for
//! floating-point numbers as `Σ w·x / W + model · (Σ w of differences / W)`.
//!
//! # Use
//!
//! A result is checked when it comes: [`check`] its header, then the values of each of its
//! [`chunks`], and of a difference that the model can take it ([`Chunk::check_difference`]).
//! Then each mean fits its type, but for F64 whose values times weights are beyond it. When a round closes, a [`Mean`] says which bytes of which file it wants next; it
//! holds one chunk and its sums, a few MiB, whatever the model, and some hundred bytes for each site.
//!
//! ```
//! use fedlink_jobs::container::{ArrayOutline, Dtype, Header, Metadata};
//! use fedlink_jobs::mean::{Contributor, Kind, Mean, Source, Weight};
//!
//! let header = Header::new([ArrayOutline::new("w", Dtype::F32, [1])], Metadata::new())?;
//! let file = |value: f32| [header.bytes(), &value.to_le_bytes()].concat();
//! let results = [("site-1", file(1.0), 3.0), ("site-2", file(5.0), 1.0)];
//!
//! let contributors = results.iter().map(|(site, _, weight)| {
//!     Ok(Contributor::new(*site, Weight::new(*weight)?, Kind::Full, header.clone()))
//! });
//! let contributors = contributors.collect::<Result<_, fedlink_jobs::mean::WeightError>>()?;
//! let mut mean = Mean::new("project", Some(header.clone()), contributors, false)?;
//! let mut model = mean.header().bytes().to_vec();
//! while let Some(read) = mean.poll_read() {
//!     let file = match read.source {
//!         Source::Result(site) => &results.iter().find(|it| it.0 == site).unwrap().1,
//!         Source::Model => unreachable!("no result is a difference"),
//!     };
//!     let bytes = &file[read.range.start as usize..read.range.end as usize];
//!     mean.handle_read(bytes)?;
//!     while let Some(bytes) = mean.poll_write() {
//!         model.extend(bytes);
//!     }
//! }
//! assert_eq!(model, file(2.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
mod check;
mod chunk;
mod element;
mod machine;
mod order;
mod sum;
mod weight;

pub use builder::MeanBuilder;
pub use check::{ResultError, check};
pub use chunk::{CHUNK_ELEMENTS, Chunk, chunks};
pub use machine::{Contributor, Mean, MeanError, Read, Source};
pub use order::{GROUPS, group};
pub use weight::{MAX_WEIGHT, MIN_WEIGHT, Weight, WeightError};

#[cfg(test)]
mod tests;

/// What a result is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The whole model.
    Full,
    /// What has to be added to the model that the task brought.
    Diff,
}
