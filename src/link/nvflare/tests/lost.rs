//! What is cut short: by an abort, by the end of a run or of a connection, by a server
//! that gives up or has forgotten.

use super::job::{TASK, array, aux, aux_ok, fetching, holding, npy, order, result_of, together};
use super::*;
use crate::client::{RetryReason, Task};
use crate::message::{Outcome, Payload, Properties, Refusal, ReturnCode};

fn is_refused(action: &ClientAction) -> bool {
    matches!(
        action,
        ClientAction::ResultRefused {
            refusal: Refusal::JobGone,
            ..
        }
    )
}

fn part_of(bytes: usize) -> Value {
    let data = vec![Value::Bytes(vec![0; bytes].into())];
    Value::map([
        ("status", Value::from("ok")),
        ("state", Value::Nil),
        ("data", data.into()),
    ])
}

fn listed(heartbeat: &Seen) -> Vec<String> {
    let jobs = heartbeat.headers.texts(key::JOB_IDS);
    jobs.map(str::to_owned).collect()
}

/// The next heartbeat, whatever else was asked.
fn next_heartbeat(rig: &mut Rig) -> Seen {
    rig.wait(11 * SECOND);
    rig.seen.retain(|seen| seen.topic == topic::HEARTBEAT);
    rig.take(topic::HEARTBEAT)
}

fn submit(rig: &mut Rig, task: &Task, outcome: Outcome, headers: Properties) {
    let payload = match outcome {
        Outcome::Ok => result_of(task),
        Outcome::Failed | Outcome::Aborted => Payload::new(""),
    };
    rig.client
        .submit(rig.now, task.id, outcome, headers, payload)
        .unwrap();
}

#[test]
fn a_result_whose_job_the_server_no_longer_runs_is_dropped() {
    let (mut rig, task) = holding();
    submit(&mut rig, &task, Outcome::Ok, Properties::new());
    let check = rig.take(topic::TASK_CHECK);
    let forwarded = Headers::new().with(key::ERROR, "cannot forward");
    rig.answer(&check, "comm_error", forwarded, None);
    rig.client.job_ended(rig.now, task.job).unwrap();
    let report = rig.take(topic::REPORT_JOB_FAILURE);
    rig.answer(&report, "ok", Headers::new(), None);
    // The job has ended here, and the server is asked about it all the same.
    let heartbeat = next_heartbeat(&mut rig);
    assert_eq!(listed(&heartbeat), [task.job.to_string()]);
    let abort = vec![Value::from(task.job.to_string())];
    let headers = Headers::new().with(key::ABORT_JOBS, abort);
    rig.answer(&heartbeat, "ok", headers, None);
    assert!(rig.took(is_refused));
    assert_eq!(rig.client.outbox_len(), 0);
}

#[test]
fn an_abort_stops_a_result_on_its_way() {
    let (mut rig, task) = holding();
    submit(&mut rig, &task, Outcome::Ok, Properties::new());
    let check = rig.take(topic::TASK_CHECK);
    let body = order("train.abort", task.job);
    rig.ask("server", SITE, channel::ADMIN, topic::ADMIN, &body);
    rig.seen.clear();
    rig.answer(&check, "ok", Headers::new(), Some(&aux_ok()));
    rig.quiet();
    assert!(rig.took(is_refused));
}

#[test]
fn a_result_that_is_aborted_before_it_goes_stays_here() {
    let (mut rig, task) = holding();
    submit(&mut rig, &task, Outcome::Ok, Properties::new());
    let check = rig.take(topic::TASK_CHECK);
    rig.reply(&check, "ok", Headers::new(), Some(&aux_ok()));
    let body = order("train.abort", task.job);
    rig.ask("server", SITE, channel::ADMIN, topic::ADMIN, &body);
    assert!(rig.took(is_refused));
    assert_eq!(rig.count(topic::SUBMIT_UPDATE), 0);
}

#[test]
fn a_result_that_the_server_takes_slowly_is_waited_for() {
    let (mut rig, task) = holding();
    submit(&mut rig, &task, Outcome::Ok, Properties::new());
    let check = rig.take(topic::TASK_CHECK);
    rig.acks = false;
    rig.answer(&check, "ok", Headers::new(), Some(&aux_ok()));
    let submit = rig.take(topic::SUBMIT_UPDATE);
    let stream = rig.last_stream;
    rig.wait_alive(50 * SECOND);
    rig.ack(&submit.headers, stream, 1);
    rig.wait_alive(50 * SECOND);
    assert!(!rig.took(|action| matches!(action, ClientAction::Retry { .. })));
    rig.answer(&submit, "ok", Headers::new(), Some(&"".into()));
    assert!(rig.took(|action| matches!(action, ClientAction::ResultAccepted { .. })));
}

