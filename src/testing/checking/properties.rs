//! The properties that are checked: what holds in every state, and what every run comes to.

use stateright::{Model as _, Property};

use super::heal::Healing;
use super::model::Model;
use super::state::{Fault, State};
use super::tally::Case;
use crate::message::TaskId;
use crate::{Phase, TaskState};

impl Model {
    pub(super) fn all_properties() -> Vec<Property<Self>> {
        vec![
            Property::always(
                "a result reaches the server's host at most once",
                |_, state: &State| state.witness.received.values().all(|times| *times <= 1),
            ),
            Property::always(
                "a task reaches a client's host at most once",
                |_, state: &State| state.witness.given.values().all(|times| *times <= 1),
            ),
            Property::always(
                "an active client's session is or was the server's",
                |_, state: &State| active_means_registered(state),
            ),
            Property::always("a cookie makes one session", |_, state: &State| {
                !state.witness.faults.contains(&Fault::CookieTwice)
            }),
            Property::always("old lists of jobs do nothing", |_, state: &State| {
                !state.witness.faults.contains(&Fault::OldLists)
            }),
            Property::always(
                "a result counts in its service session alone",
                |_, state: &State| !state.witness.faults.contains(&Fault::ForeignResult),
            ),
            Property::always("nobody is rejected", |_, state: &State| {
                !state.witness.faults.contains(&Fault::Rejected)
            }),
            Property::always("a stored result is kept by one side", |_, state: &State| {
                let promised = state.witness.promised.iter();
                promised.copied().all(|task| is_kept(state, task))
            }),
            Property::eventually(
                "undisturbed, all work gets done",
                |model: &Self, state: &State| {
                    !model.bounds.are_calm()
                        || state.network.is_empty() && Healing::of(state).is_done()
                },
            ),
            Property::always("what is over heals", |model: &Self, state: &State| {
                let mut steps = Vec::new();
                model.actions(state, &mut steps);
                // Who lost its storage gives old ids to new tasks, which clients take for
                // old ones.
                if !steps.is_empty() || state.spent.amnesias > 0 {
                    return true;
                }
                model.tally.count(Case::Healed);
                Healing::of(state).succeeds()
            }),
        ]
    }
}

/// The server keeps the session of every active client under the same name and service
/// session, or has ended it.
fn active_means_registered(state: &State) -> bool {
    let server = &state.center.server;
    state.sites.iter().enumerate().all(|(index, site)| {
        let session = site.client.session_id();
        let active = site.client.phase() == Phase::Active;
        let Some(session) = session.filter(|_| active) else {
            return !active;
        };
        let lives = server
            .holders()
            .find(|(id, _)| *id == session)
            .is_none_or(|(_, name)| {
                name == site.client.name() && site.client.ssid() == Some(server.ssid())
            });
        lives && state.witness.made.get(&session) == Some(&index)
    })
}

/// Whether a result that a client has stored is still to be sent or held by the server;
/// or the server runs its job no more, or another service session, or it was refused.
fn is_kept(state: &State, task: TaskId) -> bool {
    let server = &state.center.server;
    let to_be_sent = state.sites.iter().any(|site| site.client.owes(task));
    let at_server = server
        .jobs()
        .flat_map(|job| server.tasks(job))
        .find(|it| it.id == task);
    let received = match at_server {
        Some(view) => matches!(view.state, TaskState::Done | TaskState::Taken),
        None => true,
    };
    to_be_sent || received || state.witness.refused.contains(&task)
}
