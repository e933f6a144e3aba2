//! What hosts need in a federation of NVIDIA FLARE 2.5 to 2.9: settings, decisions, values,
//! arrays and models.

pub use crate::config::nvflare::{OnReplaced, Settings};
pub use crate::link::nvflare::Decision;
pub use crate::message::ControlId;
pub use crate::wire::nvflare::fobs::FobsError;
pub use crate::wire::nvflare::model::{Model, ModelError};
pub use crate::wire::nvflare::msgpack::MsgpackError;
pub use crate::wire::nvflare::npy::{Array, Element, NpyError};
pub use crate::wire::nvflare::npz;
pub use crate::wire::nvflare::value::Value;
