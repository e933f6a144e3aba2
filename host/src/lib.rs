//! Hosts for fedlink: what moves the bytes of the core's two machines.

pub mod kit;
