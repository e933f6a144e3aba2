//! The operator's filter: a program that makes of the arrays of a result what may leave.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::arrays::Arrays;
use crate::inbox::{Inbox, Next};
use crate::output::Tail;
use crate::process::{Death, Process};
use crate::program::Launch;
use crate::task::Failure;

/// How often it is looked whether the result is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The name of the file that a filter writes.
const FILTERED: &str = "filtered";

/// Gives the arrays to the filter, if there is one. Without a result of its own nothing leaves.
pub(crate) fn apply(
    launch: &Launch,
    arrays: Arrays,
    is_wanted: impl Fn() -> bool,
) -> Result<Arrays, Failure> {
    if launch.filter.is_empty() {
        return Ok(arrays);
    }
    let failed = |problem: String| Failure::Filter(problem);
    // Not in the folder of the program: what it writes there could take the place of the
    // filter's.
    let folder = launch
        .private_folder()
        .map_err(|error| failed(error.to_string()))?;
    let mut words = launch.filter.clone();
    words.push(OsString::from(arrays.path()));
    words.push(folder.path().join(FILTERED).into());
    let inbox = Arc::new(Inbox::default());
    let process = Process::start(
        launch,
        &words,
        &[],
        folder.path(),
        &Tail::default(),
        Arc::clone(&inbox),
    );
    let mut process = process.map_err(|error| failed(error.to_string()))?;
    let death = loop {
        match inbox.next("", Some(Instant::now() + LOOK_EVERY)) {
            Next::Dead(death) => break death,
            _ if is_wanted() => {}
            _ => process.kill(),
        }
    };
    match death {
        Death::Exited(0) => {
            let filtered = Arrays::open(folder.path(), FILTERED, launch.max_result);
            let filtered = filtered.map_err(|error| failed(error.to_string()))?;
            Ok(filtered.within(folder))
        }
        death => Err(failed(death.to_string())),
    }
}
