//! Tasks on their way to sites.

use super::*;
use crate::message::{FetchReply, Place, ReturnCode};

// spec: P-127
#[test]
fn a_task_leaves_when_it_is_stored_and_not_before() {
    let mut world = World::new();
    let payload = bytes(10, 0);
    let task = world.assign("a", &payload);
    let first = world.ask("a", JOB, None);
    let second = world.ask("a", JOB, None);
    assert!(world.answers.is_empty());
    world.store();
    assert_eq!(world.answer(first), None);
    let answer = world.answer(second).unwrap();
    assert_eq!(answer.payload, payload.bytes());
    let Reply::PullTask(PullReply::Task(head)) = answer.reply else {
        panic!();
    };
    assert_eq!((head.task, head.ssid), (task, SSID));
    assert_eq!(head.name, "train");
    assert_eq!(head.headers.get("round"), Some("1"));
    assert_eq!(head.payload.place, Place::Inline);
}

// spec: P-96
#[test]
fn the_oldest_open_task_is_given_until_the_client_names_it_or_a_later_one() {
    let mut world = World::new();
    let tasks: Vec<_> = (0..3).map(|i| world.assign("a", &bytes(1, i))).collect();
    world.store();
    assert_eq!(world.pull_task("a", None), Some(tasks[0]));
    assert_eq!(world.pull_task("a", None), Some(tasks[0]));
    assert_eq!(world.pull_task("a", Some(tasks[0])), Some(tasks[1]));
    assert_eq!(world.pull_task("a", Some(tasks[1])), Some(tasks[2]));
    // A later request may come from a client that was restored without the last two.
    assert_eq!(world.pull_task("a", Some(tasks[0])), Some(tasks[1]));
    assert_eq!(world.pull_task("b", None), None);

    world.withdraw(tasks[1]).unwrap();
    world.store();
    assert_eq!(world.pull_task("a", Some(tasks[0])), Some(tasks[2]));
    assert_eq!(world.pull_task("a", Some(tasks[1])), Some(tasks[2]));
    // Somebody else's task says nothing about the client's own.
    let other = world.assign("b", &bytes(1, 9));
    world.store();
    assert_eq!(world.pull_task("a", Some(other)), Some(tasks[0]));
}

// spec: P-97
#[test]
fn a_task_for_anyone_is_claimed_once_and_the_claim_is_stored_first() {
    let mut world = World::new();
    let task = world.assign_anyone(&bytes(1, 0));
    world.store();
    assert_eq!(world.states()[&task], TaskState::Queued);
    let to = world.ask("a", JOB, None);
    assert_eq!(world.answer(to), None);
    assert_eq!(world.states()[&task], TaskState::Assigned);
    assert!(matches!(
        world.pull("b", None),
        Some(PullReply::TryAgain { .. })
    ));
    world.store();
    let reply = world.pull_answer(to);
    assert_eq!(task_in(reply), Some(task));
    assert_eq!(world.pull_task("a", None), Some(task));
}

#[test]
fn an_unstored_task_for_anyone_waits_for_its_claim() {
    let mut world = World::new();
    let task = world.assign_anyone(&bytes(1, 0));
    let to = world.ask("a", JOB, None);
    assert_eq!(world.unstored.len(), 3);
    world.store_one();
    world.store_one();
    assert!(world.answers.is_empty());
    world.store_one();
    let reply = world.pull_answer(to);
    assert_eq!(task_in(reply), Some(task));
}

// spec: P-97
#[test]
fn a_claimed_task_comes_after_those_that_the_site_has_had() {
    let mut world = World::new();
    let shared = world.assign_anyone(&bytes(1, 0));
    let own = world.assign("a", &bytes(1, 1));
    world.store();
    assert_eq!(world.pull_task("a", None), Some(own));
    let to = world.ask("a", JOB, Some(own));
    world.store();
    let reply = world.pull_answer(to);
    assert_eq!(task_in(reply), Some(shared));
    assert_eq!(world.pull_task("a", Some(own)), Some(shared));
}

#[test]
fn without_a_task_the_host_is_asked_for_one() {
    let mut world = World::empty(ServerConfig {
        min_task_timeout: core::time::Duration::from_secs(9),
        ..config()
    });
    world.start(JOB, Sites::All).unwrap();
    world.store();
    let again = PullReply::TryAgain {
        after: 1000,
        timeout: 9000,
    };
    assert_eq!(world.pull("a", None), Some(again));
    let wanted = ServerAction::TaskWanted {
        client: name("a"),
        job: JOB,
        context: Properties::new().with("battery", "full"),
    };
    assert_eq!(world.actions, [wanted]);
    let task = world.assign("a", &bytes(1, 0));
    world.store();
    assert_eq!(world.pull_task("a", None), Some(task));
}

