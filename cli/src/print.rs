//! What a command tells when it is done.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

/// Prints a report for people, or as one object of JSON.
pub(crate) fn report(report: &(impl Display + Serialize), json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let json = serde_json::to_string_pretty(report)?;
        writeln!(out, "{json}")
    } else {
        writeln!(out, "{report}")
    }
}
