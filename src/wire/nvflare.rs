//! NVIDIA FLARE 2.9 on the wire: frames, cells and values.
