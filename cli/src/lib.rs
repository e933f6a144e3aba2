//! What the program `fedlink` is made of.

mod certificates;
pub mod demo;
pub mod exec;
pub mod federation;
pub mod interrupt;
pub mod join;
pub mod logging;
pub mod options;
pub mod parties;
pub mod print;
pub mod provision;
pub mod serve;
pub mod simulate;
pub mod training;
