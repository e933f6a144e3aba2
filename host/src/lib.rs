//! Hosts for fedlink: they move the bytes of the core's two machines, keep time, store
//! records, and read what a machine needs to start.

mod address;
pub mod blocking;
mod clock;
mod connectivity;
mod current;
mod dates;
mod disk;
mod error;
mod file;
mod hash;
pub mod kit;
mod limits;
#[cfg(feature = "nvflare")]
pub mod nvflare;
mod path;
mod proxy;
pub mod reload;
mod server_name;
mod socket;
pub mod storage;
pub mod store;
pub mod tls;
pub mod tokio;
pub mod trainer;

#[cfg(test)]
mod testing;

pub use address::{Address, AddressError, Host, host_name_fault};
pub use clock::{random_id, seed, unix_time};
pub use connectivity::{ConnectionFailure, Connectivity};
pub use current::Current;
pub use dates::explain;
pub use disk::disk_remedy;
pub use error::{CallError, HostError, Stopped};
pub use hash::hash_ahead;
pub use path::{PathFault, check_path};
pub use proxy::{Proxies, Proxy, ProxyError, ProxySetting};
