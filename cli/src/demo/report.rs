//! The report of a demo, for people and as JSON.

use std::fmt;

use indicatif::HumanBytes;
use serde::Serialize;

use super::audit::Traffic;
use super::director::Facts;
use super::setup::Setup;
use super::stage::Stage;
use crate::training::{Baselines, Share};

/// The result of a demo.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether the model is good enough, nothing was lost and every fault happened.
    pub(super) ok: bool,
    /// Share of the held-out wines that the federation's model tells right.
    accuracy: f64,
    accuracy_central: f64,
    accuracy_best_site: f64,
    accuracy_median_site: f64,
    loss: f64,
    results_once: u64,
    /// Given again to the restored coordinator, which had not finished their round: it uses
    /// them once.
    results_twice: u64,
    results_lost: u64,
    resumed_uploads: u32,
    /// Of the upload that was cut; at most one window.
    bytes_sent_twice: u64,
    #[serde(skip)]
    cut_upload: Option<super::director::Resumed>,
    restored_sites: u32,
    restored_servers: u32,
    aborted_jobs: u32,
    /// Sites that stopped the aborted job.
    aborted_on: usize,
    sites: Vec<Traffic>,
    rounds: u32,
    #[serde(skip)]
    examples: Vec<usize>,
    seconds: f64,
}

/// What the federation may fall short of one party with all the data.
const SHORTFALL: f64 = 0.02;

/// The most that may travel twice when a connection is cut: one window.
const WINDOW: u64 = 2 << 20;

impl Report {
    pub(super) fn new(setup: &Setup, stage: &Stage, seconds: f64) -> Self {
        let rounds = setup.plan.rounds;
        let shares: Vec<Share> = setup.shares.iter().map(|share| share.to_vec()).collect();
        let baselines = Baselines::compute(&setup.data, &shares, rounds);
        let model = stage.model().unwrap_or_default();
        let evaluation = model.evaluate(&setup.data.holdout);
        let audit = &stage.audit;
        let expected = u64::from(rounds) * shares.len() as u64;
        let Facts {
            resumed_uploads,
            cut_upload,
            restored_sites,
            restored_servers,
            aborted_jobs,
            aborted_on,
        } = stage.director.facts().clone();
        let mut report = Self {
            ok: false,
            accuracy: evaluation.accuracy,
            accuracy_central: baselines.central.accuracy,
            accuracy_best_site: baselines.best_site(),
            accuracy_median_site: baselines.median_site(),
            loss: evaluation.loss,
            results_once: audit.once(),
            results_twice: audit.twice(),
            results_lost: expected.saturating_sub(audit.once()),
            resumed_uploads,
            bytes_sent_twice: cut_upload.map_or(0, |upload| upload.sent_twice),
            cut_upload,
            restored_sites,
            restored_servers,
            aborted_jobs,
            aborted_on: aborted_on.len(),
            sites: audit.sites().to_vec(),
            rounds,
            examples: shares.iter().map(Vec::len).collect(),
            seconds,
        };
        report.ok = report.complaints().is_empty();
        report
    }

    /// What is not as it should be.
    fn complaints(&self) -> Vec<&'static str> {
        let wrong = [
            (
                self.accuracy < self.accuracy_central - SHORTFALL,
                "the model falls short of one party with all the data",
            ),
            (
                self.accuracy < self.accuracy_median_site,
                "the model is worse than the median site's own",
            ),
            (self.results_lost > 0, "results were lost"),
            (
                self.cut_upload.is_none(),
                "no upload was cut and went on where it was",
            ),
            (
                self.bytes_sent_twice > WINDOW,
                "more than one window travelled twice",
            ),
            (
                self.restored_sites == 0,
                "no site was dropped and came back",
            ),
            (
                self.restored_servers == 0,
                "the coordinator was not dropped and restored",
            ),
            (self.aborted_jobs == 0, "no job was aborted on every site"),
        ];
        let wrong = wrong.into_iter().filter(|(wrong, _)| *wrong);
        wrong.map(|(_, complaint)| complaint).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |accuracy: f64| format!("{:5.1} %", 100.0 * accuracy);
        writeln!(f)?;
        writeln!(f, "accuracy on wines that no site has seen")?;
        writeln!(f, "  federated                  {}", percent(self.accuracy))?;
        let central = percent(self.accuracy_central);
        writeln!(f, "  one party with all data    {central}")?;
        let best = percent(self.accuracy_best_site);
        writeln!(f, "  best single site           {best}")?;
        let median = percent(self.accuracy_median_site);
        writeln!(f, "  median single site         {median}")?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<12}{:>7}{:>10}{:>13}{:>13}{:>9}",
            "site", "wines", "messages", "sent", "received", "retries"
        )?;
        for (site, wines) in self.sites.iter().zip(&self.examples) {
            writeln!(
                f,
                "{:<12}{wines:>7}{:>10}{:>13}{:>13}{:>9}",
                site.name,
                site.messages,
                HumanBytes(site.bytes_sent).to_string(),
                HumanBytes(site.bytes_received).to_string(),
                site.retries
            )?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "results       {} received, {} of them given again to the restored coordinator, {} lost",
            self.results_once, self.results_twice, self.results_lost
        )?;
        if let Some(upload) = self.cut_upload {
            writeln!(
                f,
                "cut           an upload of {} went on at {}; {} travelled twice",
                HumanBytes(upload.total),
                HumanBytes(upload.at),
                HumanBytes(upload.sent_twice)
            )?;
        }
        writeln!(
            f,
            "restored      {} site, {} coordinator, from what they had stored",
            self.restored_sites, self.restored_servers
        )?;
        writeln!(
            f,
            "aborted       {} job, on {} sites",
            self.aborted_jobs, self.aborted_on
        )?;
        writeln!(f)?;
        if self.ok {
            return write!(f, "all is well, after {:.1} s", self.seconds);
        }
        writeln!(f, "not as it should be:")?;
        for complaint in self.complaints() {
            writeln!(f, "  {complaint}")?;
        }
        Ok(())
    }
}