#[test]
fn a_result_that_is_refused_on_its_way_goes_again() {
    let (mut rig, task) = holding();
    submit(&mut rig, &task, Outcome::Ok, Properties::new());
    let check = rig.take(topic::TASK_CHECK);
    rig.answer(&check, "ok", Headers::new(), Some(&aux_ok()));
    let submit = rig.take(topic::SUBMIT_UPDATE);
    let refusal = Headers::new()
        .with(key::MSG_TYPE, msg_type::REQUEST)
        .with(key::CHANNEL, channel::STREAM)
        .with(key::TOPIC, topic::STREAM_ERROR)
        .with(key::ORIGIN, submit.destination.as_str())
        .with(key::DESTINATION, submit.origin.as_str())
        .with(stream_key::ID, rig.last_stream)
        .with(stream_key::DATA_TYPE, data_type::ERROR)
        .with(stream_key::REQUEST_ID, submit.id.as_str());
    rig.deliver(&refusal, b"");
    let failed = RetryReason::SubmitResult(ReturnCode::CommError);
    assert!(
        rig.took(
            |action| matches!(action, ClientAction::Retry { reason, .. } if *reason == failed)
        )
    );
}

#[test]
fn a_result_that_comes_after_the_abort_is_not_sent() {
    let (mut rig, task) = holding();
    let body = order("train.abort", task.job);
    rig.ask("server", SITE, channel::ADMIN, topic::ADMIN, &body);
    rig.seen.clear();
    submit(&mut rig, &task, Outcome::Ok, Properties::new());
    rig.quiet();
    assert!(rig.took(is_refused));
}

#[test]
fn a_failure_is_told_whatever_its_headers_say() {
    let (mut rig, task) = holding();
    let headers = Properties::new().with("kind", "no kind that there is");
    submit(&mut rig, &task, Outcome::Failed, headers);
    let check = rig.take(topic::TASK_CHECK);
    rig.answer(&check, "ok", Headers::new(), Some(&aux("OK")));
    let submit = rig.take(topic::SUBMIT_UPDATE);
    let code = submit.header("__rc__").and_then(Value::as_str);
    assert_eq!(code, Some("EXECUTION_EXCEPTION"));
}

#[test]
fn a_job_is_listed_until_the_server_has_its_outcome_and_no_longer_runs_it() {
    let (mut rig, id) = together();
    rig.client.handle_disconnected(rig.now);
    rig.client.job_ended(rig.now, id).unwrap();
    rig.wait(SECOND);
    rig.seen.clear();
    rig.connect();
    rig.wait(SECOND);
    // A server that misses the job before it has the outcome takes it for failed.
    let heartbeat = rig.take(topic::HEARTBEAT);
    assert_eq!(listed(&heartbeat), [id.to_string()]);
    rig.answer(&heartbeat, "ok", Headers::new(), None);
    let report = rig.take(topic::REPORT_JOB_FAILURE);
    rig.answer(&report, "ok", Headers::new(), None);
    // While it runs the job itself, it says that the job is missing here if it is not listed.
    let heartbeat = next_heartbeat(&mut rig);
    assert_eq!(listed(&heartbeat), [id.to_string()]);
    let abort = vec![Value::from(id.to_string())];
    let headers = Headers::new().with(key::ABORT_JOBS, abort);
    rig.answer(&heartbeat, "ok", headers, None);
    assert!(listed(&next_heartbeat(&mut rig)).is_empty());
    assert_eq!(rig.count(topic::REPORT_JOB_FAILURE), 0);
}

#[test]
fn an_outcome_that_the_server_does_not_want_is_not_told_again() {
    let (mut rig, id) = together();
    rig.client.job_ended(rig.now, id).unwrap();
    let heartbeat = next_heartbeat(&mut rig);
    let abort = vec![Value::from(id.to_string())];
    let headers = Headers::new().with(key::ABORT_JOBS, abort);
    rig.answer(&heartbeat, "ok", headers, None);
    rig.wait(6 * SECOND);
    rig.quiet();
}

