//! The load over the time, drawn.

use std::path::Path;

use super::SimulateError;
use super::figures::Figures;
use super::plan::Plan;

pub(super) fn draw(_: &Path, _: &Plan, _: &[Figures]) -> Result<(), SimulateError> {
    Ok(())
}
