//! What the program `fedlink` is made of.

pub mod provision;
pub mod training;
