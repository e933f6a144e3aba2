//! Tests that work inside of the machines: an attacker, a model checker, and the bodies of the
//! fuzz targets.

#[cfg(all(test, feature = "x509"))]
pub(crate) mod attacker;
#[cfg(test)]
mod checking;
pub mod fuzzing;
