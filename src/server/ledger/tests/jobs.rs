//! What the host may do with jobs and tasks, and what heartbeats say of jobs.

use super::*;
use crate::message::BLOCK;

const OTHER: JobId = JobId::from_bytes([7; 16]);

fn missing(site: &str, job: JobId) -> ServerAction {
    ServerAction::JobMissingOnClient {
        client: name(site),
        job,
    }
}

#[test]
fn misuse_changes_nothing() {
    let mut world = World::empty(ServerConfig {
        max_jobs: 1,
        max_tasks: 1,
        max_payload: 100,
        ..config()
    });
    let sites = Sites::Named([name("a")].into());
    assert_eq!(world.end(JOB), Err(Misuse::UnknownJob(JOB)));
    let new = |len| task("train", &bytes(len, 0));
    let site = |site| Assignee::Site(name(site));
    assert_eq!(
        world.try_assign(Assignee::Anyone, new(1)),
        Err(Misuse::UnknownJob(JOB))
    );
    world.start(JOB, sites.clone()).unwrap();
    world.store();
    let before = world.snapshot();

    assert_eq!(world.start(JOB, sites), Err(Misuse::JobExists(JOB)));
    assert!(matches!(
        world.start(OTHER, Sites::All),
        Err(Misuse::Full { what: "jobs", .. })
    ));
    assert!(matches!(
        world.try_assign(site("b"), new(1)),
        Err(Misuse::NotASite { .. })
    ));
    let long_name = NewTask {
        name: "x".repeat(256),
        ..new(1)
    };
    let long_headers = NewTask {
        headers: Properties::new().with("k", "x".repeat(64 << 10)),
        ..new(1)
    };
    let long_label = NewTask {
        payload: Payload::labelled(&b"x"[..], "", "x".repeat(256)),
        ..new(1)
    };
    for too_large in [long_name, long_headers, long_label, new(101)] {
        assert!(matches!(
            world.try_assign(site("a"), too_large),
            Err(Misuse::TooLarge { .. })
        ));
    }
    let unknown = TaskId::from_bytes([9; 16]);
    assert_eq!(world.withdraw(unknown), Err(Misuse::UnknownTask(unknown)));
    assert_eq!(
        world.reassign(unknown, "a"),
        Err(Misuse::UnknownTask(unknown))
    );
    assert_eq!(world.taken(unknown), Err(Misuse::UnknownTask(unknown)));
    assert!(world.unstored.is_empty());
    assert_eq!(world.snapshot(), before);

    let only = world.assign("a", &bytes(1, 0));
    assert!(matches!(
        world.try_assign(site("a"), new(1)),
        Err(Misuse::Full { what: "tasks", .. })
    ));
    assert!(matches!(
        world.reassign(only, "a"),
        Err(Misuse::Full { .. })
    ));
    assert_eq!(world.states()[&only], TaskState::Assigned);
}

#[test]
fn a_record_is_confirmed_once() {
    let mut world = World::new();
    world.assign("a", &bytes(1, 0));
    let (record, _) = world.unstored[0];
    assert_eq!(world.ledger.unconfirmed_records(), 2);
    world.store();
    assert_eq!(world.ledger.unconfirmed_records(), 0);
    assert_eq!(
        world.call(|ledger, _, out| ledger.persisted(record, out)),
        Err(Misuse::UnknownRecord(record))
    );
}

#[test]
fn names_are_disabled_and_enabled() {
    let mut world = World::new();
    assert!(world.call(|ledger, _, out| ledger.disable(&name("a"), out)));
    assert!(!world.call(|ledger, _, out| ledger.disable(&name("a"), out)));
    assert!(world.call(|ledger, _, out| ledger.disable(&name("b"), out)));
    assert!(world.call(|ledger, _, out| ledger.enable(&name("b"), out)));
    assert!(!world.call(|ledger, _, out| ledger.enable(&name("b"), out)));
    world.store();
    for log in [world.log.clone(), world.snapshot()] {
        let world = World::restored(log);
        assert!(world.ledger.is_disabled(&name("a")));
        assert!(world.ledger.disabled().eq([&name("a")]));
    }
}

