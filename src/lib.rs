//! fedlink: the communication layer of federated learning as a pure state machine.

pub mod identity;
