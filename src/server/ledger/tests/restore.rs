//! What comes back after a restart.

use alloc::collections::BTreeSet;

use super::*;
use crate::error::ConfigError;
use crate::message::ReturnCode;
use crate::records::Damaged;
use crate::server::ledger::record::{Record, ResultHead};
use crate::server::ledger::task::{Entry, Owner};

const OTHER: JobId = JobId::from_bytes([7; 16]);

/// A life with every kind of record but blocks, and the confirmed results that were not taken after
/// each of them.
fn life() -> (World, Vec<BTreeSet<TaskId>>) {
    let mut world = World::empty(config());
    let model = bytes(100, 0);
    world.start(JOB, Sites::All).unwrap();
    world
        .start(OTHER, Sites::Named([name("a"), name("b")].into()))
        .unwrap();
    world.call(|ledger, _, out| ledger.disable(&name("x"), out));
    world.call(|ledger, _, out| ledger.disable(&name("y"), out));
    world.call(|ledger, _, out| ledger.enable(&name("y"), out));
    let taken = world.assign("a", &model);
    let done = world.assign("a", &model);
    let withdrawn = world.assign("a", &model);
    let moved = world.assign("b", &bytes(5, 5));
    let shared = world.assign_anyone(&bytes(6, 6));
    world.assign("a", &model);
    let of_other = world.call(|ledger, entropy, out| {
        let new = task("validate", &bytes(7, 7));
        ledger.assign(entropy, OTHER, Assignee::Anyone, new, out)
    });
    of_other.unwrap();
    world.store();

    let mut held = vec![BTreeSet::new(); world.log.len() + 1];
    let mut note = |world: &World, now: &[TaskId]| {
        held.resize(world.log.len(), held.last().cloned().unwrap());
        held.push(now.iter().copied().collect());
    };
    world.submit("a", taken, &bytes(9, 9));
    world.store();
    note(&world, &[taken]);
    world.ask("c", JOB, None);
    world.submit("a", done, &bytes(9, 8));
    world.store();
    note(&world, &[taken, done]);
    world.withdraw(withdrawn).unwrap();
    world.taken(taken).unwrap();
    world.store();
    note(&world, &[done]);
    world.reassign(moved, "c").unwrap();
    world.end(OTHER).unwrap();
    world.submit("c", shared, &bytes(1, 1));
    world.store();
    note(&world, &[done, shared]);
    (world, held)
}

// spec: P-104
#[test]
fn at_every_point_just_the_untaken_results_are_given_again() {
    let (world, held) = life();
    for (stored, expected) in held.iter().enumerate().skip(1) {
        let mut restored = World::restored(world.log[..stored].to_vec());
        let results = restored.results();
        assert!(results.iter().all(|result| result.again));
        let given: BTreeSet<_> = results.iter().map(|result| result.task).collect();
        assert_eq!(given.len(), results.len());
        assert_eq!(&given, expected, "after {stored} records");
        for task in given {
            let reply = restored.submit("a", task, &bytes(1, 0));
            let reply = reply.or_else(|| restored.submit("c", task, &bytes(1, 0)));
            assert!(reply.is_some());
            restored.taken(task).unwrap();
        }
        restored.store();
        assert!(restored.results().is_empty());
    }
}

#[test]
fn records_and_snapshots_restore_the_same() {
    let (world, _) = life();
    let now = world.snapshot();
    assert_eq!(World::restored(world.log.clone()).snapshot(), now);
    assert_eq!(World::restored(now.clone()).snapshot(), now);
    assert!(now.len() < world.log.len());
}

#[test]
fn a_snapshot_may_hold_what_is_stored_again_behind_it() {
    let (world, _) = life();
    let log = &world.log;
    for at in 1..=log.len() {
        // A payload and its first task are recorded at once: no snapshot is between them.
        if let Some((_, Record::Payload { .. }, _)) = Record::decode(&log[at - 1]) {
            continue;
        }
        let snapshot = World::restored(log[..at].to_vec()).snapshot();
        for from in 1..=at {
            let records = [&snapshot[..], &log[from..]].concat();
            assert_eq!(
                World::restored(records).snapshot(),
                world.snapshot(),
                "snapshot after {at}, then all from {from}"
            );
        }
    }
}

