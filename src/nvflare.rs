//! What hosts need in a federation of NVIDIA FLARE 2.9: settings, decisions, frames,
//! values, arrays and models.

pub use crate::link::nvflare::{ControlId, Decision, OnReplaced, Settings};
pub use crate::wire::nvflare::fobs::FobsError;
pub use crate::wire::nvflare::msgpack::MsgpackError;
pub use crate::wire::nvflare::sfm::{FrameError, Frames, MAX_FRAME};
pub use crate::wire::nvflare::value::Value;
