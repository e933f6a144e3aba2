//! Sites of NVIDIA FLARE 2.5 to 2.9: start-up kits, TLS, carriers, and what jobs ask of
//! results.

mod app;
mod deployments;
mod difference;
#[cfg(any(feature = "grpc", feature = "websocket"))]
mod frame_buffer;
#[cfg(feature = "grpc")]
mod grpc;
mod kit;
mod outline;
#[cfg(test)]
mod testing;
mod tls;
#[cfg(feature = "websocket")]
mod websocket;

#[cfg(fuzzing)]
pub use app::fuzz as fuzz_app;
pub use deployments::{Accepted, Deployments};
#[cfg(feature = "grpc")]
pub use grpc::GrpcDial;
pub use kit::{Credentials, Kit, KitError, KitWarning, Scheme, Security};
#[cfg(feature = "websocket")]
pub use websocket::WebSocketDial;