#[test]
fn an_outcome_is_not_told_for_ever() {
    let mut rig = Rig::active();
    rig.client.job_started(rig.now, job(1)).unwrap();
    rig.client.job_ended(rig.now, job(1)).unwrap();
    rig.wait_alive(120 * SECOND);
    assert_eq!(rig.count(topic::REPORT_JOB_FAILURE), 10);
}

#[test]
fn an_outcome_waits_for_a_connection_however_long_it_takes() {
    let mut rig = Rig::active();
    rig.client.job_started(rig.now, job(1)).unwrap();
    rig.client.handle_disconnected(rig.now);
    rig.client.job_ended(rig.now, job(1)).unwrap();
    rig.wait(120 * SECOND);
    rig.seen.clear();
    rig.connect();
    rig.wait(SECOND);
    assert_eq!(rig.count(topic::REPORT_JOB_FAILURE), 1);
}

#[test]
fn one_outcome_does_not_hide_another() {
    let mut rig = Rig::active();
    for id in [job(1), job(2)] {
        rig.client.job_started(rig.now, id).unwrap();
        rig.client.job_ended(rig.now, id).unwrap();
    }
    rig.pump();
    assert_eq!(rig.count(topic::REPORT_JOB_FAILURE), 2);
    rig.wait(6 * SECOND);
    assert_eq!(rig.count(topic::REPORT_JOB_FAILURE), 4);
}

#[test]
fn the_end_of_a_job_is_no_matter_to_others() {
    let (mut rig, id) = together();
    let pull = rig.take(topic::GET_TASK);
    rig.client.job_started(rig.now, job(2)).unwrap();
    rig.client.job_ended(rig.now, job(2)).unwrap();
    let report = rig.take(topic::REPORT_JOB_FAILURE);
    rig.answer(&report, "ok", Headers::new(), None);
    let weights = typed::native(typed::NDARRAY, npy(&[1.0]));
    let body = super::job::task(TASK, weights);
    rig.answer(&pull, "ok", Headers::new(), Some(&body));
    assert_eq!(super::job::assigned(&mut rig).job, id);
}

#[test]
fn whoever_says_goodbye_asks_for_nothing_more() {
    let mut looking = Rig::active();
    super::job::started(&mut looking, job(9));
    let (mut downloading, ..) = fetching(|_| ());
    for rig in [&mut looking, &mut downloading] {
        rig.client.quit(rig.now, "");
        rig.pump();
        rig.seen.clear();
        // Not even a second time, when the first is not answered.
        rig.wait(25 * SECOND);
        assert!(rig.count(topic::QUIT) > 0);
        for topic in [topic::SYNC_RUNNER, topic::DOWNLOAD] {
            assert_eq!(rig.count(topic), 0, "{topic}");
        }
    }
}

#[test]
fn a_job_looks_for_its_other_half_on_every_connection() {
    let (mut rig, _) = together();
    rig.take(topic::GET_TASK);
    rig.client.handle_disconnected(rig.now);
    rig.wait(SECOND);
    rig.connect();
    rig.take(topic::SYNC_RUNNER);
    assert_eq!(rig.count(topic::GET_TASK), 0);
}

#[test]
fn a_job_gives_signs_of_life_on_a_new_connection_too() {
    let (mut rig, _) = holding();
    rig.client.handle_disconnected(rig.now);
    rig.wait(SECOND);
    rig.connect();
    rig.seen.clear();
    rig.wait(9 * SECOND);
    assert_eq!(rig.count(topic::JOB_HEARTBEAT), 0);
    rig.wait(2 * SECOND);
    assert_eq!(rig.count(topic::JOB_HEARTBEAT), 1);
}

#[test]
fn the_end_of_the_run_ends_a_download() {
    let (mut rig, id, part) = fetching(|_| ());
    let (from, to) = (format!("server.{id}"), format!("{SITE}.{id}"));
    rig.ask_stream(&from, &to, channel::AUX, topic::END_RUN, &aux_ok());
    assert!(rig.took(|action| *action == ClientAction::RunEnded { job: id }));
    rig.seen.clear();
    rig.answer(&part, "ok", Headers::new(), Some(&part_of(8)));
    rig.seen.retain(|seen| seen.topic == topic::DOWNLOAD);
    rig.quiet();
}

