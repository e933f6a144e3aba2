//! The report of `fedlink check`, for people and as JSON.

use std::fmt;

use serde::Serialize;

use crate::output::{self, Escaped};

/// All that was looked at, in its order.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether nothing of it is wrong.
    pub(super) right: bool,
    checks: Vec<Line>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    check: &'static str,
    right: bool,
    /// It is right, and somebody should see to it all the same.
    #[serde(skip_serializing_if = "is_false")]
    warning: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Report {
    pub(super) fn of(checks: Vec<Line>) -> Self {
        Self {
            right: checks.iter().all(|line| line.right),
            checks,
        }
    }
}

impl Line {
    pub(super) fn right(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            right: true,
            warning: false,
            found: found.into(),
            remedy: None,
        }
    }

    /// What is right now, and will not stay so, or may not be meant so.
    pub(super) fn warning(
        check: &'static str,
        found: impl Into<String>,
        remedy: Option<&str>,
    ) -> Self {
        Self {
            right: true,
            warning: true,
            ..Self::wrong(check, found, remedy)
        }
    }

    /// The remedy is left out where what was found says it.
    pub(super) fn wrong(
        check: &'static str,
        found: impl Into<String>,
        remedy: Option<&str>,
    ) -> Self {
        Self {
            check,
            right: false,
            warning: false,
            found: found.into(),
            remedy: remedy.map(str::to_owned),
        }
    }

    pub(super) fn is_right(&self) -> bool {
        self.right
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colours = output::prints_colours();
        let width = self.checks.iter().map(|line| line.check.len()).max();
        let width = width.unwrap_or_default();
        for line in &self.checks {
            let (mark, colour) = match (line.right, line.warning) {
                (true, false) => ("right", "\u{1b}[32m"),
                (true, true) => ("watch", "\u{1b}[33m"),
                (false, _) => ("WRONG", "\u{1b}[31m"),
            };
            let (on, off) = if colours {
                (colour, "\u{1b}[0m")
            } else {
                ("", "")
            };
            let found = line.found.replace('\n', "; ");
            writeln!(
                f,
                "{on}{mark}{off}  {:<width$}  {}",
                line.check,
                Escaped(found)
            )?;
            if let Some(remedy) = &line.remedy {
                writeln!(f, "       {:<width$}  {}", "", Escaped(remedy))?;
            }
        }
        let count = |which: fn(&Line) -> bool| self.checks.iter().filter(|it| which(it)).count();
        let (wrong, warnings) = (count(|it| !it.right), count(|it| it.warning));
        match wrong {
            0 if warnings > 0 => f.write_str("nothing is wrong")?,
            0 => f.write_str("all is right")?,
            1 => f.write_str("1 thing is not right")?,
            more => write!(f, "{more} things are not right")?,
        }
        match warnings {
            0 => Ok(()),
            1 => f.write_str("; 1 thing needs to be seen to"),
            more => write!(f, "; {more} things need to be seen to"),
        }
    }
}

fn is_false(it: &bool) -> bool {
    !it
}
