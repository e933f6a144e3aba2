//! Misuses by hosts, and messages that have to be refused: after each, a machine is as it
//! was before. That it goes on as it would have, another run of the same plan shows.

use bytes::BytesMut;
use fedlink::identity::{Name, Roots};
use fedlink::message::{
    JobId, Outcome, Payload, PeerId, Progress, Properties, RecordId, SignatureId, TaskId,
};
use fedlink::{Assignee, Client, Instant, NewTask, Phase, Server, Sites};

use super::dice::Dice;
use super::wire;
use crate::common::pki::name;

/// An address longer than any may be, and a context.
const TOO_LONG: usize = 256;
const TOO_LARGE: usize = 70_000;

/// What has been done to machines, and is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Misused,
    Refused,
    /// There was nothing to do it with.
    Nothing,
}

/// A moment that has certainly passed: it counts as the latest that the machine has seen.
const LONG_AGO: Instant = Instant::from_micros(0);

/// Does something to a client that it must not mind.
///
/// # Panics
/// When it accepts what it has to refuse, or is changed by it.
pub fn client(client: &mut Client, dice: &mut Dice, seen: Option<&[u8]>) -> Done {
    let before = of_client(client);
    let done = if dice.chance(500) {
        misuse_client(client, dice);
        Done::Misused
    } else {
        match unwanted(dice, seen) {
            Some(message) => {
                let taken = client.handle_message(LONG_AGO, message);
                assert!(taken.is_err(), "a client took what it has to refuse");
                Done::Refused
            }
            None => Done::Nothing,
        }
    };
    assert_eq!(before, of_client(client), "a client is not as it was");
    done
}

/// The same to a server. What was seen came from `peer`.
///
/// # Panics
/// As [`client`].
pub fn server(server: &mut Server, dice: &mut Dice, seen: Option<(PeerId, &[u8])>) -> Done {
    let before = of_server(server);
    let done = if dice.chance(500) {
        misuse_server(server, dice);
        Done::Misused
    } else {
        // Whatever names no session draws on budgets, so it is not without a trace.
        let known = seen.filter(|(_, message)| server.session_of(message).is_some());
        let peer = known.map_or(PeerId(0), |(peer, _)| peer);
        match unwanted(dice, known.map(|(_, message)| message)) {
            Some(message) => {
                let taken = server.handle_message(LONG_AGO, peer, message);
                assert!(taken.is_err(), "a server took what it has to refuse");
                Done::Refused
            }
            None => Done::Nothing,
        }
    };
    assert_eq!(before, of_server(server), "a server is not as it was");
    done
}

/// A message that cannot be taken: nonsense, or a sealed one that was taken before, as it
/// was or changed.
fn unwanted(dice: &mut Dice, seen: Option<&[u8]>) -> Option<BytesMut> {
    if dice.chance(300) {
        let mut message = BytesMut::from(&dice.seed()[..]);
        // Of no version and no kind that there is.
        message[..2].fill(0xff);
        message.truncate(dice.below(message.len()));
        return Some(message);
    }
    let seen = seen.filter(|seen| wire::stamp(seen).is_some_and(|stamp| stamp.is_sealed))?;
    let mut message = BytesMut::from(seen);
    if dice.chance(500) {
        // Not the session: that would be a message of no session.
        let place = 18 + dice.below(message.len() - 18);
        message[place] ^= 1 << dice.below(8);
    }
    Some(message)
}

fn misuse_client(client: &mut Client, dice: &mut Dice) {
    let (task, job) = (TaskId::from_bytes(dice.id()), JobId::from_bytes(dice.id()));
    let refused = match dice.below(12) {
        0 => {
            let nothing = Payload::new(Vec::new());
            let (outcome, headers) = (Outcome::Ok, Properties::new());
            client
                .submit(LONG_AGO, task, outcome, headers, nothing)
                .is_err()
        }
        1 => client.persisted(LONG_AGO, RecordId(u64::MAX)).is_err(),
        2 => {
            let request = SignatureId(u64::MAX);
            client.signed(LONG_AGO, request, &[0; 64]).is_err()
        }
        3 => client.job_ended(LONG_AGO, job).is_err(),
        4 => client.job_failed(LONG_AGO, job, "never began").is_err(),
        5 => client.job_abort_failed(LONG_AGO, job).is_err(),
        6 => client.pull_task(LONG_AGO, job).is_err(),
        7 => {
            let progress = Progress::default();
            client.report_progress(LONG_AGO, job, progress).is_err()
        }
        8 => client.set_address(&"x".repeat(TOO_LONG)).is_err(),
        9 => client.set_site_info(too_large()).is_err(),
        10 => client.set_context(too_large()).is_err(),
        _ => {
            let phase = client.phase();
            let busy = [Phase::Registering, Phase::Active, Phase::Quitting];
            !busy.contains(&phase) || client.register(LONG_AGO).is_err()
        }
    };
    assert!(refused, "a client let itself be misused");
    let large = client.heartbeat_ready(LONG_AGO, Some(too_large()));
    assert!(large.is_err(), "a client took a context that is too large");
}

fn misuse_server(server: &mut Server, dice: &mut Dice) {
    let (task, job) = (TaskId::from_bytes(dice.id()), JobId::from_bytes(dice.id()));
    let runs = server.jobs().next();
    let refused = match dice.below(10) {
        0 => server.persisted(LONG_AGO, RecordId(u64::MAX)).is_err(),
        1 => {
            let request = SignatureId(u64::MAX);
            server.signed(LONG_AGO, request, &[0; 64]).is_err()
        }
        2 => server.end_job(LONG_AGO, job).is_err(),
        3 => server.withdraw(LONG_AGO, task).is_err(),
        4 => server.taken(LONG_AGO, task).is_err(),
        5 => server.reassign(LONG_AGO, task, Assignee::Anyone).is_err(),
        6 => server
            .assign(LONG_AGO, job, Assignee::Anyone, work())
            .is_err(),
        7 => server.set_roots(Roots::new()).is_err(),
        8 => runs.is_none_or(|job| server.start_job(LONG_AGO, job, Sites::All).is_err()),
        _ => !server.enable(LONG_AGO, &nobody()),
    };
    assert!(refused, "a server let itself be misused");
}

fn work() -> NewTask {
    NewTask::new("work", Payload::new(Vec::new()))
}

fn nobody() -> Name {
    name("nobody")
}

fn too_large() -> Properties {
    Properties::new().with("large", "x".repeat(TOO_LARGE))
}

/// All that can be seen of a client but what it counts.
fn of_client(client: &Client) -> impl PartialEq + core::fmt::Debug + use<> {
    let counts = (client.outbox_len(), client.held_len(), client.is_idle());
    let state = (client.phase(), client.ssid(), client.suite());
    let times = (client.poll_timeout(), client.heartbeat_at());
    (counts, state, times, client.snapshot())
}

/// All that can be seen of a server but what it counts.
fn of_server(server: &Server) -> impl PartialEq + core::fmt::Debug + use<> {
    let clients: Vec<Name> = server.clients().cloned().collect();
    let disabled: Vec<Name> = server.disabled().cloned().collect();
    let jobs: Vec<(JobId, usize)> = server
        .jobs()
        .map(|job| (job, server.tasks(job).count()))
        .collect();
    let rest = (server.unconfirmed_records(), server.ssid());
    let snapshot = server.snapshot();
    (
        clients,
        disabled,
        jobs,
        rest,
        server.poll_timeout(),
        snapshot,
    )
}
