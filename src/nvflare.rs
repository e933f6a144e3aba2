//! What a host needs in a federation of NVIDIA FLARE 2.9.

pub use crate::link::nvflare::{ControlId, Decision, OnReplaced, Settings};
