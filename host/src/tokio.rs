//! Hosts on tokio.

mod accept;
mod client;
mod clock;
mod commit;
mod dial;
mod events;
mod handle;
mod memory;
mod pipe;
mod server;

pub use accept::{Accept, Accepted, Incoming, TcpAccept};
pub use client::{ClientHandle, ClientHost};
pub use dial::{Connection, Dial, Dialing, Stream, TcpDial};
pub use events::Events;
pub use handle::Handle;
pub use memory::{MemoryAccept, MemoryDial, memory};
pub use server::{Limits, ServerHandle, ServerHost};
