//! Results on their way to the host.

use super::*;
use crate::message::{BLOCK, Digest, PayloadHead, Place, Refusal, ReturnCode};

fn with_task() -> (World, TaskId) {
    let mut world = World::new();
    let task = world.assign("a", &bytes(1, 0));
    world.store();
    (world, task)
}

const fn refused(refusal: Refusal) -> Option<SubmitReply> {
    Some(SubmitReply::Refused(refusal))
}

// spec: P-104
#[test]
fn a_result_is_stored_then_given_then_accepted() {
    let (mut world, task) = with_task();
    let payload = Payload::labelled(&b"weights"[..], "text/plain", "none");
    let first = world.send("a", result_of(task, &payload), payload.bytes().clone());
    let second = world.send("a", result_of(task, &payload), payload.bytes().clone());
    assert_eq!(world.unstored.len(), 1);
    assert!(world.answers.is_empty() && world.actions.is_empty());
    assert_eq!(world.withdraw(task), Err(Misuse::TaskDone(task)));
    assert_eq!(world.taken(task), Err(Misuse::UnknownTask(task)));

    world.store();
    let expected = ResultReceived {
        client: name("a"),
        job: JOB,
        task,
        name: "train".to_owned(),
        outcome: Outcome::Ok,
        headers: Properties::new().with("loss", "0.5"),
        payload,
        context: Properties::new(),
        again: false,
    };
    assert_eq!(world.results(), [expected]);
    assert_eq!(world.answer(first), None);
    assert_eq!(world.submit_answer(second), Some(SubmitReply::Accepted));
}

// spec: P-102
#[test]
fn a_repeated_result_is_accepted_and_ignored_also_when_it_was_taken() {
    let (mut world, task) = with_task();
    world.submit("a", task, &bytes(3, 0));
    world.store();
    world.results();
    assert_eq!(world.pull_task("a", None), None);
    for _ in 0..2 {
        let other = bytes(4, 1);
        assert_eq!(world.submit("a", task, &other), Some(SubmitReply::Accepted));
        let large = bytes(INLINE + 1, 1);
        assert_eq!(world.submit("a", task, &large), Some(SubmitReply::Accepted));
        if world.states()[&task] == TaskState::Done {
            world.taken(task).unwrap();
        }
    }
    world.store();
    assert!(world.results().is_empty());
    assert_eq!(world.taken(task), Err(Misuse::UnknownTask(task)));
    assert_eq!(world.withdraw(task), Err(Misuse::TaskDone(task)));
    assert_eq!(world.ledger.tasks(JOB).next().unwrap().payload, None);
}

#[test]
fn results_that_are_not_ok_are_stored_and_given_too() {
    let (mut world, task) = with_task();
    let aborted = SubmitResult {
        outcome: Outcome::Aborted,
        ..result_of(task, &bytes(0, 0))
    };
    assert_eq!(world.submit_as("a", aborted, &bytes(0, 0)), None);
    world.store();
    assert_eq!(world.results()[0].outcome, Outcome::Aborted);
}

// spec: P-102
#[test]
fn results_are_refused_when_nothing_can_come_of_them() {
    let (mut world, task) = with_task();
    let payload = bytes(1, 0);
    let of_other_ssid = SubmitResult {
        ssid: Ssid::from_bytes([9; 16]),
        ..result_of(task, &payload)
    };
    let of_other_job = SubmitResult {
        job: JobId::from_bytes([9; 16]),
        ..result_of(task, &payload)
    };
    assert_eq!(
        world.submit_as("a", of_other_ssid, &payload),
        refused(Refusal::OtherSsid)
    );
    assert_eq!(
        world.submit_as("a", of_other_job, &payload),
        refused(Refusal::JobGone)
    );
    let unknown = TaskId::from_bytes([9; 16]);
    for (site, task) in [("b", task), ("a", unknown)] {
        assert_eq!(
            world.submit(site, task, &payload),
            refused(Refusal::Withdrawn)
        );
    }
    let queued = world.assign_anyone(&payload);
    assert_eq!(
        world.submit("a", queued, &payload),
        refused(Refusal::Withdrawn)
    );
    world.store();
    assert!(world.results().is_empty());
}

// spec: P-102, P-127
#[test]
fn a_refusal_waits_until_its_reason_is_stored() {
    let (mut world, task) = with_task();
    let payload = bytes(1, 0);
    let new = world.reassign(task, "b").unwrap();
    assert_eq!(world.submit("a", task, &payload), None);
    world.store();
    assert_eq!(
        world.submit("a", task, &payload),
        refused(Refusal::Withdrawn)
    );
    assert_eq!(world.submit("b", new, &payload), None);
    world.end(JOB).unwrap();
    assert_eq!(world.submit("b", new, &payload), None);
    world.store();
    assert_eq!(world.submit("b", new, &payload), refused(Refusal::JobGone));
    // The result was being stored when the job ended: nobody asks for it now.
    assert!(world.results().is_empty());
}

