//! What the fuzz targets in `fuzz/` run, so that it is compiled and tested here.

pub use crate::link::nvflare::fuzz_stream as stream;
pub use crate::wire::nvflare::fuzz::{cell, fobs, npz, sfm};
