//! The progress of a simulation on standard error.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Tick;

/// A progress bar, if anybody sees it.
pub(super) struct Screen(ProgressBar);

impl Screen {
    pub(super) fn new(quiet: bool, jitter: bool) -> Self {
        let target = if quiet || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template(TEMPLATE)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸─");
        let message = if jitter { "" } else { "without jitter" };
        Self(bar.with_style(style).with_message(message))
    }

    /// `now` of `end` simulated milliseconds are over.
    pub(super) fn show(&self, now: Tick, end: Tick) {
        self.0.set_length(u64::from(end / 1000));
        self.0.set_position(u64::from(now / 1000));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

const TEMPLATE: &str = "simulated {bar:32} {pos}/{len} s, {elapsed} {msg}";
