//! The program `fedlink`.
fn main() {}
