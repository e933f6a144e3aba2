//! Hosts on tokio: clients and servers in tasks, over TCP, TLS or a carrier of your own.
//!
//! The machine is owned by one task, whose loop is short: take all that the machine
//! wants, wait until anything happens, tell the machine. The application does not see
//! that task. It calls the machine through a [`Handle`] and takes what concerns it from
//! the [`Events`]:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use fedlink::{ClientAction, ClientConfig, identity::Identity, message::*};
//! # use fedlink_host::{store::FileStore, tokio::{ClientHost, TcpDial}};
//! # async fn train(input: &[u8]) -> Vec<u8> { input.to_vec() }
//! # async fn run(config: Arc<ClientConfig>, identity: Identity) -> Result<(), Box<dyn std::error::Error>> {
//! let (store, records) = FileStore::open("state".as_ref())?;
//! let dial = TcpDial::new(["fl.example.org:8002"]);
//! let host = ClientHost::new(config, identity, dial).storage(store, records);
//! let (client, mut events) = host.start()?;
//! client.register().await?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         ClientAction::StartJobs(jobs) => {
//!             for job in jobs {
//!                 client.job_started(job).await?;
//!                 client.pull_task(job).await?;
//!             }
//!         }
//!         ClientAction::TaskAssigned(task) => {
//!             let result = Payload::new(train(task.payload.bytes()).await);
//!             client.submit(task.id, Outcome::Ok, Properties::new(), result).await?;
//!             client.pull_task(task.job).await?;
//!         }
//!         ClientAction::AbortJobs(jobs) => {
//!             for job in jobs {
//!                 client.job_ended(job).await?;
//!             }
//!         }
//!         ClientAction::Rejected(_) => client.quit("rejected").await?,
//!         _ => {}
//!     }
//! }
//! events.finish().await?;
//! # Ok(()) }
//! ```
//!
//! Everything between the application, the machine and the network is bounded. What
//! cannot be handed on waits at the socket, where the peer feels it.

mod accept;
mod client;
mod clock;
mod commit;
mod dial;
mod events;
mod explained;
mod greet;
mod handle;
mod listen;
mod memory;
mod pipe;
mod redial;
mod server;
#[cfg(feature = "websocket")]
pub(crate) mod websocket;

pub use crate::limits::Limits;
pub use accept::{Accept, Accepted, Incoming, TcpAccept};
pub use client::{ClientHandle, ClientHost};
pub use dial::{Connection, Dial, Dialing, Stream, TcpDial};
pub use events::Events;
pub use greet::{Greeting, greet};
pub use handle::Handle;
pub use listen::{ListenError, listen};
pub use memory::{MemoryAccept, MemoryDial, memory};
pub use redial::Redial;
pub use server::{ServerHandle, ServerHost};
#[cfg(feature = "websocket")]
pub use websocket::PATH as WEBSOCKET_PATH;
