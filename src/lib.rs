#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client;
mod digest;
mod entropy;
pub mod error;
pub mod identity;
mod link;
pub mod message;
mod server;
mod suite;
mod time;
mod timer;
mod transfer;
mod transmit;
mod wire;

pub use client::{
    Auth, Carrier, Client, ClientAction, ClientConfig, ClientCounters, CloseReason, Direction,
    Mode, Phase, Rejection, RetryReason, Suspicion, Task, Timer, Trigger,
};
pub use message::RejectReason;
pub use server::{
    Assignee, Joined, NewTask, ResultReceived, Server, ServerAction, ServerConfig, ServerCounters,
    ServerTimer, Sites, TaskState, TaskView,
};
pub use suite::{Suite, Suites};
pub use time::Instant;
pub use transmit::{ServerTransmit, Transmit};

/// Messages on a carrier of bytes.
pub mod frame {
    pub use crate::wire::native::{FrameError, Frames, MAX_MESSAGE, MAX_STRANGER, frame_header};
}

/// What hosts need in a federation of NVIDIA FLARE: frames, values, arrays and models.
#[cfg(feature = "nvflare")]
pub mod nvflare {
    pub use crate::wire::nvflare::fobs::FobsError;
    pub use crate::wire::nvflare::msgpack::MsgpackError;
    pub use crate::wire::nvflare::npy::{Array, Element, NpyError};
    pub use crate::wire::nvflare::npz;
    pub use crate::wire::nvflare::sfm::{FrameError, Frames, MAX_FRAME};
    pub use crate::wire::nvflare::value::Value;
}
