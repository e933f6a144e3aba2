//! Hosts for fedlink: what moves the bytes of the core's two machines, and what they need
//! to start and to be restarted.

pub mod kit;
pub mod store;
pub mod tls;

#[cfg(test)]
mod testing;