// spec: P-98
#[test]
fn the_run_has_ended_without_the_job_or_for_other_sites() {
    let mut world = World::empty(config());
    assert_eq!(world.pull("a", None), Some(PullReply::RunEnded));
    world.start(JOB, Sites::Named([name("b")].into())).unwrap();
    assert_eq!(world.pull("a", None), Some(PullReply::RunEnded));
    assert!(matches!(
        world.pull("b", None),
        Some(PullReply::TryAgain { .. })
    ));
}

// spec: P-98
#[test]
fn the_end_of_a_job_is_told_when_it_is_stored() {
    let mut world = World::new();
    world.assign("a", &bytes(1, 0));
    let parked = world.ask("a", JOB, None);
    world.end(JOB).unwrap();
    assert_eq!(world.pull("b", None), None);
    assert_eq!(world.answer(parked), None);
    assert_eq!(world.start(JOB, Sites::All), Err(Misuse::JobExists(JOB)));
    world.store();
    assert_eq!(world.pull_answer(parked), Some(PullReply::RunEnded));
    assert_eq!(world.pull("b", None), Some(PullReply::RunEnded));
    world.start(JOB, Sites::All).unwrap();
}

#[test]
fn a_parked_pull_is_sent_away_when_its_task_is_withdrawn() {
    let mut world = World::new();
    let old = world.assign("a", &bytes(1, 0));
    let parked = world.ask("a", JOB, None);
    let new = world.reassign(old, "b").unwrap();
    assert!(matches!(
        world.pull_answer(parked),
        Some(PullReply::TryAgain { .. })
    ));
    let parked = world.ask("b", JOB, None);
    world.store();
    let reply = world.pull_answer(parked);
    assert_eq!(task_in(reply), Some(new));
    assert_eq!(world.pull_task("a", None), None);
    assert!(world.answers.is_empty());
}

// spec: P-98
#[test]
fn a_task_is_not_passed_over_before_its_withdrawal_is_stored() {
    let mut world = World::new();
    let first = world.assign("a", &bytes(1, 0));
    let second = world.assign("a", &bytes(1, 1));
    world.store();
    world.withdraw(first).unwrap();
    assert_eq!(world.pull_task("a", None), None);
    let mut crashed = World::restored(world.log.clone());
    assert_eq!(crashed.pull_task("a", None), Some(first));
    world.store();
    assert_eq!(world.pull_task("a", None), Some(second));
}

// spec: P-113
#[test]
fn a_large_payload_is_fetched_by_its_own_client_alone() {
    let mut world = World::new();
    let payload = bytes(CHUNK + 7, 0);
    let layout = Layout::of(&payload);
    let task = world.assign("a", &payload);
    assert_eq!(
        world.fetch("a", task, 0, CHUNK as u32).reply,
        Reply::Fetch(FetchReply::Gone)
    );
    world.store();
    let Some(PullReply::Task(head)) = world.pull("a", None) else {
        panic!();
    };
    let Layout { size, digest } = layout;
    assert_eq!(head.payload.place, Place::Apart { size, digest });

    let (mut offset, mut got) = (0, Vec::new());
    while offset < layout.total() {
        let answer = world.fetch("a", task, offset, CHUNK as u32);
        assert_eq!(answer.reply, Reply::Fetch(FetchReply::Bytes { offset }));
        got.extend_from_slice(&answer.payload);
        offset += answer.payload.len() as u64;
    }
    assert_eq!(&got[32..], payload.bytes());
    assert_eq!(world.fetch("a", task, 3, 5).payload.len(), 5);
    let Reply::Failed(failure) = world.fetch("a", task, offset, 1).reply else {
        panic!();
    };
    assert_eq!(failure.code, ReturnCode::InvalidRequest);

    let gone = Reply::Fetch(FetchReply::Gone);
    assert_eq!(world.fetch("b", task, 0, 1).reply, gone);
    assert_eq!(
        world.fetch("a", TaskId::from_bytes([9; 16]), 0, 1).reply,
        gone
    );
    world.withdraw(task).unwrap();
    assert_eq!(world.fetch("a", task, 0, 1).reply, gone);
}
