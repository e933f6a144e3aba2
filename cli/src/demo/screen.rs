//! The progress of a demo on standard error.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;
use crate::training::Evaluation;

/// Progress bars, and lines above them.
pub(super) struct Screen {
    output: Output,
    rounds: ProgressBar,
    uploads: Vec<ProgressBar>,
}

enum Output {
    /// Bars and lines.
    Terminal(MultiProgress),
    /// Lines alone.
    Lines,
    Nothing,
}

impl Screen {
    pub(super) fn new(quiet: bool, names: &[String], rounds: u32) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let output = match (quiet, terminal) {
            (true, _) => Output::Nothing,
            (false, true) => Output::Terminal(MultiProgress::new()),
            (false, false) => Output::Lines,
        };
        let bar = |length: u64, prefix: &str, template: &str| {
            let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("━╸─");
            let bar = bar.with_style(style).with_prefix(prefix.to_owned());
            match &output {
                Output::Terminal(bars) => bars.add(bar),
                Output::Lines | Output::Nothing => bar,
            }
        };
        let rounds = bar(u64::from(rounds), "rounds", ROUNDS);
        let uploads = names.iter().map(|name| bar(0, name, UPLOAD)).collect();
        Self {
            output,
            rounds,
            uploads,
        }
    }

    /// A line for people.
    pub(super) fn say(&self, line: impl AsRef<str>) {
        match &self.output {
            // What cannot be shown is not worth failing for.
            Output::Terminal(bars) => drop(bars.println(output::escape(line.as_ref()))),
            Output::Lines => output::say(line),
            Output::Nothing => {}
        }
    }

    pub(super) fn round(&self, round: u32, evaluation: Evaluation, results: usize) {
        self.rounds.set_position(u64::from(round));
        let Evaluation { loss, accuracy } = evaluation;
        self.say(format!(
            "round {round:>3}   loss {loss:.4}   accuracy {:.1} %   {results} results",
            100.0 * accuracy
        ));
    }

    pub(super) fn upload(&self, site: usize, done: u64, total: u64) {
        if let Some(bar) = self.uploads.get(site) {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    pub(super) fn trained(&self, site: usize, round: u32) {
        if let Some(bar) = self.uploads.get(site) {
            bar.set_message(format!("round {round}"));
        }
    }

    /// Takes the bars away.
    pub(super) fn clear(&self) {
        if let Output::Terminal(bars) = &self.output {
            drop(bars.clear());
        }
    }
}

const ROUNDS: &str = "{prefix:>10} {bar:32} {pos}/{len}";
const UPLOAD: &str = "{prefix:>10} {bar:32} {bytes}/{total_bytes} {msg}";
