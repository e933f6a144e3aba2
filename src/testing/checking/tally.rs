//! How often interesting things happened, so that no property holds because nothing did.

use alloc::collections::BTreeMap;
use std::sync::Mutex;

/// Something worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Case {
    /// A server saw a Register again whose cookie had made a session.
    CookieAgain,
    /// A message of a session came again.
    SealedAgain,
    /// A message came for a session that is gone.
    SessionGone,
    /// An answer came that nobody waited for any more.
    AnswerTooLate,
    /// A client was given lists of jobs older than others it knew.
    OldLists,
    /// A process died while a record was being written.
    CrashWhileWriting,
    /// A client died while it had a result to send.
    CrashWithResult,
    /// A task came again after a restart.
    TaskAgain,
    /// A result came again after a restart.
    ResultAgain,
    /// A result was refused.
    ResultRefused,
    /// A client registered a second time.
    Reregistered,
    /// A run was over, and what was left was let through.
    Healed,
}

/// One count for each case.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<Case, u64>>);

impl Tally {
    pub(super) fn count(&self, case: Case) {
        let mut counts = self.0.lock().expect("no thread panics while it counts");
        *counts.entry(case).or_default() += 1;
    }

    pub(super) fn of(&self, case: Case) -> u64 {
        let counts = self.0.lock().expect("no thread panics while it counts");
        counts.get(&case).copied().unwrap_or_default()
    }

    /// All counts, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let counts = self.0.lock().expect("no thread panics while it counts");
        counts
            .iter()
            .map(|(case, count)| format!("  {case:?}: {count}"))
            .collect()
    }
}
