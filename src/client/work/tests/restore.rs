//! What outlives the process.

use super::*;

use crate::message::SubmitResult;

/// A restart from the log, one from a snapshot, and ones from repeated records.
fn logs(rig: &Rig) -> Vec<Vec<Bytes>> {
    let log = rig.log.clone();
    let snapshot = rig.snapshot();
    let stuttered = log.iter().flat_map(|r| [r.clone(), r.clone()]).collect();
    let twice = [log.clone(), log.clone()].concat();
    let both = [log.clone(), snapshot.clone()].concat();
    let overlap = [snapshot.clone(), log.clone()].concat();
    vec![log, snapshot, stuttered, twice, both, overlap]
}

/// A record as it is in a snapshot, where it needs none before it.
fn alone(record: &Record, payload: impl Into<Bytes>) -> Bytes {
    let (header, payload) = record.with(payload.into());
    [header, payload].concat().into()
}

fn submission(rig: &mut Rig) -> SubmitResult {
    match rig.ask().request {
        Request::SubmitResult(result) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unfinished_task_is_given_again() {
    let rig = Rig::holding();
    for log in logs(&rig) {
        let mut rig = Rig::new();
        rig.restart(log);
        let actions = rig.store();
        let task = assigned(&actions);
        assert_eq!((task.id, task.job, task.again), (TASK, JOB, true));
        assert_eq!(task.payload, Payload::new("weights"));
        assert_eq!((task.bytes, task.elapsed), (7, Duration::ZERO));
        assert_eq!(rig.reports().len(), 1);

        rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
        let Request::PullTask(pull) = rig.ask().request else {
            panic!();
        };
        assert_eq!(pull.last_task, Some(TASK));
        rig.submit(Outcome::Ok, &Payload::new("result"));
        rig.store();
        assert_eq!(submission(&mut rig).task, TASK);
    }
}

#[test]
fn a_result_in_the_outbox_goes_on() {
    let mut rig = Rig::holding();
    let payload = payload(50);
    rig.submit(Outcome::Failed, &payload);
    rig.store();
    let before = submission(&mut rig);
    for log in logs(&rig) {
        let mut rig = Rig::new();
        rig.restart(log);
        assert_eq!(rig.store(), []);
        rig.session();
        assert_eq!(submission(&mut rig), before);
        rig.with(|work, cx| work.job_started(cx, JOB)).unwrap();
        rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
        let Request::PullTask(pull) = rig.ask().request else {
            panic!();
        };
        assert_eq!(pull.last_task, Some(TASK));
    }
}

// spec: P-128
#[test]
fn what_was_not_stored_is_not_promised() {
    let mut rig = Rig::pulling();
    let id = rig.ask().id;
    rig.reply_with(id, task(TASK, "weights"), "weights");
    rig.restart(Vec::new());
    assert!(rig.work.is_idle());

    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    let log = rig.log.clone();
    rig.restart(log);
    assert!(assigned(&rig.store()).again);
}

#[test]
fn a_settled_result_does_not_come_back() {
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let id = rig.ask().id;
    rig.reply(id, Reply::SubmitResult(SubmitReply::Accepted));
    let receipt_not_stored = rig.log.clone();
    rig.store();
    for log in logs(&rig) {
        let mut rig = Rig::new();
        rig.restart(log);
        assert_eq!(rig.store(), []);
        assert!(rig.work.is_idle());
        assert_eq!(rig.kept().len(), 1);
    }
    rig.restart(receipt_not_stored);
    rig.session();
    assert_eq!(submission(&mut rig).task, TASK);
}

/// The host of a snapshot stores behind it what was on its way, and dies between the
/// records.
#[test]
fn what_a_snapshot_holds_does_not_come_back_with_records_behind_it() {
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let id = rig.ask().id;
    rig.reply(id, Reply::SubmitResult(SubmitReply::Accepted));
    rig.store();
    let snapshot = rig.snapshot();
    for to in 0..=rig.log.len() {
        let mut restored = Rig::new();
        restored.restart([&snapshot[..], &rig.log[..to]].concat());
        assert_eq!(restored.store(), []);
        assert!(restored.work.is_idle());
        assert_eq!(restored.snapshot(), snapshot);
    }
}

#[test]
fn a_record_that_is_missing_is_noticed() {
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let log = vec![rig.log[1].clone()];
    let restored = Rig::new().with(|_, cx| Work::restore(log, cx).err());
    assert_eq!(restored, Some(ConfigError::Record { index: 0 }));
}

#[test]
fn a_snapshot_of_a_task_that_is_being_stored_says_that_it_is_the_last() {
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let submit = rig.ask().id;
    rig.reply(submit, Reply::SubmitResult(SubmitReply::Accepted));
    rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
    let id = rig.ask().id;
    let second = TaskId::from_bytes([7; 16]);
    rig.reply_with(id, task(second, "more"), "more");
    let snapshot = rig.snapshot();
    rig.restart(snapshot);
    assert_eq!(assigned(&rig.store()).id, second);
    rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
    let Request::PullTask(pull) = rig.ask().request else {
        panic!();
    };
    assert_eq!(pull.last_task, Some(second));
}

#[test]
fn a_task_that_the_host_never_saw_does_not_come_back_after_an_abort() {
    let mut rig = Rig::pulling();
    let id = rig.ask().id;
    rig.reply_with(id, task(TASK, "weights"), "weights");
    rig.with(|work, cx| work.lists(cx, &[JOB], &[]));
    rig.store();
    for log in logs(&rig) {
        let mut rig = Rig::new();
        rig.restart(log);
        assert_eq!(rig.store(), []);
        assert!(rig.work.is_idle());
        assert_eq!(rig.kept(), []);
    }
}

#[test]
fn blocks_of_a_task_that_is_gone_do_not_come_back() {
    let mut rig = half_fetched(&payload(BLOCK * 2 + CHUNK));
    rig.session();
    let id = rig.asks().remove(0).id;
    rig.reply(id, Reply::Fetch(FetchReply::Gone));
    rig.store();
    for log in logs(&rig) {
        let mut rig = Rig::new();
        rig.restart(log);
        assert_eq!(rig.kept(), []);
    }
}

#[test]
fn the_tasks_of_an_ended_job_do_not_come_back() {
    let mut rig = Rig::holding();
    rig.with(|work, cx| work.job_ended(cx, JOB)).unwrap();
    rig.store();
    assert!(rig.kept().is_empty());
    for log in logs(&rig) {
        let mut rig = Rig::new();
        rig.restart(log);
        assert_eq!(rig.store(), []);
        assert!(rig.kept().is_empty());
    }
}

#[test]
fn a_job_of_a_restored_task_can_be_aborted() {
    let mut rig = Rig::holding();
    let log = rig.log.clone();
    rig.restart(log);
    rig.store();
    rig.with(|work, cx| work.lists(cx, &[JOB], &[]));
    assert_eq!(rig.actions(), [ClientAction::AbortJobs(vec![JOB])]);
    rig.with(|work, cx| work.job_ended(cx, JOB)).unwrap();
    assert!(rig.work.is_idle());
}

#[test]
fn the_job_of_a_restored_task_runs_until_it_ends_and_may_be_called_started() {
    let mut rig = Rig::holding();
    let log = rig.log.clone();
    rig.restart(log);
    rig.store();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    assert_eq!(rig.reports().len(), 1);
    let mut start = || rig.with(|work, cx| work.job_started(cx, JOB));
    assert_eq!(start(), Ok(()));
    assert_eq!(start(), Err(Misuse::JobExists(JOB)));
    rig.with(|work, cx| work.job_ended(cx, JOB)).unwrap();
    assert_eq!(rig.reports(), []);
}

/// One that has stored one block of the payload, and fetched some of the next.
fn half_fetched(payload: &Payload) -> Rig {
    let mut rig = Rig::pulling();
    let id = rig.ask().id;
    rig.reply(id, large_task(payload));
    serve(&mut rig, payload, BLOCK / CHUNK + 4);
    assert_eq!(rig.store().len(), BLOCK / CHUNK + 4);
    assert_eq!(rig.log.len(), 2);
    rig
}

/// One that goes on from a log, and is given the same task again.
fn fetching_again(log: Vec<Bytes>, payload: &Payload) -> Rig {
    let mut rig = Rig::new();
    rig.restart(log);
    rig.with(|work, cx| work.job_started(cx, JOB)).unwrap();
    rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
    let id = rig.ask().id;
    rig.reply(id, large_task(payload));
    rig
}

#[test]
fn a_fetch_that_is_said_to_begin_again_keeps_its_blocks() {
    let payload = payload(BLOCK * 2 + CHUNK);
    let log = half_fetched(&payload).log;
    let log = [&log[..], &log[..1]].concat();
    let mut rig = fetching_again(log, &payload);
    let reached = BLOCK as u64 + 96;
    assert_eq!(progress(&rig.actions()), [(reached, reached, 0)]);
    assert_eq!(rig.counters.resumed_downloads, 1);
}

#[test]
fn a_fetch_goes_on_from_its_stored_blocks() {
    for payload in [payload(BLOCK + CHUNK * 8), payload(BLOCK * 2 + CHUNK)] {
        let list = 32 * payload.len().div_ceil(BLOCK) as u64;
        let rig = half_fetched(&payload);
        for log in logs(&rig) {
            let mut rig = fetching_again(log, &payload);
            let reached = BLOCK as u64 + list;
            assert_eq!(progress(&rig.actions()), [(reached, reached, 0)]);
            assert_eq!(rig.counters.resumed_downloads, 1);
            serve(&mut rig, &payload, usize::MAX);
            let actions = rig.store();
            assert_eq!(assigned(&actions).payload, payload);
            let log = rig.log.clone();
            rig.restart(log);
            assert_eq!(assigned(&rig.store()).payload, payload);
        }
    }
}

#[test]
fn of_a_fetch_nothing_is_kept_when_its_job_has_another_task_or_ends() {
    let fetching = half_fetched(&payload(BLOCK * 2 + CHUNK)).log;
    let kept = |more: &[Bytes]| {
        let mut rig = Rig::new();
        rig.restart([&fetching[..], more].concat());
        rig.kept().len()
    };
    // The task under way with its list, and one block.
    assert_eq!(kept(&[]), 2);
    assert_eq!(kept(&[alone(&Record::JobEnded(JOB), "")]), 0);
    let whole = Rig::holding();
    let (_, task, payload) = Record::decode(&whole.log[0]).unwrap();
    assert_eq!(kept(&[alone(&task, payload)]), whole.kept().len());
}

/// What a host has stored that was given a task of three blocks.
fn whole_in_blocks(payload: &Payload) -> Rig {
    let mut rig = half_fetched(payload);
    serve(&mut rig, payload, 0);
    rig.session();
    serve(&mut rig, payload, usize::MAX);
    assert_eq!(assigned(&rig.store()).payload.parts().len(), 3);
    rig
}

#[test]
fn the_bytes_of_a_large_task_are_stored_once_and_copied_nowhere() {
    let payload = payload(BLOCK * 2 + CHUNK);
    let rig = whole_in_blocks(&payload);
    let stored: usize = rig.log.iter().map(Bytes::len).sum();
    assert!(stored < payload.len() + 4096, "{stored}");
    for log in logs(&rig) {
        let mut rig = Rig::new();
        rig.restart(log.clone());
        let actions = rig.store();
        let task = assigned(&actions);
        assert_eq!(task.payload, payload);
        let parts = task.payload.parts();
        assert_eq!(parts.len(), 3);
        for part in &parts[..2] {
            let inside = |record: &Bytes| record.as_ptr_range().end == part.as_ptr_range().end;
            assert!(log.iter().any(inside));
        }
        // The list, three blocks, the task, and that it is the last of its job.
        assert_eq!(rig.kept().len(), 6);
    }
}

#[test]
fn a_large_task_of_which_a_block_was_changed_in_storage_is_fetched_again() {
    let payload = payload(BLOCK * 2 + CHUNK);
    let mut log = whole_in_blocks(&payload).log;
    let mut changed = log[2].to_vec();
    *changed.last_mut().unwrap() ^= 1;
    log[2] = changed.into();
    let mut rig = fetching_again(log, &payload);
    let reached = BLOCK as u64 + 96;
    assert_eq!(progress(&rig.actions()), [(reached, reached, 0)]);
    serve(&mut rig, &payload, usize::MAX);
    assert_eq!(assigned(&rig.store()).payload, payload);
}

#[test]
fn a_large_task_that_was_stored_in_one_piece_is_still_read() {
    let payload = payload(BLOCK * 2 + CHUNK);
    let rig = whole_in_blocks(&payload);
    let (_, task, _) = Record::decode(rig.log.last().unwrap()).unwrap();
    let mut rig = Rig::new();
    rig.restart(vec![alone(&task, payload.bytes().clone())]);
    let actions = rig.store();
    assert_eq!(assigned(&actions).payload, payload);
    assert_eq!(rig.kept().len(), 2);
}

#[test]
fn an_earlier_fetch_serves_no_other_task() {
    let stored = payload(BLOCK + CHUNK);
    let mut rig = Rig::pulling();
    let id = rig.ask().id;
    rig.reply(id, large_task(&stored));
    serve(&mut rig, &stored, BLOCK / CHUNK + 1);
    rig.store();
    let log = rig.log.clone();
    rig.restart(log);
    rig.with(|work, cx| work.job_started(cx, JOB)).unwrap();
    rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
    let id = rig.ask().id;
    let other = payload(CHUNK * 2);
    rig.reply(id, large_task(&other));
    serve(&mut rig, &other, usize::MAX);
    assert_eq!(assigned(&rig.store()).payload, other);
    assert_eq!(rig.counters.resumed_downloads, 0);
}

// spec: P-126
#[test]
fn a_record_that_cannot_be_read_is_named() {
    let rig = Rig::holding();
    let good = rig.log[0].clone();
    for bad in [&b""[..], b"\x03\x00", b"\x03\x63", b"\x00", &good[..20]] {
        let log = vec![good.clone(), Bytes::copy_from_slice(bad)];
        let mut rig = Rig::new();
        let restored = rig.with(|_, cx| Work::restore(log, cx).err());
        assert_eq!(restored, Some(ConfigError::Record { index: 1 }));
    }
}

#[test]
fn a_record_of_another_version_says_what_to_do() {
    let rig = Rig::holding();
    let good = rig.log[0].clone();
    for (found, remedy) in [(1, "older release"), (2, "older release"), (4, "update")] {
        let mut other = good.to_vec();
        other[0] = found;
        let log = vec![good.clone(), other.into()];
        let refused = Rig::new().with(|_, cx| Work::restore(log, cx).err());
        let expected = ConfigError::RecordVersion {
            index: 1,
            found,
            wanted: 3,
        };
        assert_eq!(refused, Some(expected.clone()));
        assert!(expected.to_string().contains(remedy), "{expected}");
    }
}

#[test]
fn a_restored_payload_shares_the_memory_of_its_record() {
    let rig = Rig::holding();
    let record = rig.log[0].clone();
    let end = record.as_ptr_range().end;
    let (_, _, payload) = Record::decode(&record).unwrap();
    assert_eq!(payload.as_ptr_range().end, end);
    assert_eq!(payload, "weights");
}

/// The job of a record that tells its last task.
fn last_of(record: &(Bytes, Bytes)) -> Option<JobId> {
    match Record::decode(&record.0)?.1 {
        Record::Last { job, .. } => Some(job),
        _ => None,
    }
}

#[test]
fn of_forgotten_jobs_the_latest_are_remembered_beside_those_with_tasks() {
    let mut log = Rig::holding().log;
    log.extend((2..10).map(|n| {
        let (job, task) = (JobId::from_bytes([n; 16]), TASK);
        alone(&Record::Last { job, task }, "")
    }));
    let mut rig = Rig::new();
    rig.config.max_jobs = 3;
    rig.restart(log);
    let records = rig.kept();
    let kept: Vec<JobId> = records.iter().filter_map(last_of).collect();
    assert_eq!(kept, [1, 8, 9].map(|n| JobId::from_bytes([n; 16])));
}

#[test]
fn a_job_of_which_nothing_but_its_last_task_is_left_can_be_aborted_and_ended() {
    let last = Record::Last {
        job: JOB,
        task: TASK,
    };
    let mut rig = Rig::new();
    rig.restart(vec![alone(&last, "")]);
    rig.with(|work, cx| work.lists(cx, &[JOB], &[]));
    assert_eq!(rig.actions(), [ClientAction::AbortJobs(vec![JOB])]);
    assert_eq!(rig.with(|work, cx| work.job_ended(cx, JOB)), Ok(()));
    assert_eq!(rig.kept(), []);
}

/// Answers up to `limit` requests for parts and drops the others.
fn serve(rig: &mut Rig, payload: &Payload, limit: usize) {
    let mut count = 0;
    while let Some(ask) = rig.asks.pop() {
        let Request::Fetch(part) = ask.request else {
            panic!("{ask:?}");
        };
        if count < limit {
            let bytes = chunk(payload, part.offset, part.len as usize).unwrap();
            let offset = part.offset;
            rig.reply_with(ask.id, Reply::Fetch(FetchReply::Bytes { offset }), bytes);
            count += 1;
        }
    }
}
