//! What a host needs in a federation of NVIDIA FLARE 2.9.

pub use crate::link::nvflare::{ControlId, Decision, OnReplaced, Settings};
pub use crate::wire::nvflare::fobs::FobsError;
pub use crate::wire::nvflare::msgpack::MsgpackError;
pub use crate::wire::nvflare::sfm::{FrameError, Frames, MAX_FRAME};
pub use crate::wire::nvflare::value::Value;
