//! The phases of a client, the data of each, and the table of all transitions between them.

use alloc::boxed::Box;
use alloc::string::String;

use super::certificates::Span;
use super::heartbeat::Heartbeats;
use super::registration::Attempt;
use crate::Instant;
use crate::message::RequestId;

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Made or restored, and not asked to register.
    Idle,
    /// On the way to a registration, however long it takes.
    Registering,
    /// Registered: heartbeats go out, tasks come in.
    Active,
    /// Saying goodbye.
    Quitting,
    /// Refused for good.
    Rejected,
    /// Gone. Its records hold what was not finished.
    Closed,
}

/// What leads from one phase to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// The host calls `register`.
    Register,
    /// The server grants a session.
    Registered,
    /// The server refuses the client for good.
    Refused,
    /// The session is gone.
    SessionLost,
    /// The host calls `quit`.
    Quit,
    /// The server answers the farewell, or does not.
    Farewell,
    /// In a simulation, a heartbeat failed.
    HeartbeatFailed,
}

/// Every change of phase that there is.
pub(crate) const TRANSITIONS: &[(Phase, Trigger, Phase)] = &[
    (Phase::Idle, Trigger::Register, Phase::Registering),
    (Phase::Idle, Trigger::Quit, Phase::Closed),
    (Phase::Registering, Trigger::Registered, Phase::Active),
    (Phase::Registering, Trigger::Refused, Phase::Rejected),
    (Phase::Registering, Trigger::Quit, Phase::Closed),
    (Phase::Active, Trigger::SessionLost, Phase::Registering),
    (Phase::Active, Trigger::Refused, Phase::Rejected),
    (Phase::Active, Trigger::Quit, Phase::Quitting),
    (Phase::Active, Trigger::HeartbeatFailed, Phase::Closed),
    (Phase::Quitting, Trigger::Farewell, Phase::Closed),
    (Phase::Rejected, Trigger::Register, Phase::Registering),
    (Phase::Rejected, Trigger::Quit, Phase::Closed),
    (Phase::Closed, Trigger::Register, Phase::Registering),
];

/// A phase with the data that lives only in it.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) enum State {
    Idle,
    Registering(Box<Attempt>),
    Active(Box<Active>),
    Quitting(Box<Quitting>),
    Rejected,
    Closed,
}

/// What lives as long as a registration.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Active {
    pub(crate) heartbeats: Heartbeats,
    /// From when to when it counts, unless it counts for ever.
    pub(crate) span: Option<Span>,
    /// A registration made anew beside this one.
    pub(crate) renewal: Option<Attempt>,
    /// When one begins, on the next connection if there is none then.
    pub(crate) renew_at: Option<Instant>,
    /// When the server last seemed to drop what this client sends.
    #[cfg(feature = "nvflare")]
    pub(crate) auth_dropped: Option<Instant>,
    /// The latest count of changes that lists of jobs came with, in this session.
    pub(crate) generation: Option<u64>,
}

/// A farewell under way.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Quitting {
    pub(crate) request: RequestId,
    pub(crate) reason: String,
    pub(crate) tries: u32,
}

impl State {
    pub(crate) fn phase(&self) -> Phase {
        match self {
            Self::Idle => Phase::Idle,
            Self::Registering(_) => Phase::Registering,
            Self::Active(_) => Phase::Active,
            Self::Quitting(_) => Phase::Quitting,
            Self::Rejected => Phase::Rejected,
            Self::Closed => Phase::Closed,
        }
    }

    /// The handshake under way, for a first registration or a new one.
    pub(crate) fn attempt(&mut self) -> Option<&mut Attempt> {
        match self {
            Self::Registering(attempt) => Some(attempt),
            Self::Active(active) => active.renewal.as_mut(),
            Self::Idle | Self::Quitting(_) | Self::Rejected | Self::Closed => None,
        }
    }

    /// Moves to `next`. Only the ways of the table are taken.
    pub(crate) fn change(&mut self, trigger: Trigger, next: Self) {
        let way = (self.phase(), trigger, next.phase());
        debug_assert!(TRANSITIONS.contains(&way), "{way:?} is not in the table");
        tracing::debug!(from = ?way.0, trigger = ?way.1, to = ?way.2, "client changes phase");
        *self = next;
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_diagram_of_the_documents_shows_exactly_the_table() {
        let drawn: BTreeSet<String> = include_str!("../../docs/embedding.md")
            .lines()
            .map(str::trim)
            .filter(|line| line.contains(" --> ") && !line.starts_with("[*]"))
            .map(str::to_owned)
            .collect();
        let table: BTreeSet<String> = TRANSITIONS
            .iter()
            .map(|(from, trigger, to)| format!("{from:?} --> {to:?}: {trigger:?}"))
            .collect();
        assert_eq!(drawn, table);
    }

    #[test]
    fn a_phase_and_a_trigger_lead_to_one_phase() {
        let ways: BTreeSet<_> = TRANSITIONS.iter().map(|(from, by, _)| (from, by)).collect();
        assert_eq!(ways.len(), TRANSITIONS.len());
    }
}
