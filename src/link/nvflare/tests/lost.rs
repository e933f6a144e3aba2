//! What is cut short: by an abort, by the end of a run or of a connection, by a server
//! that gives up or has forgotten.

use super::job::{TASK, array, aux, aux_ok, fetching, holding, npy, order, result_of, together};
use super::*;
use crate::client::Task;
use crate::message::{Outcome, Payload, Properties, Refusal};

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
fn a_job_is_listed_until_the_server_has_its_outcome() {
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
    assert!(listed(&next_heartbeat(&mut rig)).is_empty());
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
fn a_job_gives_signs_of_life_on_a_new_connection_too() {
    let (mut rig, _) = holding();
    rig.client.handle_disconnected(rig.now);
    rig.wait(SECOND);
    rig.connect();
    rig.wait(11 * SECOND);
    let beats = |seen: &Seen| seen.topic == topic::JOB_HEARTBEAT;
    assert!(rig.seen.iter().any(beats));
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