#[test]
fn a_shared_payload_is_stored_once_while_a_task_needs_it() {
    let mut world = World::new();
    let model = bytes(BLOCK / 8, 0);
    let first = world.assign("a", &model);
    let second = world.assign("b", &model);
    let stored: usize = world.unstored.iter().map(|(_, it)| it.len()).sum();
    assert!(stored < model.len() + 1000, "{stored}");
    let kept = |world: &World| world.snapshot().iter().map(Bytes::len).sum::<usize>();
    world.withdraw(first).unwrap();
    assert!(kept(&world) > model.len());
    world.withdraw(second).unwrap();
    assert!(kept(&world) < 1000);
    world.assign("a", &model);
    world.store();
    let restored = World::restored(world.log.clone());
    let view = restored.ledger.tasks(JOB).next().unwrap();
    assert_eq!(view.payload, Some(&model));
    assert_eq!(view.client, Some(&name("a")));
    assert_eq!((view.name, view.job), ("train", JOB));
}

// spec: P-91
#[test]
fn a_site_is_told_to_start_a_job_until_it_reports_it() {
    let mut world = World::new();
    for _ in 0..2 {
        assert_eq!(world.heartbeat("a", &[]).start, [JOB]);
    }
    assert!(world.heartbeat("a", &[JOB]).start.is_empty());
    assert!(world.heartbeat("a", &[JOB]).start.is_empty());
    assert!(world.actions.is_empty());
    assert_eq!(world.heartbeat("b", &[]).start, [JOB]);
}

#[test]
fn a_job_that_is_no_longer_reported_is_missing_once() {
    let mut world = World::new();
    world.heartbeat("a", &[JOB]);
    for _ in 0..2 {
        let lists = world.heartbeat("a", &[]);
        assert!(lists.start.is_empty() && lists.abort.is_empty());
    }
    assert_eq!(world.actions, [missing("a", JOB)]);
    world.heartbeat("a", &[JOB]);
    world.heartbeat("a", &[]);
    assert_eq!(world.actions, [missing("a", JOB), missing("a", JOB)]);
    world.ledger.forget_reports(&name("a"));
    assert_eq!(world.heartbeat("a", &[]).start, [JOB]);
}

#[test]
fn a_job_is_missing_although_another_one_is_still_reported() {
    let mut world = World::new();
    world.start(OTHER, Sites::All).unwrap();
    world.store();
    world.heartbeat("a", &[JOB, OTHER]);
    assert!(world.heartbeat("a", &[JOB]).start.is_empty());
    assert_eq!(world.actions, [missing("a", OTHER)]);
}

#[test]
fn a_task_may_be_larger_than_a_block() {
    let mut world = World::new();
    world.assign("a", &Payload::new(vec![0; 2 * BLOCK]));
}

// spec: P-91
#[test]
fn what_the_server_does_not_run_on_a_site_is_aborted_there() {
    let mut world = World::new();
    let sites = Sites::Named([name("b")].into());
    let before = world.heartbeat("a", &[]).generation;
    world.start(OTHER, sites).unwrap();
    world.store();
    let unknown = JobId::from_bytes([9; 16]);
    let lists = world.heartbeat("a", &[JOB, OTHER, unknown]);
    assert_eq!(lists.abort, [OTHER, unknown]);
    assert!(lists.generation > before);
    assert_eq!(world.heartbeat("b", &[]).start, [JOB, OTHER]);

    world.end(JOB).unwrap();
    world.store();
    let after = world.heartbeat("a", &[JOB]);
    assert_eq!(after.abort, [JOB]);
    assert!(after.generation > lists.generation);
    assert!(world.heartbeat("a", &[]).abort.is_empty());
    assert!(world.actions.is_empty());
}

// spec: P-91
#[test]
fn nobody_aborts_a_job_whose_end_is_not_stored() {
    let mut world = World::new();
    world.heartbeat("a", &[JOB]);
    world.end(JOB).unwrap();
    let lists = world.heartbeat("a", &[JOB]);
    assert!(lists.abort.is_empty() && lists.start.is_empty());
    let mut restored = World::restored(world.log.clone());
    assert!(restored.heartbeat("a", &[JOB]).abort.is_empty());
    world.store();
    assert_eq!(world.heartbeat("a", &[JOB]).abort, [JOB]);
}

// spec: P-91, P-127
#[test]
fn nobody_starts_a_job_that_is_not_stored() {
    let mut world = World::new();
    world.start(OTHER, Sites::All).unwrap();
    assert_eq!(world.heartbeat("a", &[]).start, [JOB]);
    world.store();
    assert_eq!(world.heartbeat("a", &[]).start, [JOB, OTHER]);
}
