//! Whether a program still answers. Not to is no failure: what computes cannot.

use std::time::{Duration, Instant};

/// How often a program is asked.
const EVERY: Duration = Duration::from_secs(30);

pub(crate) struct Ping {
    last: Instant,
    waiting: Option<Instant>,
}

impl Ping {
    pub(crate) fn new() -> Self {
        Self {
            last: Instant::now(),
            waiting: None,
        }
    }

    /// When it is time to ask, or to tell that there is no answer.
    pub(crate) fn at(&self) -> Instant {
        self.last + EVERY
    }

    /// It was asked or told.
    pub(crate) fn sent(&mut self) {
        self.last = Instant::now();
        self.waiting.get_or_insert(self.last);
    }

    /// Whatever it says is an answer.
    pub(crate) fn answered(&mut self) {
        self.waiting = None;
    }

    /// How long an answer is missing.
    pub(crate) fn unanswered_for(&self) -> Option<Duration> {
        self.waiting.map(|since| since.elapsed())
    }
}
