//! Jobs: what is reported, what is stopped and started.

use super::*;

const OTHER: JobId = JobId::from_bytes([9; 16]);

fn lists(rig: &mut Rig, abort: &[JobId], start: &[JobId]) -> Vec<ClientAction> {
    rig.with(|work, cx| work.lists(cx, abort, start));
    rig.actions()
}

#[test]
fn running_jobs_are_reported_with_their_progress() {
    let mut rig = Rig::new();
    rig.with(|work, cx| work.job_started(cx, OTHER)).unwrap();
    rig.with(|work, cx| work.job_started(cx, JOB)).unwrap();
    rig.work
        .report_progress(OTHER, Progress::from_permille(250))
        .unwrap();
    let progress = Some(Progress::from_permille(250));
    assert_eq!(
        rig.reports(),
        [
            JobReport {
                job: JOB,
                progress: None
            },
            JobReport {
                job: OTHER,
                progress
            }
        ]
    );
}

#[test]
fn misuse_is_an_error_and_changes_nothing() {
    let mut rig = Rig::new();
    rig.config.max_jobs = 1;
    rig.with(|work, cx| work.job_started(cx, JOB)).unwrap();
    assert_eq!(
        rig.with(|work, cx| work.job_started(cx, JOB)),
        Err(Misuse::JobExists(JOB))
    );
    assert!(matches!(
        rig.with(|work, cx| work.job_started(cx, OTHER)),
        Err(Misuse::Full { limit: 1, .. })
    ));
    let unknown = Err(Misuse::UnknownJob(OTHER));
    assert_eq!(rig.with(|work, cx| work.job_ended(cx, OTHER)), unknown);
    assert_eq!(rig.with(|work, cx| work.pull_task(cx, OTHER)), unknown);
    assert_eq!(rig.work.job_abort_failed(OTHER), unknown);
    assert_eq!(
        rig.work.report_progress(OTHER, Progress::from_permille(1)),
        unknown
    );
    assert_eq!(
        rig.with(|work, cx| work.persisted(cx, RecordId(7))),
        Err(Misuse::UnknownRecord(RecordId(7)))
    );
    assert_eq!(rig.reports().len(), 1);
    assert!(rig.asks().is_empty() && rig.actions.len() == 0);
}

#[test]
fn a_job_is_aborted_once_until_the_host_has_an_answer() {
    let mut rig = Rig::new();
    rig.with(|work, cx| work.job_started(cx, JOB)).unwrap();
    let abort = [ClientAction::AbortJobs(vec![JOB])];
    assert_eq!(lists(&mut rig, &[OTHER, JOB], &[]), abort);
    assert_eq!(lists(&mut rig, &[JOB], &[]), []);
    rig.work.job_abort_failed(JOB).unwrap();
    assert_eq!(lists(&mut rig, &[JOB], &[]), abort);
    rig.with(|work, cx| work.job_ended(cx, JOB)).unwrap();
    assert_eq!(lists(&mut rig, &[JOB], &[]), []);
    assert_eq!(rig.reports(), []);
}

#[test]
fn a_simulated_client_ignores_aborts() {
    let mut rig = Rig::new();
    rig.config.mode = Mode::Simulate;
    rig.with(|work, cx| work.job_started(cx, JOB)).unwrap();
    assert_eq!(lists(&mut rig, &[JOB], &[]), []);
}

// spec: P-93
#[test]
fn a_job_is_to_start_once_and_not_again_after_it_ended() {
    let mut rig = Rig::new();
    let start = [ClientAction::StartJobs(vec![JOB, OTHER])];
    assert_eq!(lists(&mut rig, &[], &[JOB, OTHER]), start);
    assert_eq!(lists(&mut rig, &[], &[JOB, OTHER]), []);
    rig.with(|work, cx| work.job_started(cx, JOB)).unwrap();
    rig.with(|work, cx| work.job_ended(cx, OTHER)).unwrap();
    assert_eq!(lists(&mut rig, &[], &[JOB, OTHER]), []);
    rig.with(|work, cx| work.job_ended(cx, JOB)).unwrap();
    assert_eq!(lists(&mut rig, &[], &[]), []);
    assert_eq!(lists(&mut rig, &[], &[JOB, OTHER]), []);
}

#[test]
fn no_more_jobs_start_than_may_run() {
    let mut rig = Rig::new();
    rig.config.max_jobs = 1;
    let start = [ClientAction::StartJobs(vec![JOB])];
    assert_eq!(lists(&mut rig, &[], &[JOB, OTHER]), start);
    assert_eq!(lists(&mut rig, &[], &[JOB, OTHER]), []);
    rig.with(|work, cx| work.job_ended(cx, JOB)).unwrap();
    let start = [ClientAction::StartJobs(vec![OTHER])];
    assert_eq!(lists(&mut rig, &[], &[JOB, OTHER]), start);
}

// spec: P-93
#[test]
fn an_abort_ends_the_pull_and_keeps_the_outbox() {
    let mut rig = Rig::holding();
    rig.submit(Outcome::Ok, &Payload::new("result"));
    rig.store();
    let submit = rig.ask();
    rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
    let pull = rig.ask();
    lists(&mut rig, &[JOB], &[]);
    assert_eq!(rig.asks.take_cancelled(), [pull.id]);
    rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
    assert_eq!(rig.asks(), []);
    rig.with(|work, cx| work.job_ended(cx, JOB)).unwrap();
    assert_eq!(rig.work.outbox_len(), 1);
    rig.reply(submit.id, Reply::SubmitResult(SubmitReply::Accepted));
    assert!(rig.work.is_idle());
}

#[test]
fn an_abort_ends_a_fetch_and_drops_a_task_that_is_not_stored() {
    let mut rig = Rig::pulling();
    let id = rig.ask().id;
    rig.reply(id, large_task(&payload(CHUNK)));
    let parts: Vec<RequestId> = rig.asks().iter().map(|ask| ask.id).collect();
    lists(&mut rig, &[JOB], &[]);
    assert_eq!(rig.asks.take_cancelled(), parts);
    assert!(rig.work.is_idle());

    let mut rig = Rig::pulling();
    let id = rig.ask().id;
    rig.reply_with(id, task(TASK, "weights"), "weights");
    lists(&mut rig, &[JOB], &[]);
    assert_eq!(rig.store(), []);
    assert!(rig.work.is_idle());
}

#[test]
fn the_end_of_a_job_drops_its_tasks() {
    let mut rig = Rig::holding();
    rig.with(|work, cx| work.job_ended(cx, JOB)).unwrap();
    let result = rig.with(|work, cx| {
        let payload = Payload::new("result");
        work.submit(cx, TASK, Outcome::Ok, Properties::new(), payload)
    });
    assert_eq!(result, Err(Misuse::UnknownTask(TASK)));
    assert!(rig.work.is_idle());
}

#[test]
fn a_job_that_ended_is_not_to_start_again_because_another_one_starts() {
    let mut rig = Rig::new();
    rig.with(|work, cx| work.job_started(cx, JOB)).unwrap();
    rig.with(|work, cx| work.job_ended(cx, JOB)).unwrap();
    rig.with(|work, cx| work.job_started(cx, OTHER)).unwrap();
    assert_eq!(lists(&mut rig, &[], &[JOB]), []);
}
