//! What the program `fedlink` is made of.

pub mod demo;
pub mod federation;
pub mod interrupt;
pub mod logging;
pub mod options;
pub mod provision;
pub mod training;
