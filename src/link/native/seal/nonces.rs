//! A watch over every encryption in a test: no nonce is used twice under one key.

use alloc::collections::{BTreeMap, BTreeSet};
use core::cell::RefCell;

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Watch {
    /// The last number of each key would not do: numbers need not grow.
    sealed: BTreeMap<[u8; 32], BTreeSet<[u8; 12]>>,
    twice: u64,
}

/// Forgets what was sealed in this thread and watches from now on.
pub(crate) fn watch() {
    WATCH.set(Some(Watch::default()));
}

/// Nothing that `run` seals counts: who holds a key may do with it what it likes.
pub(crate) fn unwatched<T>(run: impl FnOnce() -> T) -> T {
    let kept = WATCH.take();
    let result = run();
    WATCH.set(kept);
    result
}

/// How often a nonce served a second time under its key.
pub(crate) fn twice() -> u64 {
    WATCH.with_borrow(|watch| watch.as_ref().map_or(0, |watch| watch.twice))
}

/// Every key that sealed something.
pub(crate) fn keys() -> Vec<[u8; 32]> {
    WATCH.with_borrow(|watch| {
        let sealed = watch.iter().flat_map(|watch| watch.sealed.keys());
        sealed.copied().collect()
    })
}

pub(super) fn note(key: &[u8; 32], nonce: [u8; 12]) {
    WATCH.with_borrow_mut(|watch| {
        if let Some(watch) = watch
            && !watch.sealed.entry(*key).or_default().insert(nonce)
        {
            watch.twice += 1;
        }
    });
}
