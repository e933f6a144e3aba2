//! What must hold after every step, whatever happens.

use fedlink::message::JobId;
use fedlink::{Instant, RejectReason, Rejection, Server, ServerConfig, Suspicion};

use super::disk::Disk;
use super::model::Work;
use super::scene::Scene;
use super::tally::{Claim, Tally};

/// Outputs of one step: a window of chunks, and a few requests of each job, of a handful
/// of sites at once.
const MAX_OUTPUTS: usize = 400;

/// Things that happen at one moment: all that has waited for a host that slept.
const MAX_STEPS: usize = 3_000;

/// After a tick nothing is due any more, or a host would spin.
pub fn timers_move_on<T: core::fmt::Debug>(
    tally: &mut Tally,
    who: &str,
    next: Option<(Instant, T)>,
    now: Instant,
) {
    tally.held(Claim::TimersMoveOn);
    if let Some((at, timer)) = next {
        assert!(at > now, "{who} wants {timer:?} at {at}, which is past");
    }
}

/// One input leads to a bounded number of messages and actions, beside those that waited.
pub fn queues_are_bounded(who: &str, outputs: usize, waited: usize) {
    assert!(
        outputs <= MAX_OUTPUTS + waited,
        "{who} gave {outputs} outputs at once"
    );
}

/// The tables of a server stay within the limits of its configuration.
pub fn tables_are_bounded(tally: &mut Tally, server: &Server, config: &ServerConfig) {
    let (clients, jobs) = (server.clients().count(), server.jobs().count());
    let tasks: usize = server.jobs().map(|job| server.tasks(job).count()).sum();
    assert!(clients <= config.max_clients, "{clients} clients");
    assert!(jobs <= config.max_jobs, "{jobs} jobs");
    assert!(tasks <= config.max_tasks, "{tasks} tasks");
    if clients == config.max_clients || jobs == config.max_jobs {
        tally.held(Claim::LimitsHold);
    }
}

/// A server waits for exactly the records that its host is storing.
pub fn records_add_up(server: &Server, disk: &Disk) {
    assert_eq!(
        server.unconfirmed_records(),
        disk.on_their_way(),
        "the server waits for other records than its host stores"
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

/// Once a heartbeat was answered that was sent after a job's end was stored, a job that
/// ran when it was sent has been named to be aborted.
pub fn aborts_arrive(
    who: &str,
    work: &Work,
    runs: impl Iterator<Item = (JobId, Instant, bool)>,
    sent: Instant,
) {
    for (job, since, told) in runs {
        let ended = work.ended.get(&job).is_some_and(|at| *at < sent);
        assert!(
            !ended || since >= sent || told,
            "{who} still runs job {job}, which has ended, and was not told"
        );
    }
}