// spec: P-102
#[test]
fn results_past_a_limit_are_refused() {
    let mut world = World::empty(ServerConfig {
        max_payload: 1000,
        max_upload_bytes: 500,
        ..config()
    });
    world.start(JOB, Sites::All).unwrap();
    let task = world.assign("a", &bytes(1, 0));
    let other = world.assign("a", &bytes(2, 0));
    world.store();
    let too_big = refused(Refusal::TooBig);
    for size in [501, 1001] {
        assert_eq!(world.submit("a", task, &bytes(size, 0)), too_big);
    }
    let to = world.send(
        "a",
        result_of(task, &bytes(1, 0)),
        bytes(1001, 0).bytes().clone(),
    );
    assert_eq!(world.submit_answer(to), too_big);
    let small = bytes(1, 0);
    let long = "x".repeat(64 << 10);
    let headers = SubmitResult {
        headers: Properties::new().with("k", long),
        ..result_of(task, &small)
    };
    assert_eq!(world.submit_as("a", headers, &small), too_big);
    let label = Payload::labelled(&b"x"[..], "t".repeat(256), "");
    assert_eq!(world.submit("a", task, &label), too_big);

    assert_eq!(
        world.submit("a", task, &bytes(300, 0)),
        Some(SubmitReply::SendFrom(0))
    );
    assert_eq!(
        world.submit("a", other, &bytes(201, 0)),
        Some(SubmitReply::Later(1000))
    );
    // Another announcement for the same task takes the place of the first.
    assert_eq!(
        world.submit("a", task, &bytes(299, 0)),
        Some(SubmitReply::SendFrom(0))
    );
    assert_eq!(
        world.submit("a", other, &bytes(201, 0)),
        Some(SubmitReply::SendFrom(0))
    );
}

#[test]
fn a_result_may_be_as_large_as_the_limit() {
    let largest = bytes(1000, 0);
    let mut world = World::empty(ServerConfig {
        max_payload: 1000,
        ..config()
    });
    world.start(JOB, Sites::All).unwrap();
    let task = world.assign("a", &largest);
    world.store();
    let started = Some(SubmitReply::SendFrom(0));
    assert_eq!(world.submit("a", task, &largest), started);
}

// spec: P-115
#[test]
fn a_large_result_is_pushed_and_then_committed() {
    let (mut world, task) = with_task();
    let payload = bytes(CHUNK * 2 + 5, 0);
    let total = Layout::of(&payload).total();
    assert_eq!(
        world.push("a", task, 0, Bytes::from_static(b"x")),
        Reply::Push(PushReply::Unknown)
    );
    assert_eq!(
        world.submit("a", task, &payload),
        Some(SubmitReply::SendFrom(0))
    );
    assert_eq!(
        world.push("b", task, 0, Bytes::from_static(b"x")),
        Reply::Push(PushReply::Unknown)
    );
    let half = world.upload(task, &payload, 0, total / 2);
    assert_eq!(
        world.submit("a", task, &payload),
        Some(SubmitReply::SendFrom(half))
    );
    assert_eq!(world.upload(task, &payload, half, total), total);
    assert_eq!(world.unstored.len(), 1, "its only block");
    let to = world.send("a", result_of(task, &payload), Bytes::new());
    world.store();
    assert_eq!(world.submit_answer(to), Some(SubmitReply::Accepted));
    assert_eq!(world.results()[0].payload.bytes(), payload.bytes());
    assert_eq!(
        world.push("a", task, 0, Bytes::from_static(b"x")),
        Reply::Push(PushReply::Unknown)
    );
}

#[test]
fn an_inline_result_takes_the_place_of_an_unfinished_upload() {
    let (mut world, task) = with_task();
    let large = bytes(CHUNK, 0);
    world.submit("a", task, &large);
    assert_eq!(world.submit("a", task, &bytes(3, 0)), None);
    world.store();
    assert_eq!(world.results()[0].payload.len(), 3);
}

/// A result that is announced as apart, whatever it is.
fn apart(task: TaskId, payload: &Payload, size: u64, digest: Digest) -> SubmitResult {
    let place = Place::Apart { size, digest };
    SubmitResult {
        payload: PayloadHead {
            place,
            ..payload.head(INLINE)
        },
        ..result_of(task, payload)
    }
}

