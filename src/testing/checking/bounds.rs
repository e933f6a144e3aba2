//! The bounds of an exploration: how many clients, jobs, faults and steps.

use core::fmt;

use crate::config::Check;

/// The size of a model, and how often each thing may happen in one run of it.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// Clients. The first takes part in the first job, all others in all.
    pub(super) sites: usize,
    pub(super) jobs: usize,
    /// Losses, repetitions, slow storages and crashes together.
    pub(super) faults: u8,
    /// Messages lost.
    pub(super) losses: u8,
    /// Messages that arrive and stay on their way to arrive again.
    pub(super) repeats: u8,
    /// Timers that fire because something did not come in time, of all clients together.
    pub(super) timeouts: u8,
    /// Sessions that a client makes anew beside one that it has.
    pub(super) renewals: u8,
    /// Heartbeats and further requests for tasks, of all clients together.
    pub(super) polls: u8,
    /// Times that a host's storage is slow, until it has stored all that waits.
    pub(super) stalls: u8,
    /// Processes that die and start again from what they stored.
    pub(super) crashes: u8,
    /// Servers that start again without what they stored.
    pub(super) amnesias: u8,
    /// Sessions that the server ends because nothing came.
    pub(super) deaths: u8,
    /// Jobs that the server's host ends.
    pub(super) endings: u8,
    /// Heartbeats that a client's host wants at once, while one is under way.
    pub(super) extra_heartbeats: u8,
    /// Messages on their way to one side of one client; no timer fires while there are
    /// more.
    pub(super) in_flight: usize,
    /// Checks that are taken away.
    pub(super) without: Vec<Check>,
    /// The server's host confirms a record before it is stored.
    pub(super) hasty_host: bool,
}

impl Bounds {
    /// A federation in which nothing goes wrong.
    pub(super) fn calm(sites: usize, jobs: usize) -> Self {
        Self {
            sites,
            jobs,
            faults: 0,
            losses: 0,
            repeats: 0,
            timeouts: 0,
            renewals: 0,
            polls: 0,
            stalls: 0,
            crashes: 0,
            amnesias: 0,
            deaths: 0,
            endings: 0,
            extra_heartbeats: 0,
            in_flight: 4,
            without: Vec::new(),
            hasty_host: false,
        }
    }

    /// Whether nothing can go wrong and nobody does anything unasked.
    pub(super) fn are_calm(&self) -> bool {
        let unasked = [
            self.faults,
            self.timeouts,
            self.renewals,
            self.amnesias,
            self.deaths,
            self.endings,
            self.extra_heartbeats,
        ];
        unasked.iter().all(|count| *count == 0)
    }
}

/// What was spent of the bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Spent {
    pub(super) losses: u8,
    pub(super) repeats: u8,
    pub(super) timeouts: u8,
    pub(super) renewals: u8,
    pub(super) polls: u8,
    pub(super) stalls: u8,
    pub(super) crashes: u8,
    pub(super) amnesias: u8,
    pub(super) deaths: u8,
    pub(super) endings: u8,
    pub(super) extra_heartbeats: u8,
}

impl Spent {
    pub(super) fn faults(&self) -> u8 {
        self.losses + self.repeats + self.stalls + self.crashes
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sites, jobs, .. } = self;
        writeln!(
            f,
            "{sites} clients, 1 server, {jobs} jobs with one task each, messages in any order"
        )?;
        let rows = [
            (self.faults, "of these together:"),
            (self.losses, "messages lost"),
            (self.repeats, "messages repeated"),
            (self.stalls, "storages slow until all is stored"),
            (self.crashes, "crashes of a client or the server"),
            (self.timeouts, "waits that end without an answer"),
            (self.renewals, "sessions made anew beside another"),
            (self.polls, "further heartbeats and requests for tasks"),
            (self.amnesias, "losses of the server's storage"),
            (self.deaths, "sessions ended for silence"),
            (self.endings, "jobs ended by the server's host"),
            (self.extra_heartbeats, "heartbeats beside another"),
        ];
        for (count, what) in rows.iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "  at most {count} {what}")?;
        }
        write!(
            f,
            "  at most {} messages on one way before another timer fires",
            self.in_flight
        )
    }
}
