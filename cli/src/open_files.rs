//! The limit of open files of this process: each connection is one.

/// Files besides connections: the records, the kit, the runtime, the screen.
const RESERVE: u64 = 64;

/// Raises the limit of open files as far as this user may, and returns how many connections fit
/// below it, if fewer than `wanted` do. For a moment there may be twice as many, as some break
/// off for others.
#[cfg(unix)]
pub(crate) fn places(wanted: usize) -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let fit = usize::try_from(files?.saturating_sub(RESERVE) / 2).unwrap_or(usize::MAX);
    (fit < wanted).then_some(fit.max(1))
}

/// Elsewhere sockets are no files.
#[cfg(not(unix))]
pub(crate) fn places(_: usize) -> Option<usize> {
    None
}
