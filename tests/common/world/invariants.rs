//! What must hold after every step, whatever happens.

use std::collections::BTreeSet;

use fedlink::identity::Name;
use fedlink::message::JobId;
use fedlink::{Instant, RejectReason, Rejection, Server, Suspicion};

use super::scene::Scene;
use super::truth::Truth;

/// Outputs of one step: a window of chunks, and a few requests of each job, of a handful
/// of sites at once.
const MAX_OUTPUTS: usize = 400;

/// Things that happen at one moment: all that has waited for a host that slept.
const MAX_STEPS: usize = 3_000;

/// After a tick nothing is due any more, or a host would spin.
pub fn timers_move_on<T: core::fmt::Debug>(who: &str, next: Option<(Instant, T)>, now: Instant) {
    if let Some((at, timer)) = next {
        assert!(at > now, "{who} wants {timer:?} at {at}, which is past");
    }
}

/// One input leads to a bounded number of messages and actions.
pub fn queues_are_bounded(who: &str, outputs: usize) {
    assert!(
        outputs <= MAX_OUTPUTS,
        "{who} gave {outputs} outputs at once"
    );
}

/// Things happen one after another, not for ever at the same moment.
pub fn time_goes_on(steps: usize, now: Instant) {
    assert!(steps < MAX_STEPS, "{steps} things happen at {now}");
}

/// Nothing that a network can do leads to a rejection: only the word of the operator, or
/// another process of the same name.
pub fn rejections_are_fair(
    who: &str,
    rejection: &Rejection,
    disabled: bool,
    contested: bool,
    misdated: bool,
) {
    let fair = match rejection.reason {
        RejectReason::Disabled => disabled,
        RejectReason::Replaced => contested,
        RejectReason::Unauthenticated => misdated,
        _ => false,
    };
    assert!(fair, "{who} was rejected: {rejection:?}");
}

/// Who suspects has been sent something that was changed on its way, or looked at dates
/// with a wall clock that was wrong.
pub fn suspicions_are_fair(who: &str, suspicion: &Suspicion, scene: &Scene<'_>) {
    let fair = match suspicion {
        Suspicion::Chain(_) => scene.plan.has_wrong_dates(),
        _ => false,
    };
    let spoilt = scene.plan.weather.spoilt > 0;
    assert!(
        fair || spoilt,
        "{who} suspects without a cause: {suspicion}"
    );
}

/// The names of the actions `ClientJoined`, `ClientLeft` and so on add up to who is here.
pub fn the_roster_adds_up(server: &Server, roster: &BTreeSet<Name>) {
    assert!(
        server.clients().eq(roster),
        "the host was told of {roster:?} but the server has {:?}",
        server.clients().collect::<Vec<_>>()
    );
}

/// Once a heartbeat was answered that was sent after a job's end was stored, a job that
/// ran when it was sent has been named to be aborted.
pub fn aborts_arrive(
    who: &str,
    truth: &Truth,
    runs: impl Iterator<Item = (JobId, Instant, bool)>,
    sent: Instant,
) {
    for (job, since, told) in runs {
        let ended = truth.ended.get(&job).is_some_and(|at| *at < sent);
        assert!(
            !ended || since >= sent || told,
            "{who} still runs job {job}, which has ended, and was not told"
        );
    }
}
