//! The counts of a simulation.

use serde::Serialize;

use super::plan::Tick;

/// Figures of one run, but for those of the machine that it ran on.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Figures {
    /// Simulated milliseconds.
    pub(super) ended_at: Tick,
    /// Sessions that clients got.
    pub(super) joins: u64,
    pub(super) heartbeats_sent: u64,
    /// Answered ones.
    pub(super) heartbeats: u64,
    /// Messages of clients, those that were lost too.
    pub(super) sent: u64,
    /// Some of them.
    pub(super) challenges: u64,
    pub(super) registers: u64,
    /// Messages of the server.
    pub(super) answered: u64,
    pub(super) lost_to_server: u64,
    pub(super) lost_to_clients: u64,
    /// Messages of the server that reached their clients.
    pub(super) heard: u64,
    /// Still on their way, or gone with the server.
    pub(super) unheard: u64,
    /// Messages that clients sent because there was no answer to one before.
    pub(super) repeated: u64,
    /// Answers that came when nobody waited any more.
    pub(super) late: u64,
    /// Clients that heard that the server does not know their session.
    pub(super) unknown_sessions: u64,
    pub(super) refused: u64,
    pub(super) tasks_assigned: u64,
    pub(super) tasks_received: u64,
    /// Results that arrived, each counted once.
    pub(super) results: u64,
    /// Results that arrived once more.
    pub(super) results_twice: u64,
    pub(super) results_lost: u64,
    /// At the end.
    pub(super) at_work: u32,
    /// Clients that the server took for dead, or that left.
    pub(super) gone: u64,
    pub(super) server: ServerFigures,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storm: Option<StormFigures>,
    #[serde(skip)]
    pub(super) rounds_begun: u32,
    #[serde(skip)]
    pub(super) series: Vec<Second>,
}

/// What the server counted, in its life or two.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ServerFigures {
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) registrations: u64,
    pub(super) dropped: u64,
    /// Some of them: more from strangers than its budgets allow.
    pub(super) over_budget: u64,
    /// Some of them: of sessions that it did not know.
    pub(super) no_session: u64,
    /// The most actions and messages that ever waited for its host.
    pub(super) most_waiting: usize,
    pub(super) clients: usize,
}

/// How all came back.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct StormFigures {
    /// When the server was lost.
    pub(super) lost_at: Tick,
    /// How long it was until half of them were at work again, then 99 of 100, then all.
    pub(super) half_after: Option<Tick>,
    pub(super) most_after: Option<Tick>,
    pub(super) all_after: Option<Tick>,
    /// Messages in front of the server.
    pub(super) longest_queue: u64,
    /// The longest time that one of them waited, in microseconds.
    pub(super) longest_wait: u64,
    /// The share of a second in which the core was busy, at most.
    pub(super) peak_load: f64,
    /// Messages in the second that had most.
    pub(super) peak_messages: u64,
}

/// One second of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Second {
    /// Messages that the server handled.
    pub(super) messages: u32,
    /// The longest queue.
    pub(super) queue: usize,
    /// Microseconds in which the core was busy.
    pub(super) busy: u64,
    /// Clients that were at work at its end.
    pub(super) at_work: u32,
}

impl Figures {
    /// The second that a tick is in.
    pub(super) fn second(&mut self, at: Tick) -> &mut Second {
        let place = at as usize / 1000;
        if self.series.len() <= place {
            self.series.resize(place + 1, Second::default());
        }
        &mut self.series[place]
    }
}