#[test]
fn a_part_of_what_a_snapshot_holds_changes_nothing_behind_it() {
    let (world, _) = life();
    let (log, snapshot) = (&world.log, world.snapshot());
    for from in 0..log.len() {
        for to in from..log.len() {
            let records = [&snapshot[..], &log[from..to]].concat();
            assert_eq!(
                World::restored(records).snapshot(),
                snapshot,
                "a snapshot of all, then {from} to {to}"
            );
        }
    }
}

/// The task behind the snapshot shares a payload that nothing else has any more.
#[test]
fn a_payload_that_is_gone_is_not_missed_behind_a_snapshot() {
    let mut world = World::new();
    world.start(OTHER, Sites::All).unwrap();
    let model = bytes(10, 0);
    world
        .call(|ledger, entropy, out| {
            let new = task("validate", &model);
            ledger.assign(entropy, OTHER, Assignee::Anyone, new, out)
        })
        .unwrap();
    world.store();
    world.end(JOB).unwrap();
    world.store();
    let from = world.log.len();
    world.start(JOB, Sites::All).unwrap();
    world.assign("a", &model);
    world.end(OTHER).unwrap();
    world.end(JOB).unwrap();
    world.store();
    let snapshot = world.snapshot();
    for from in [from - 1, from] {
        let records = [&snapshot[..], &world.log[from..]].concat();
        assert_eq!(World::restored(records).snapshot(), snapshot);
    }
}

#[test]
fn a_record_that_is_missing_is_noticed() {
    let (world, _) = life();
    for missing in 0..world.log.len() - 1 {
        let mut log = world.log.clone();
        log.remove(missing);
        assert_eq!(unreadable(log), missing);
    }
}

#[test]
fn a_seed_that_comes_again_gives_no_task_the_id_of_another() {
    let mut world = World::new();
    let first = world.assign("a", &bytes(1, 0));
    world.store();
    world.entropy = Entropy::new(&mut [3; 32]);
    let second = world.assign("a", &bytes(1, 1));
    world.entropy = Entropy::new(&mut [3; 32]);
    let third = world.reassign(second, "a").unwrap();
    assert!(first != second && first != third && second != third);
    world.store();
    assert_eq!(
        World::restored(world.log.clone()).snapshot(),
        world.snapshot()
    );
}

