//! NVIDIA FLARE 2.9 on the wire: frames, cells and values.

pub(crate) mod msgpack;
pub(crate) mod sfm;
pub(crate) mod typed;
pub(crate) mod value;
