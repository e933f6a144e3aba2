//! What the program `fedlink` is made of.

pub mod training;