/// Records that do not fit: a job, a payload, a claimed task, one that waits and one that
/// is done.
#[test]
fn a_record_that_contradicts_those_before_it_is_named_and_changes_nothing() {
    let mut world = World::new();
    world.call(|ledger, _, out| ledger.disable(&name("x"), out));
    let own = world.assign("a", &bytes(1, 0));
    let waiting = world.assign_anyone(&bytes(1, 0));
    let done = world.assign("a", &bytes(1, 0));
    world.store();
    world.submit("a", done, &bytes(3, 0));
    world.store();
    let state = &world.ledger.state;
    let (payload, _) = state.inputs.iter().next().unwrap();
    let (payload, next) = (*payload, state.next_order);
    let unknown = TaskId::from_bytes([9; 16]);
    let owner = |order| Owner {
        client: name("a"),
        order,
    };
    let entry = |task, created, order: Option<u64>| Entry {
        task,
        job: JOB,
        created,
        owner: order.map(owner),
        name: String::new(),
        headers: Properties::new(),
    };
    let new = |entry| Record::Task {
        entry,
        input: payload,
    };
    let large = bytes(INLINE + 1, 0);
    let block = |task, index| Record::Block {
        task,
        size: large.len() as u64,
        digest: large.digest(),
        index,
        list: large.blocks().list.to_vec(),
    };
    let result = |task, payload: &Payload| Record::Result {
        task,
        result: ResultHead {
            outcome: Outcome::Ok,
            headers: Properties::new(),
            context: Properties::new(),
            labels: payload.head(INLINE),
        },
    };
    let reassigned = |old, new, created| Record::Reassigned {
        old,
        new,
        created,
        owner: Some(owner(created)),
    };
    let claimed = |task, order| Record::Claimed {
        task,
        owner: owner(order),
    };
    let other_job = Entry {
        job: OTHER,
        ..entry(unknown, next, None)
    };
    let client = name("x");
    let contradictions = [
        Record::Ssid(Ssid::from_bytes([8; 16])),
        Record::JobStarted {
            job: JOB,
            sites: Sites::All,
        },
        Record::JobEnded { job: OTHER },
        Record::Disabled { client },
        Record::Enabled { client: name("y") },
        Record::Task {
            entry: entry(unknown, next, None),
            input: [0; 32],
        },
        new(other_job.clone()),
        new(entry(own, next, None)),
        new(entry(unknown, 0, None)),
        new(entry(unknown, next, Some(0))),
        new(entry(unknown, u64::MAX, None)),
        new(entry(unknown, next, Some(u64::MAX))),
        claimed(own, next),
        claimed(done, next),
        claimed(unknown, next),
        claimed(waiting, 0),
        claimed(waiting, u64::MAX),
        Record::Withdrawn { task: done },
        Record::Withdrawn { task: unknown },
        reassigned(done, unknown, next),
        reassigned(unknown, unknown, next),
        reassigned(own, waiting, next),
        reassigned(own, unknown, 0),
        block(own, 1),
        block(waiting, 0),
        block(done, 0),
        block(unknown, 0),
        Record::UploadDropped { task: own },
        result(own, &large),
        result(waiting, &bytes(0, 0)),
        result(done, &bytes(0, 0)),
        result(unknown, &bytes(0, 0)),
        Record::Taken { task: own },
        Record::Taken { task: unknown },
        Record::Closed {
            entry: entry(own, next, None),
            taken: true,
        },
        Record::Closed {
            entry: other_job,
            taken: true,
        },
    ];
    for record in contradictions {
        let mut state = world.ledger.state.clone();
        let refused = state.append(record.clone(), Bytes::new());
        assert_eq!(refused, Err(Damaged), "{record:?}");
        assert!(state == world.ledger.state, "{record:?} has changed it");

        let number = world.log.len() as u64 + 1;
        let log = [&world.log[..], &[record.encode(number)]].concat();
        assert_eq!(unreadable(log), world.log.len(), "{record:?}");
    }
}

#[test]
fn a_record_that_would_not_fit_is_not_made() {
    let mut world = World::new();
    let waiting = world.assign_anyone(&bytes(1, 0));
    let own = world.assign("b", &bytes(1, 0));
    world.store();
    world.ledger.state.next_order = u64::MAX;
    let before = world.ledger.state.clone();

    let new = task("train", &bytes(2, 0));
    assert_eq!(world.try_assign(Assignee::Anyone, new), Err(Misuse::Unfit));
    assert_eq!(world.reassign(own, "a"), Err(Misuse::Unfit));
    let to = world.ask("a", JOB, None);
    assert!(matches!(
        world.answer(to).unwrap().reply,
        Reply::Failed(failure) if failure.code == ReturnCode::InvalidRequest
    ));
    assert!(world.unstored.is_empty());
    assert!(world.ledger.state == before);
    assert_eq!(world.states()[&waiting], TaskState::Queued);
    // It was not told to ask again, nor is it waited for.
    assert_eq!(world.ledger.unconfirmed_records(), 0);
}

#[test]
fn payloads_are_shared_with_the_stored_records() {
    let mut world = World::new();
    let model = bytes(1000, 0);
    world.assign("a", &model);
    world.store();
    let restored = World::restored(world.log.clone());
    let view = restored.ledger.tasks(JOB).next().unwrap();
    let shared = view.payload.unwrap().bytes().as_ptr_range();
    let inside = |record: &Bytes| {
        let range = record.as_ptr_range();
        range.start <= shared.start && shared.end <= range.end
    };
    assert!(world.log.iter().any(inside));
}

