//! Hosts on tokio.

mod client;
mod clock;
mod commit;
mod dial;
mod events;
mod handle;
mod pipe;

pub use client::{ClientHandle, ClientHost};
pub use dial::{Connection, Dial, Dialing, Stream, TcpDial};
pub use events::Events;
