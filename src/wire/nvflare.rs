//! The messages of NVIDIA FLARE 2.5 to 2.9 as bytes: frames, cells and values.

mod as_json;
pub(crate) mod cell;
pub(crate) mod dialect;
pub(crate) mod fobs;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod model;
pub(crate) mod msgpack;
pub(crate) mod npy;
pub mod npz;
mod safetensors;
pub(crate) mod sfm;
pub(crate) mod typed;
pub(crate) mod value;

pub(crate) use as_json::as_json;

#[cfg(test)]
pub(crate) mod vectors;