#[test]
fn tasks_go_on_where_they_were() {
    let mut world = World::new();
    let shared = world.assign_anyone(&bytes(1, 0));
    let own = world.assign("a", &bytes(1, 1));
    world.store();
    world.ask("a", JOB, Some(own));
    world.store();
    for log in [world.log.clone(), world.snapshot()] {
        let mut world = World::restored(log);
        assert!(world.unstored.is_empty());
        assert_eq!(world.ledger.ssid(), SSID);
        assert!(world.ledger.jobs().eq([JOB]));
        assert_eq!(world.pull_task("a", None), Some(own));
        assert_eq!(world.pull_task("a", Some(own)), Some(shared));
        let next = world.assign("a", &bytes(1, 2));
        world.store();
        assert_eq!(world.pull_task("a", Some(shared)), Some(next));
    }
}

// spec: P-103
#[test]
fn an_empty_store_begins_a_new_service_session() {
    let world = World::restored(Vec::new());
    assert_eq!(world.ledger.ssid(), SSID);
    assert_eq!(world.unstored.len(), 1);
}

/// Which record is named as one that cannot be read.
fn unreadable(log: Vec<Bytes>) -> usize {
    let (mut actions, mut answers) = (OutputQueue::default(), Vec::new());
    let mut out = LedgerOutput {
        actions: &mut actions,
        answers: &mut answers,
    };
    let restored = Ledger::restore(Arc::new(config()), SSID, log, &mut out);
    match restored {
        Err(ConfigError::Record { index }) => index,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("restored"),
    }
}

// spec: P-126
#[test]
fn a_record_of_another_version_says_what_to_do() {
    for (found, remedy) in [(1, "older release"), (3, "update"), (255, "update")] {
        let mut world = World::new();
        world.store();
        let mut other = world.log[0].to_vec();
        other[0] = found;
        let (mut actions, mut answers) = (OutputQueue::default(), Vec::new());
        let mut out = LedgerOutput {
            actions: &mut actions,
            answers: &mut answers,
        };
        let log = vec![world.log[0].clone(), other.into()];
        let refused = Ledger::restore(Arc::new(config()), SSID, log, &mut out).err();
        let expected = ConfigError::RecordVersion {
            index: 1,
            found,
            wanted: 2,
        };
        assert_eq!(refused, Some(expected.clone()));
        assert!(expected.to_string().contains(remedy), "{expected}");
    }
}

#[test]
fn a_block_that_was_changed_in_storage_is_named() {
    let mut world = World::new();
    let task = world.assign("a", &bytes(1, 0));
    world.store();
    let payload = bytes(CHUNK, 0);
    world.submit("a", task, &payload);
    world.upload(task, &payload, 0, u64::MAX);
    world.store();
    let block = world.log.len() - 1;
    let mut changed = world.log[block].to_vec();
    *changed.last_mut().unwrap() ^= 1;
    world.log[block] = changed.into();
    assert_eq!(unreadable(world.log), block);
}

// spec: P-126
#[test]
fn records_that_cannot_be_read_are_named() {
    let (world, _) = life();
    let damaged = |change: fn(&mut Vec<Bytes>)| {
        let mut log = world.log.clone();
        change(&mut log);
        unreadable(log)
    };
    assert_eq!(damaged(|log| log[1] = log[1].slice(..1)), 1);
    assert_eq!(damaged(|log| log[2] = Bytes::new()), 2);
    assert_eq!(
        damaged(|log| log[1] = [&[0], &log[1][1..]].concat().into()),
        1
    );
    assert_eq!(
        damaged(|log| log[1] = [&log[1][..], b"x"].concat().into()),
        1
    );
    assert_eq!(damaged(|log| log[0] = log[1].clone()), 0);
    assert_eq!(
        damaged(|log| {
            let other = [&log[0][..log[0].len() - 1], &[0xff]].concat();
            log.push(other.into());
        }),
        world.log.len()
    );
}
