//! How often each interesting thing happened, and how often it must.

use core::fmt;
use std::collections::BTreeMap;

macro_rules! claims {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What must hold after every step of every run. It is counted when something
        /// happened that could have broken it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Claim {
            $($(#[$doc])* $name,)*
        }

        const CLAIMS: &[Claim] = &[$(Claim::$name,)*];
    };
}

claims! {
    /// What is registered on the client was registered by the server.
    RegisteredAtBothEnds,
    /// A number of a sealed session is never accepted twice: one was refused.
    NumbersCountOnce,
    /// Nothing is accepted in a session that is over: something was refused.
    SessionsEnd,
    /// No token and no session is granted twice.
    TokensAreNew,
    /// The service session changes only when the server has lost what it had stored.
    ServiceSessionsStay,
    /// A task reaches a host once per assignment, although a process died or a connection broke.
    TasksComeOnce,
    /// A result reaches the server's host once, although a process died on its way.
    ResultsArriveOnce,
    /// A job that has ended is named to every client with its next answered heartbeat.
    AbortsArrive,
    /// Nothing is due any more after `handle_timeout`.
    TimersMoveOn,
    /// Queues, caches and tables stay within the configuration's limits.
    LimitsHold,
    /// The machines say of themselves what the model says of them.
    MachinesAgreeWithTheModel,
    /// A misuse and a refused message change nothing.
    MisusesLeaveNoTrace,
    /// The order in which a host takes outputs changes nothing: it had a choice.
    OrderIsIrrelevant,
    /// What was promised survives the process.
    PromisesSurvive,
    /// No client counts as dead because the server slept: some were at work when it did.
    DeathsAreDeserved,
    /// After quiet time a machine is at rest or at work.
    NobodyIsStuck,
}

/// How often each claim has to be put to the test at least.
pub const LEAST: u64 = 1_000;

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
    MessageSent = 35_000,
    MessageLost = 1_000,
    MessageDoubled = 1_000,
    /// A message arrives before one that was sent earlier.
    MessageOvertaken = 5_000,
    MessageSpoilt = 100,
    /// Sent into a connection that is broken, or to a process that is gone.
    MessageIntoNothing = 500,
    MessageEchoed = 100,
    /// A host has misused its machine.
    Misused = 0,
    /// A machine has got a message that it has to refuse, and was not changed by it.
    MessageRefused = 0,
    MessageRelayed = 1_000,
    LostAtRelay = 10,
    /// A message waits at a relay that is slow.
    RelaySlow = 100,
    CutByRelay = 30,
    RelayChanged = 100,
    ClockJumped = 50,
    WallJumped = 30,
    SendRefused = 50,
    ConnectionCut = 150,
    Roaming = 20,
    Partition = 70,
    SiteCrash = 70,
    ServerCrash = 50,
    SiteRestored = 70,
    ServerRestored = 50,
    WriteLost = 25,
    SiteSnapshot = 50,
    ServerSnapshot = 30,
    Slept = 20,
    Farewell = 150,
    Hiccup = 10,
    SitePaused = 8,
    SiteSuspended = 6,
    SiteWiped = 8,
    ServerWiped = 6,
    SiteDisabled = 8,
    Rejected = 8,
    Twin = 5,
    Retired = 5,
    Signed = 100,
    /// A host takes some outputs, and the others later.
    Rested = 500,
    PullFull = 100,
    Registered = 500,
    Renewed = 150,
    Replaced = 40,
    SessionSilent = 150,
    ConnectionReplaced = 100,
    ClientDead = 20,
    ClientLeft = 150,
    Suspected = 5,
    Overloaded = 5,
    Retried = 5_000,
    TaskGiven = 1_000,
    TaskGivenAgain = 20,
    TaskReassigned = 40,
    TaskWithdrawn = 20,
    TaskUnfit = 50,
    ResultTaken = 1_000,
    ResultGivenAgain = 10,
    ResultRefused = 30,
    ResultFailed = 50,
    ResultAborted = 50,
    LargeTask = 400,
    LargeResult = 500,
    UploadResumed = 10,
    DownloadResumed = 20,
    JobEnded = 100,
    JobAborted = 15,
    AbortDelivered = 100,
    AbortRepeated = 15,
    JobMissing = 5,
}

/// Counts of one run, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    cases: BTreeMap<Case, u64>,
    claims: BTreeMap<Claim, u64>,
    forbidden: Option<Case>,
}

impl Tally {
    /// Counts that fail when something happens that is forbidden.
    pub fn without(forbidden: Option<Case>) -> Self {
        Self {
            forbidden,
            ..Self::default()
        }
    }

    pub fn count(&mut self, case: Case) {
        self.add(case, 1);
    }

    pub fn add(&mut self, case: Case, times: u64) {
        assert!(self.forbidden != Some(case), "{case:?} is forbidden");
        *self.cases.entry(case).or_default() += times;
    }

    /// Something happened that could have broken a claim, and it holds.
    pub fn held(&mut self, claim: Claim) {
        *self.claims.entry(claim).or_default() += 1;
    }

    /// The claims that were put to the test too rarely, and how often they were.
    pub fn untested(&self) -> Vec<(Claim, u64)> {
        let times = |claim: &Claim| (*claim, self.claims.get(claim).copied().unwrap_or_default());
        let all = CLAIMS.iter().map(times);
        all.filter(|(_, times)| *times < LEAST).collect()
    }

    pub fn absorb(&mut self, other: &Self) {
        for (case, times) in &other.cases {
            self.add(*case, *times);
        }
        for (claim, times) in &other.claims {
            *self.claims.entry(*claim).or_default() += times;
        }
    }

    /// The cases that happened too rarely in so many runs, with what they should have
    /// reached.
    pub fn too_rare(&self, runs: u64) -> Vec<(Case, u64, u64)> {
        let enough = |(case, floor): &(Case, u64)| {
            let times = self.cases.get(case).copied().unwrap_or_default();
            (*case, times, floor * runs / 100)
        };
        let all = FLOORS.iter().map(enough);
        all.filter(|(_, times, floor)| times < floor).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (case, times) in &self.cases {
            writeln!(f, "{times:>12}  {case:?}")?;
        }
        writeln!(f, "and what held:")?;
        for (claim, times) in &self.claims {
            writeln!(f, "{times:>12}  {claim:?}")?;
        }
        Ok(())
    }
}