#[test]
fn an_empty_payload_with_another_digest_is_refused_and_recorded_nowhere() {
    let (mut world, task) = with_task();
    let other = apart(task, &bytes(0, 0), 0, bytes(1, 0).digest());
    assert_eq!(
        world.submit_as("a", other, &bytes(0, 0)),
        refused(Refusal::BadDigest)
    );
    assert!(world.unstored.is_empty());
    assert_eq!(world.states()[&task], TaskState::Assigned);
    assert!(World::restored(world.log.clone()).results().is_empty());
}

// spec: P-114
#[test]
fn a_payload_that_is_announced_as_apart_does_not_follow() {
    let (mut world, task) = with_task();
    let large = bytes(CHUNK, 0);
    world.submit("a", task, &large);
    world.upload(task, &large, 0, u64::MAX);
    world.store();
    let to = world.send("a", result_of(task, &large), Bytes::from_static(b"x"));
    let Reply::Failed(failure) = world.answer(to).unwrap().reply else {
        panic!("it is taken");
    };
    assert_eq!(failure.code, ReturnCode::InvalidRequest);
    assert!(world.unstored.is_empty());
    assert_eq!(world.submit("a", task, &large), None);
}

#[test]
fn what_was_dropped_of_an_upload_does_not_come_back() {
    let (one, two) = (bytes(CHUNK, 0), bytes(CHUNK, 1));
    for wrong in [false, true] {
        let (mut world, task) = with_task();
        let three = bytes(BLOCK + CHUNK, 2);
        world.submit("a", task, &three);
        let reached = world.upload(task, &three, 0, BLOCK as u64 + 64);
        if wrong {
            for _ in 0..2 {
                world.push("a", task, reached, bytes(CHUNK, 9).bytes().clone());
            }
        } else {
            world.submit("a", task, &one);
        }
        world.store();
        let mut restored = World::restored(world.log.clone());
        assert_eq!(restored.snapshot(), world.snapshot());
        assert_eq!(
            restored.submit("a", task, &three),
            Some(SubmitReply::SendFrom(0))
        );
        assert_eq!(
            restored.submit("a", task, &two),
            Some(SubmitReply::SendFrom(0))
        );
    }
}

#[test]
fn an_empty_payload_may_be_announced_apart() {
    let (mut world, task) = with_task();
    let empty = bytes(0, 0);
    let apart = apart(task, &empty, 0, empty.digest());
    assert_eq!(world.submit_as("a", apart, &empty), None);
    world.store();
    assert!(world.results()[0].payload.is_empty());
    for log in [world.log.clone(), world.snapshot()] {
        assert!(World::restored(log).results()[0].payload.is_empty());
    }
}

// spec: P-114
#[test]
fn another_digest_starts_the_upload_at_the_beginning() {
    let (mut world, task) = with_task();
    let (one, two) = (bytes(CHUNK * 2, 0), bytes(CHUNK * 2, 1));
    world.submit("a", task, &one);
    assert!(world.upload(task, &one, 0, CHUNK as u64) > 0);
    assert_eq!(
        world.submit("a", task, &two),
        Some(SubmitReply::SendFrom(0))
    );
}

// spec: P-110
#[test]
fn bytes_that_do_not_match_twice_are_refused() {
    let (mut world, task) = with_task();
    let (good, bad) = (bytes(CHUNK, 0), bytes(CHUNK, 1));
    world.submit("a", task, &good);
    let start = world.upload(task, &good, 0, 32);
    let wrong = bad.bytes().clone();
    assert_eq!(
        world.push("a", task, start, wrong.clone()),
        Reply::Push(PushReply::Wanted(start))
    );
    assert_eq!(
        world.push("a", task, start, wrong.clone()),
        Reply::Push(PushReply::Unknown)
    );
    assert_eq!(
        world.push("a", task, start, wrong),
        Reply::Push(PushReply::Unknown)
    );
    assert_eq!(world.submit("a", task, &good), refused(Refusal::BadDigest));
    assert_eq!(
        world.submit("a", task, &bad),
        Some(SubmitReply::SendFrom(0))
    );
}

// spec: P-111
#[test]
fn chunks_outside_of_the_transfer_are_invalid() {
    let (mut world, task) = with_task();
    let payload = bytes(CHUNK * 3, 0);
    world.submit("a", task, &payload);
    let total = Layout::of(&payload).total();
    for (offset, len) in [(0, CHUNK + 1), (total, 1), (total - 1, 2), (u64::MAX, 1)] {
        let Reply::Failed(failure) = world.push("a", task, offset, vec![0; len].into()) else {
            panic!("{offset} {len}");
        };
        assert_eq!(failure.code, ReturnCode::InvalidRequest);
    }
}

