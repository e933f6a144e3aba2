//! Counts looks at table entries, for tests of how work grows.

use core::cell::Cell;

thread_local! {
    static LOOKS: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn note() {
    LOOKS.set(LOOKS.get() + 1);
}

/// How many looks `run` takes.
pub(crate) fn of(run: impl FnOnce()) -> usize {
    let before = LOOKS.get();
    run();
    LOOKS.get() - before
}
