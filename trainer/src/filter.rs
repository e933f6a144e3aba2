//! The operator's filter: a program that makes of the arrays of a result what may leave.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::arrays::Arrays;
use crate::inbox::{Inbox, Next};
use crate::output::Tail;
use crate::process::{Death, Process};
use crate::program::Launch;
use crate::running::kill_for_good;
use crate::task::Failure;

/// How often it is looked whether the result is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The names of the file that a filter reads, and of that which it writes.
const GIVEN: &str = "given";
const FILTERED: &str = "filtered";

/// Gives the arrays to the filter, if there is one, which has time `until` then. Without a
/// result of its own nothing leaves. `stopped` tells why the task is no longer wanted.
pub(crate) fn apply(
    launch: &Launch,
    arrays: Arrays,
    until: Option<Instant>,
    stopped: impl Fn() -> Option<String>,
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
    // Nor does it read there: what it reads is the file that was judged.
    let given = folder.path().join(GIVEN);
    arrays
        .keep(&given)
        .map_err(|error| failed(error.to_string()))?;
    let mut words = launch.filter.clone();
    words.push(OsString::from(given));
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
        if let Next::Dead(death) = inbox.next("", Some(Instant::now() + LOOK_EVERY)) {
            break death;
        }
        let over = until.is_some_and(|until| Instant::now() >= until);
        let limit = over.then(|| Failure::Limit(launch.limit.unwrap_or_default()));
        if let Some(failure) = stopped().map(Failure::Stopped).or(limit) {
            process.kill();
            kill_for_good(&inbox, &mut process);
            return Err(failure);
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