#[test]
fn a_task_with_too_many_bytes_is_reported_as_failed() {
    let (mut rig, _, part) = fetching(|config| config.max_payload = 1000);
    rig.answer(&part, "ok", Headers::new(), Some(&part_of(1001)));
    rig.seen.retain(|seen| seen.topic != topic::STREAM_ACK);
    let check = rig.take(topic::TASK_CHECK);
    assert_eq!(
        check.header("__task_id__").and_then(Value::as_str),
        Some(TASK)
    );
    rig.answer(&check, "ok", Headers::new(), Some(&aux_ok()));
    let submit = rig.take(topic::SUBMIT_UPDATE);
    let header = |key| submit.header(key).and_then(Value::as_str);
    assert_eq!(header("__rc__"), Some("EXECUTION_EXCEPTION"));
    assert!(header("error").unwrap().contains("1000 bytes"));
    assert!(header("__cookie_jar__").is_some());
}

#[test]
fn a_task_may_have_as_many_bytes_as_this_site_takes() {
    let mut item = crate::wire::nvflare::npz::Writer::new();
    item.add("T0.npy", vec![npy(&[5.0; 300])]).unwrap();
    let item = Bytes::from(item.finish().unwrap().concat());
    let (mut rig, _, part) = fetching(|config| config.max_payload = item.len() as u64);
    let body = Value::map([
        ("status", Value::from("ok")),
        ("state", Value::Nil),
        ("data", vec![Value::Bytes(item.clone())].into()),
    ]);
    rig.answer(&part, "ok", Headers::new(), Some(&body));
    rig.take(topic::DOWNLOAD);
}

#[test]
fn arrays_that_never_come_are_asked_for_four_times() {
    let (mut rig, ..) = fetching(|config| config.task_timeout = 300 * SECOND);
    rig.wait_alive(79 * SECOND);
    assert_eq!(rig.count(topic::DOWNLOAD), 3);
    let failed = RetryReason::PullTask(ReturnCode::CommError);
    let failed = |action: &ClientAction| matches!(action, ClientAction::Retry { reason, .. } if *reason == failed);
    assert!(!rig.took(failed));
    rig.wait_alive(2 * SECOND);
    assert_eq!(rig.count(topic::DOWNLOAD), 3);
    assert!(rig.took(failed));
}

#[test]
fn a_part_that_is_refused_ends_its_download() {
    let (mut rig, _, part) = fetching(|config| config.max_payload = 1000);
    let headers = Headers::new()
        .with(key::ORIGIN, part.destination.as_str())
        .with(key::DESTINATION, part.origin.as_str())
        .with(stream_key::REQUEST_ID, part.id.as_str());
    let cut = rig.cut(headers, channel::RETURN_ONLY, "", &part_of(17 << 20));
    rig.deliver(&cut[0].0, &cut[0].1);
    // Only the task is asked for again.
    rig.wait(25 * SECOND);
    rig.seen.retain(|seen| seen.topic == topic::DOWNLOAD);
    rig.quiet();
}

#[test]
fn a_slow_part_is_waited_for_while_it_moves() {
    let (mut rig, id, part) = fetching(|_| ());
    let headers = Headers::new()
        .with(key::ORIGIN, part.destination.as_str())
        .with(key::DESTINATION, part.origin.as_str())
        .with(stream_key::REQUEST_ID, part.id.as_str());
    let mut writer = crate::wire::nvflare::npz::Writer::new();
    writer.add("T0.npy", vec![npy(&[5.0; 1 << 19])]).unwrap();
    let data = vec![Value::Bytes(writer.finish().unwrap().concat().into())];
    let body = Value::map([
        ("status", Value::from("ok")),
        ("state", Value::Nil),
        ("data", data.into()),
    ]);
    for (headers, chunk) in rig.cut(headers, channel::RETURN_ONLY, "", &body) {
        rig.wait(15 * SECOND);
        rig.deliver(&headers, &chunk);
    }
    rig.seen.retain(|seen| seen.topic == topic::DOWNLOAD);
    let end = rig.take(topic::DOWNLOAD);
    rig.quiet();
    let eof = Value::map([("status", Value::from("eof"))]);
    rig.answer(&end, "ok", Headers::new(), Some(&eof));
    let task = super::job::assigned(&mut rig);
    assert_eq!(task.job, id);
    let model = crate::nvflare::Model::read(task.payload.bytes()).unwrap();
    assert_eq!(model.get("w"), Some(&array(&[5.0; 1 << 19])));
}
