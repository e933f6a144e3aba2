//! What tests and fuzz targets share.

pub mod fuzzing;
#[cfg(test)]
mod replay;
