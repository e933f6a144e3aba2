//! The client's end of a session with a server of NVIDIA FLARE 2.9.

mod settings;

pub use settings::{OnReplaced, Settings};