#[test]
fn withdrawing_drops_the_upload_and_makes_room_for_another() {
    let payload = bytes(CHUNK * 2, 0);
    let mut world = World::empty(ServerConfig {
        max_upload_bytes: payload.len() as u64,
        ..config()
    });
    world.start(JOB, Sites::All).unwrap();
    let task = world.assign("a", &bytes(1, 0));
    let other = world.assign("b", &bytes(1, 0));
    world.store();
    let started = Some(SubmitReply::SendFrom(0));
    assert_eq!(world.submit("a", task, &payload), started);
    assert_eq!(
        world.submit("b", other, &payload),
        Some(SubmitReply::Later(1000))
    );
    world.withdraw(task).unwrap();
    assert_eq!(world.withdraw(task), Err(Misuse::UnknownTask(task)));
    world.store();
    assert_eq!(
        world.push("a", task, 0, Bytes::from_static(b"x")),
        Reply::Push(PushReply::Unknown)
    );
    assert_eq!(
        world.submit("a", task, &payload),
        refused(Refusal::Withdrawn)
    );
    assert_eq!(world.submit("b", other, &payload), started);
}

// spec: P-117
#[test]
fn an_upload_goes_on_after_a_restart_from_its_last_checked_block() {
    let (mut world, task) = with_task();
    let payload = bytes(BLOCK * 2 + CHUNK, 0);
    let total = Layout::of(&payload).total();
    world.submit("a", task, &payload);
    world.upload(task, &payload, 0, BLOCK as u64 + 3 * CHUNK as u64);
    world.store();
    let snapshot = world.snapshot();
    let repeated = [&snapshot[..], &world.log[1..]].concat();
    for log in [world.log.clone(), snapshot, repeated] {
        let mut world = World::restored(log);
        let Some(SubmitReply::SendFrom(from)) = world.submit("a", task, &payload) else {
            panic!();
        };
        assert_eq!(from, 3 * 32 + BLOCK as u64);
        let from = world.upload(task, &payload, from, from + 1);
        assert!(world.unstored.is_empty());
        assert_eq!(world.upload(task, &payload, from, total), total);
        assert_eq!(world.submit("a", task, &payload), None);
        world.store();
        assert_eq!(world.results()[0].payload.bytes(), payload.bytes());
    }
}

/// A world whose only result came in three blocks and is stored; what was.
fn with_large_result() -> (World, TaskId, Payload) {
    let (mut world, task) = with_task();
    let payload = bytes(BLOCK * 2 + CHUNK, 0);
    world.submit("a", task, &payload);
    world.upload(task, &payload, 0, u64::MAX);
    assert_eq!(world.submit("a", task, &payload), None);
    world.store();
    (world, task, payload)
}

#[test]
fn the_bytes_of_a_large_result_are_stored_once_and_copied_nowhere() {
    let (world, _, payload) = with_large_result();
    let stored: usize = world.log.iter().map(Bytes::len).sum();
    assert!(stored < payload.len() + 4096, "{stored}");

    let mut restored = World::restored(world.log.clone());
    let results = restored.results();
    let parts = results[0].payload.parts();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts.concat(), payload.bytes()[..]);
    assert_eq!(results[0].payload.digest(), payload.digest());
    let whole = parts.iter().filter(|part| part.len() == BLOCK);
    for part in whole {
        let shared = part.as_ptr_range();
        let inside = |record: &Bytes| {
            let range = record.as_ptr_range();
            range.start <= shared.start && shared.end <= range.end
        };
        assert!(world.log.iter().any(inside));
    }
}

#[test]
fn a_large_result_comes_back_from_records_a_snapshot_and_both() {
    let (mut world, task, payload) = with_large_result();
    let snapshot = world.snapshot();
    let both = [&snapshot[..], &world.log[1..]].concat();
    for log in [world.log.clone(), snapshot.clone(), both] {
        let mut restored = World::restored(log);
        let results = restored.results();
        assert_eq!(results[0].payload.parts().len(), 3, "no block was moved");
        assert_eq!(results[0].payload.bytes(), payload.bytes());
        assert_eq!(restored.snapshot(), snapshot);
        assert_eq!(
            restored.submit("a", task, &payload),
            Some(SubmitReply::Accepted)
        );
    }
    world.taken(task).unwrap();
    world.store();
    assert!(World::restored(world.log.clone()).results().is_empty());
}
