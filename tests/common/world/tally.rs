//! How often each interesting thing happened, and how often it must.

use core::fmt;
use std::collections::BTreeMap;

macro_rules! cases {
    ($($(#[$doc:meta])* $name:ident = $floor:literal,)*) => {
        /// Something that a run is there to show.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Case {
            $($(#[$doc])* $name,)*
        }

        /// How often each case has to happen in a hundred runs.
        const FLOORS: &[(Case, u64)] = &[$((Case::$name, $floor),)*];
    };
}

cases! {
    MessageSent = 50_000,
    MessageLost = 1_000,
    MessageDoubled = 1_000,
    /// A message arrives before one that was sent earlier.
    MessageOvertaken = 1_000,
    MessageSpoilt = 50,
    /// Sent into a connection that is broken, or to a process that is gone.
    MessageIntoNothing = 500,
    MessageEchoed = 100,
    SendRefused = 100,
    ConnectionCut = 100,
    Roaming = 20,
    Partition = 50,
    SiteCrash = 100,
    ServerCrash = 50,
    SiteRestored = 100,
    ServerRestored = 50,
    WriteLost = 10,
    SiteSnapshot = 50,
    ServerSnapshot = 50,
    Slept = 20,
    Farewell = 20,
    Hiccup = 10,
    SitePaused = 10,
    SiteSuspended = 10,
    SiteWiped = 5,
    ServerWiped = 5,
    SiteDisabled = 10,
    Rejected = 5,
    Signed = 20,
    Rested = 100,
    PullFull = 10,
    TaskUnfit = 5,
    Registered = 300,
    Renewed = 50,
    Replaced = 50,
    SessionSilent = 30,
    ClientDead = 20,
    ClientLeft = 20,
    Suspected = 10,
    Retried = 500,
    TaskGiven = 500,
    TaskGivenAgain = 20,
    TaskReassigned = 20,
    TaskWithdrawn = 10,
    ResultTaken = 500,
    ResultGivenAgain = 5,
    ResultRefused = 20,
    ResultFailed = 20,
    ResultAborted = 10,
    LargeTask = 50,
    LargeResult = 50,
    UploadResumed = 10,
    DownloadResumed = 10,
    JobEnded = 100,
    JobAborted = 20,
    AbortDelivered = 20,
    AbortRepeated = 3,
    JobMissing = 1,
}

/// Counts of one run, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Case, u64>);

impl Tally {
    pub fn count(&mut self, case: Case) {
        self.add(case, 1);
    }

    pub fn add(&mut self, case: Case, times: u64) {
        *self.0.entry(case).or_default() += times;
    }

    pub fn absorb(&mut self, other: &Self) {
        for (case, times) in &other.0 {
            self.add(*case, *times);
        }
    }

    /// The cases that happened too rarely in so many runs, with what they should have
    /// reached.
    pub fn too_rare(&self, runs: u64) -> Vec<(Case, u64, u64)> {
        let enough = |(case, floor): &(Case, u64)| {
            let times = self.0.get(case).copied().unwrap_or_default();
            (*case, times, floor * runs / 100)
        };
        let all = FLOORS.iter().map(enough);
        all.filter(|(_, times, floor)| times < floor).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (case, times) in &self.0 {
            writeln!(f, "{times:>12}  {case:?}")?;
        }
        Ok(())
    }
}
