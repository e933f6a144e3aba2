//! A job from its start to the report of its outcome.

use super::*;
use crate::client::{RetryReason, Task};
use crate::message::{Outcome, Payload, Properties, Refusal, ReturnCode};
use crate::nvflare::{Array, Model};
use crate::wire::nvflare::fobs;
use crate::wire::nvflare::npz;

const COOKIES: &str = "cookies of the workflow";

pub(super) fn order(topic: &str, job: JobId) -> Value {
    let headers = Value::map([("job_id", job.to_string())].map(|(key, id)| (key, Value::from(id))));
    typed::message("1", topic, Value::Nil, headers)
}

/// Orders a start, and asks for the job's first task.
pub(super) fn started(rig: &mut Rig, id: JobId) {
    let body = order("train.start_job", id);
    rig.ask("server", SITE, channel::ADMIN, topic::ADMIN, &body);
    let reply = rig.seen.pop_back();
    assert!(reply.is_some());
    assert!(rig.took(|action| *action == ClientAction::StartJobs(vec![id])));
    rig.client.job_started(rig.now, id).unwrap();
    rig.client.pull_task(rig.now, id).unwrap();
}

/// The same, with the server's half there.
pub(super) fn together() -> (Rig, JobId) {
    together_with(|_| ())
}

pub(super) fn together_with(change: impl FnOnce(&mut ClientConfig)) -> (Rig, JobId) {
    let mut rig = Rig::active_with(change);
    let id = job(9);
    started(&mut rig, id);
    let sync = rig.take(topic::SYNC_RUNNER);
    assert_eq!(sync.origin, format!("{SITE}.{id}"));
    assert_eq!(sync.destination, format!("server.{id}"));
    rig.answer(&sync, "ok", Headers::new(), Some(&aux_ok()));
    let beat = rig.take(topic::JOB_HEARTBEAT);
    assert!(beat.id.is_empty());
    (rig, id)
}

pub(super) fn aux_ok() -> Value {
    aux("OK")
}

pub(super) fn aux(code: &str) -> Value {
    typed::shareable(vec![("__rc__".into(), code.into())], Vec::new())
}

pub(super) fn array(values: &[f32]) -> Array {
    Array::new([values.len()], values.to_vec()).unwrap()
}

pub(super) fn npy(values: &[f32]) -> Bytes {
    array(values).to_npy()
}

/// A task with these weights, as they are given.
pub(super) fn task(id: &str, weights: Value) -> Value {
    let headers = vec![
        ("task_name".into(), "train".into()),
        ("__task_id__".into(), id.into()),
        ("__cookie_jar__".into(), COOKIES.into()),
        ("current_round".into(), Value::Int(4)),
    ];
    let dxo = Value::map([
        ("kind", typed::DATA_KIND.of("WEIGHTS")),
        ("data", Value::map([("w", weights)])),
        ("meta", Value::Map(Vec::new())),
    ]);
    typed::shareable(headers, vec![("DXO".into(), dxo)])
}

pub(super) fn assigned(rig: &mut Rig) -> Task {
    rig.pump();
    let at = rig
        .actions
        .iter()
        .position(|action| matches!(action, ClientAction::TaskAssigned(_)));
    match rig.actions.remove(at.expect("a task")) {
        ClientAction::TaskAssigned(task) => task,
        _ => unreachable!("it is a task"),
    }
}

pub(super) const TASK: &str = "75f811bc-28b0-4fee-a78c-f12a0951bd23";

/// A task that the host holds.
pub(super) fn holding() -> (Rig, Task) {
    let (mut rig, _) = together();
    let pull = rig.take(topic::GET_TASK);
    let body = task(TASK, typed::native(typed::NDARRAY, npy(&[1.0, 2.0])));
    let root = Headers::new().with(key::MSG_ROOT_ID, "root");
    rig.answer(&pull, "ok", root, Some(&body));
    let task = assigned(&mut rig);
    (rig, task)
}

pub(super) fn result_of(task: &Task) -> Payload {
    let mut model = Model::read(task.payload.bytes()).unwrap();
    model.insert("w", array(&[3.0, 4.0]));
    model.to_payload().unwrap()
}

#[test]
fn a_job_waits_for_its_other_half_and_asks_for_a_task() {
    let mut rig = Rig::active();
    started(&mut rig, job(9));
    for _ in 0..3 {
        let sync = rig.take(topic::SYNC_RUNNER);
        let forwarded = Headers::new().with(key::ERROR, "cannot forward");
        rig.answer(&sync, "comm_error", forwarded, None);
        rig.wait(SECOND / 4);
        rig.quiet();
        rig.wait(SECOND / 4);
    }
    // An answer from there may say so too.
    let sync = rig.take(topic::SYNC_RUNNER);
    rig.answer(
        &sync,
        "ok",
        Headers::new(),
        Some(&aux("SERVICE_UNAVAILABLE")),
    );
    rig.quiet();
    rig.wait(SECOND / 2);
    let sync = rig.take(topic::SYNC_RUNNER);
    rig.wait(6 * SECOND);
    // Silence too is asked again.
    let again = rig.take(topic::SYNC_RUNNER);
    rig.answer(&sync, "ok", Headers::new(), Some(&aux_ok()));
    rig.quiet();
    rig.answer(&again, "ok", Headers::new(), Some(&aux_ok()));
    rig.take(topic::JOB_HEARTBEAT);
    let pull = rig.take(topic::GET_TASK);
    assert!(pull.is_stream);
    let context = pull.header("__peer_ctx__").unwrap();
    let run = typed::context_property(context, "__run_num__").and_then(Value::as_str);
    assert_eq!(run, Some(&*job(9).to_string()));
}

#[test]
fn a_task_is_an_npz_and_its_result_brings_the_cookies_back() {
    let (mut rig, task) = holding();
    assert_eq!(
        (&*task.name, task.id.to_string()),
        ("train", TASK.to_owned())
    );
    assert_eq!(task.headers.get("current_round"), Some("4"));
    assert_eq!(task.headers.get("kind"), Some("WEIGHTS"));
    assert_eq!(task.payload.content_type(), "application/x-npz");
    let model = Model::read(task.payload.bytes()).unwrap();
    assert_eq!(model.get("w"), Some(&array(&[1.0, 2.0])));

    let headers = Properties::new().with("meta.NUM_STEPS_CURRENT_ROUND", "12");
    let payload = result_of(&task);
    rig.client
        .submit(rig.now, task.id, Outcome::Ok, headers, payload)
        .unwrap();
    let check = rig.take(topic::TASK_CHECK);
    assert_eq!(
        check.header("__task_id__").and_then(Value::as_str),
        Some(TASK)
    );
    rig.answer(&check, "ok", Headers::new(), Some(&aux_ok()));

    let submit = rig.take(topic::SUBMIT_UPDATE);
    assert_eq!(submit.headers.text(key::MSG_ROOT_ID), "root");
    for (header, value) in [
        ("__cookie_jar__", COOKIES),
        ("__task_name__", "train"),
        ("__task_id__", TASK),
        ("__rc__", "OK"),
        ("__content_type__", "DXO"),
    ] {
        assert_eq!(
            submit.header(header).and_then(Value::as_str),
            Some(value),
            "{header}"
        );
    }
    let body = &submit.body.as_ref().unwrap().value;
    let dxo = typed::SHAREABLE.data(body).unwrap().get("DXO").unwrap();
    let steps = dxo.get("meta").unwrap().get("NUM_STEPS_CURRENT_ROUND");
    assert_eq!(steps, Some(&Value::Int(12)));
    let weights = typed::NDARRAY.data(dxo.get("data").unwrap().get("w").unwrap());
    let bytes = weights.unwrap().get("data").and_then(Value::as_bytes);
    assert_eq!(bytes, Some(&npy(&[3.0, 4.0])));
    rig.answer(&submit, "ok", Headers::new(), Some(&"".into()));
    assert!(rig.took(|action| matches!(
        action,
        ClientAction::ResultAccepted { task: it, .. } if *it == task.id
    )));
}

#[test]
fn each_message_is_told_for_what_it_is() {
    let (mut rig, task) = holding();
    let payload = result_of(&task);
    rig.client
        .submit(rig.now, task.id, Outcome::Ok, Properties::new(), payload)
        .unwrap();
    let check = rig.take(topic::TASK_CHECK);
    rig.answer(&check, "ok", Headers::new(), Some(&aux_ok()));
    let submit = rig.take(topic::SUBMIT_UPDATE);
    rig.answer(&submit, "ok", Headers::new(), Some(&"".into()));
    rig.wait_alive(11 * SECOND);
    let names =
        |kinds: &BTreeSet<MessageKind>| -> Vec<_> { kinds.iter().map(MessageKind::name).collect() };
    let (sent, taken) = (names(&rig.sent), names(&rig.taken));
    for name in [
        "challenge",
        "register",
        "heartbeat",
        "pull_task",
        "submit_result",
    ] {
        assert!(sent.contains(&name), "{name}: {sent:?}");
    }
    for name in ["hello", "ping", "control", "stream_control"] {
        assert!(sent.contains(&name), "{name}: {sent:?}");
    }
    for name in [
        "challenge_reply",
        "register_reply",
        "heartbeat_reply",
        "pull_reply",
    ] {
        assert!(taken.contains(&name), "{name}: {taken:?}");
    }
    for name in [
        "ready",
        "pong",
        "submit_reply",
        "control_reply",
        "stream_control",
    ] {
        assert!(taken.contains(&name), "{name}: {taken:?}");
    }
}

#[test]
fn arrays_by_reference_are_fetched_and_confirmed() {
    let (mut rig, id, first) = fetching(|_| ());
    assert_eq!(first.destination, format!("server.{id}"));
    let asked = &first.body.as_ref().unwrap().value;
    assert_eq!(asked.get("ref_id").and_then(Value::as_str), Some("ref"));
    assert!(asked.get("state").is_none());
    // A part that does not come is asked for again.
    rig.wait(21 * SECOND);
    rig.seen.retain(|seen| seen.topic == topic::DOWNLOAD);
    let again = rig.take(topic::DOWNLOAD);
    rig.answer(&first, "invalid_request", Headers::new(), None);
    rig.seen.clear();
    let mut item = npz::Writer::new();
    item.add("T0.npy", vec![npy(&[5.0])]).unwrap();
    let item = item.finish().unwrap().concat();
    let state = Value::map([("start", Value::Int(1))]);
    let part = Value::map([
        ("status", Value::from("ok")),
        ("state", state.clone()),
        ("data", vec![Value::Bytes(item.into())].into()),
    ]);
    rig.answer(&again, "ok", Headers::new(), Some(&part));

    let last = rig.take(topic::DOWNLOAD);
    assert_eq!(last.body.as_ref().unwrap().value.get("state"), Some(&state));
    let end = Value::map([
        ("status", Value::from("eof")),
        ("confirm_expected", true.into()),
        ("confirm_nonce", "nonce".into()),
    ]);
    rig.answer(&last, "ok", Headers::new(), Some(&end));
    let confirmed = rig.take(topic::DOWNLOAD);
    let said = &confirmed.body.as_ref().unwrap().value;
    assert_eq!(said.get("confirm").and_then(Value::as_str), Some("success"));
    assert_eq!(
        said.get("confirm_nonce").and_then(Value::as_str),
        Some("nonce")
    );
    let task = assigned(&mut rig);
    let model = Model::read(task.payload.bytes()).unwrap();
    assert_eq!(model.get("w"), Some(&array(&[5.0])));
}

/// A job whose task's arrays are being fetched, with the first request for them.
pub(super) fn fetching(change: impl FnOnce(&mut ClientConfig)) -> (Rig, JobId, Seen) {
    let (mut rig, id) = together_with(change);
    let pull = rig.take(topic::GET_TASK);
    let reference = Value::map([("type", "ref"), ("data", "T0")].map(|(key, it)| (key, it.into())));
    let body = task(TASK, typed::NDARRAY.of(reference));
    let source = format!(r#"{{"fqcn": "server.{id}", "ref_id": "ref"}}"#);
    answer_with_source(&mut rig, &pull, &body, &source);
    let part = rig.take(topic::DOWNLOAD);
    (rig, id, part)
}

/// Answers with a value and a datum that says where its arrays are.
fn answer_with_source(rig: &mut Rig, seen: &Seen, body: &Value, source: &str) {
    let main = fobs::encode(body);
    let mut datum = vec![101, 3];
    datum.extend_from_slice(&(16 + source.len() as u64).to_be_bytes());
    datum.extend_from_slice(&[7; 16]);
    datum.extend_from_slice(source.as_bytes());
    let bytes = [&main[..], &datum].concat();
    let headers = Headers::new()
        .with(key::MSG_TYPE, msg_type::REPLY)
        .with(key::RETURN_CODE, "ok")
        .with(key::REQ_ID, seen.id.as_str())
        .with(key::ORIGIN, seen.destination.as_str())
        .with(key::DESTINATION, seen.origin.as_str())
        .with(key::PAYLOAD_ENCODING, encoding::FOBS);
    rig.deliver(&headers, &bytes);
    rig.pump();
}

#[test]
fn arrays_that_are_gone_fail_the_request_which_goes_again() {
    let (mut rig, _, first) = fetching(|_| ());
    rig.answer(&first, "invalid_request", Headers::new(), None);
    rig.wait(6 * SECOND);
    rig.take(topic::GET_TASK);
}

#[test]
fn a_task_that_makes_no_sense_fails_the_request() {
    let (mut rig, _) = together();
    let pull = rig.take(topic::GET_TASK);
    let nameless = typed::shareable(Vec::new(), Vec::new());
    rig.answer(&pull, "ok", Headers::new(), Some(&nameless));
    let failed = RetryReason::PullTask(ReturnCode::ProcessException);
    assert!(
        rig.took(
            |action| matches!(action, ClientAction::Retry { reason, .. } if *reason == failed)
        )
    );
}

#[test]
fn a_job_that_is_to_stop_no_longer_looks_for_its_other_half() {
    let mut rig = Rig::active();
    started(&mut rig, job(9));
    rig.take(topic::SYNC_RUNNER);
    let body = order("train.abort", job(9));
    rig.ask("server", SITE, channel::ADMIN, topic::ADMIN, &body);
    rig.seen.clear();
    rig.wait(6 * SECOND);
    rig.quiet();
}

#[test]
fn what_one_job_is_answered_is_no_matter_to_another() {
    let mut rig = Rig::active();
    started(&mut rig, job(8));
    started(&mut rig, job(9));
    let [first, second] = [(); 2].map(|()| rig.take(topic::SYNC_RUNNER));
    let wait = vec![
        ("task_name".into(), "__try_again__".into()),
        ("__wait_time__".into(), Value::Float(1.0)),
    ];
    let wait = typed::shareable(wait, Vec::new());
    // While the other looks for its half.
    rig.answer(&first, "ok", Headers::new(), Some(&aux_ok()));
    rig.take(topic::JOB_HEARTBEAT);
    let pull = rig.take(topic::GET_TASK);
    rig.answer(&pull, "ok", Headers::new(), Some(&wait));
    rig.answer(&second, "ok", Headers::new(), Some(&aux_ok()));
    rig.take(topic::JOB_HEARTBEAT);
    rig.take(topic::GET_TASK);
    // And while it asks for a task.
    rig.wait(SECOND * 3 / 2);
    let pull = rig.take(topic::GET_TASK);
    assert_eq!(pull.origin, format!("{SITE}.{}", job(8)));
    rig.answer(&pull, "ok", Headers::new(), Some(&wait));
    let (from, to) = (format!("server.{}", job(9)), format!("{SITE}.{}", job(9)));
    rig.ask_stream(&from, &to, channel::AUX, topic::END_RUN, &aux_ok());
    assert!(rig.took(|action| *action == ClientAction::RunEnded { job: job(9) }));
}

/// Orders a start or an abort; the words of the answer.
fn ordered(rig: &mut Rig, topic: &str, id: JobId) -> String {
    let body = order(topic, id);
    rig.ask("server", SITE, channel::ADMIN, topic::ADMIN, &body);
    let reply = rig.take(topic::ADMIN).body.unwrap().value;
    let words = typed::message_attributes(&reply).unwrap().get("body");
    words.and_then(Value::as_str).unwrap().to_owned()
}

#[test]
fn a_site_that_is_full_refuses_other_jobs_until_one_is_aborted() {
    let mut rig = Rig::active_with(|config| config.max_jobs = 2);
    let mut starts = |number| !ordered(&mut rig, "train.start_job", job(number)).contains("ERROR");
    assert_eq!([1, 2, 3, 1].map(&mut starts), [true, true, false, true]);
    ordered(&mut rig, "train.abort", job(1));
    let mut starts = |number| !ordered(&mut rig, "train.start_job", job(number)).contains("ERROR");
    assert_eq!([2, 3, 1].map(&mut starts), [true, true, false]);
}

#[test]
fn an_abort_is_not_forgotten_while_other_jobs_start() {
    let mut rig = Rig::active();
    ordered(&mut rig, "train.start_job", job(1));
    rig.client.job_started(rig.now, job(1)).unwrap();
    ordered(&mut rig, "train.abort", job(1));
    ordered(&mut rig, "train.start_job", job(2));
    rig.client.job_ended(rig.now, job(1)).unwrap();
    let report = rig.take(topic::REPORT_JOB_FAILURE);
    let code = report.body.as_ref().unwrap().value.get("code").cloned();
    assert_eq!(code, Some(Value::Int(9)));
}

#[test]
fn no_task_now_is_not_the_end() {
    let (mut rig, id) = together();
    let pull = rig.take(topic::GET_TASK);
    let headers = vec![
        ("task_name".into(), "__try_again__".into()),
        ("__wait_time__".into(), Value::Float(1.5)),
    ];
    let body = typed::shareable(headers, Vec::new());
    rig.answer(&pull, "ok", Headers::new(), Some(&body));
    let at = rig.now + SECOND * 3 / 2;
    assert!(rig.took(|action| *action == ClientAction::TryAgain { job: id, at }));
    rig.wait(SECOND);
    rig.quiet();
    rig.wait(SECOND);
    rig.take(topic::GET_TASK);
}

#[test]
fn the_end_of_the_run_is_the_end_however_it_is_said() {
    let (mut by_task, id) = together();
    let pull = by_task.take(topic::GET_TASK);
    let body = typed::shareable(vec![("task_name".into(), "__end_run__".into())], Vec::new());
    by_task.answer(&pull, "ok", Headers::new(), Some(&body));

    let (mut by_notice, _) = together();
    by_notice.take(topic::GET_TASK);
    let (from, to) = (format!("server.{id}"), format!("{SITE}.{id}"));
    by_notice.ask_stream(&from, &to, channel::AUX, topic::END_RUN, &aux_ok());

    for rig in [&mut by_task, &mut by_notice] {
        assert!(rig.took(|action| *action == ClientAction::RunEnded { job: id }));
        rig.seen.clear();
        // Whoever asks again hears it again.
        rig.actions.clear();
        rig.client.pull_task(rig.now, id).unwrap();
        assert!(rig.took(|action| *action == ClientAction::RunEnded { job: id }));
        rig.client.job_ended(rig.now, id).unwrap();
        let report = rig.take(topic::REPORT_JOB_FAILURE);
        let body = &report.body.as_ref().unwrap().value;
        assert_eq!(body.get("code"), Some(&Value::Int(0)));
        rig.answer(&report, "ok", Headers::new(), None);
        rig.wait(6 * SECOND);
        rig.seen.retain(|seen| seen.topic != topic::HEARTBEAT);
        rig.quiet();
    }
}

#[test]
fn an_outcome_is_told_until_the_server_has_it() {
    let (mut rig, id) = together();
    rig.client.job_failed(rig.now, id, "out of memory").unwrap();
    rig.seen
        .retain(|seen| seen.topic == topic::REPORT_JOB_FAILURE);
    let report = rig.take(topic::REPORT_JOB_FAILURE);
    let body = &report.body.as_ref().unwrap().value;
    assert_eq!(body.get("code"), Some(&Value::Int(101)));
    assert_eq!(
        body.get("reason").and_then(Value::as_str),
        Some("out of memory")
    );
    rig.client.handle_disconnected(rig.now);
    rig.wait(SECOND);
    rig.connect();
    rig.wait(SECOND);
    assert!(
        rig.seen
            .iter()
            .any(|seen| seen.topic == topic::REPORT_JOB_FAILURE)
    );
}

#[test]
fn a_job_that_is_aborted_sends_no_result() {
    let (mut rig, task) = holding();
    let body = order("train.abort", task.job);
    rig.ask("server", SITE, channel::ADMIN, topic::ADMIN, &body);
    assert!(rig.took(|action| *action == ClientAction::AbortJobs(vec![task.job])));
    rig.client.job_ended(rig.now, task.job).unwrap();
    rig.seen
        .retain(|seen| seen.topic == topic::REPORT_JOB_FAILURE);
    let report = rig.take(topic::REPORT_JOB_FAILURE);
    let body = &report.body.as_ref().unwrap().value;
    assert_eq!(body.get("code"), Some(&Value::Int(9)));
    let submitted = rig.client.submit(
        rig.now,
        task.id,
        Outcome::Ok,
        Properties::new(),
        Payload::new(""),
    );
    assert!(submitted.is_err());
}

#[test]
fn a_result_that_nobody_wants_is_not_brought() {
    let (mut rig, task) = holding();
    let payload = result_of(&task);
    rig.client
        .submit(rig.now, task.id, Outcome::Ok, Properties::new(), payload)
        .unwrap();
    let check = rig.take(topic::TASK_CHECK);
    rig.answer(&check, "ok", Headers::new(), Some(&aux("SERVER_NOT_READY")));
    rig.quiet();
    rig.wait(5 * SECOND);
    let check = rig.take(topic::TASK_CHECK);
    rig.answer(&check, "ok", Headers::new(), Some(&aux("TASK_UNKNOWN")));
    assert!(rig.took(|action| matches!(
        action,
        ClientAction::ResultRefused {
            refusal: Refusal::Withdrawn,
            ..
        }
    )));
    rig.quiet();
}

#[test]
fn what_was_given_up_is_told_once() {
    let (mut rig, task) = holding();
    rig.client
        .submit(
            rig.now,
            task.id,
            Outcome::Aborted,
            Properties::new(),
            Payload::new(""),
        )
        .unwrap();
    let submit = rig.take(topic::SUBMIT_UPDATE);
    assert!(submit.headers.flag(key::OPTIONAL));
    assert_eq!(
        submit.header("__rc__").and_then(Value::as_str),
        Some("TASK_ABORTED")
    );
    rig.answer(&submit, "comm_error", Headers::new(), None);
    rig.wait(9 * SECOND);
    rig.seen.retain(|seen| seen.topic == topic::SUBMIT_UPDATE);
    rig.quiet();
}

#[test]
fn a_result_that_is_no_npz_is_reported_as_failed() {
    let (mut rig, task) = holding();
    rig.client
        .submit(
            rig.now,
            task.id,
            Outcome::Ok,
            Properties::new(),
            Payload::new("nonsense"),
        )
        .unwrap();
    let check = rig.take(topic::TASK_CHECK);
    rig.answer(&check, "ok", Headers::new(), Some(&aux_ok()));
    let submit = rig.take(topic::SUBMIT_UPDATE);
    let code = submit.header("__rc__").and_then(Value::as_str);
    assert_eq!(code, Some("EXECUTION_EXCEPTION"));
    let error = submit.header("error").and_then(Value::as_str);
    assert!(error.unwrap().contains("not an .npz file"), "{error:?}");
}

#[test]
fn a_result_outlives_the_process_with_its_cookies() {
    let (mut rig, task) = holding();
    let payload = result_of(&task);
    rig.client
        .submit(rig.now, task.id, Outcome::Ok, Properties::new(), payload)
        .unwrap();
    rig.take(topic::TASK_CHECK);
    // A task is not stored: the server gives it again.
    let records = rig.records.clone();
    let config = ClientConfig::nvflare(name("wire"), name("server"), Settings::DEFAULT);
    let mut rig = Rig::restored(config, records);
    rig.client.register(rig.now).unwrap();
    rig.connect();
    let challenge = rig.take(topic::CHALLENGE);
    rig.answer_challenge(&challenge);
    let register = rig.take(topic::REGISTER);
    rig.answer_register(&register);
    let check = rig.take(topic::TASK_CHECK);
    rig.answer(&check, "ok", Headers::new(), Some(&aux_ok()));
    let submit = rig.take(topic::SUBMIT_UPDATE);
    let cookies = submit.header("__cookie_jar__").and_then(Value::as_str);
    assert_eq!(cookies, Some(COOKIES));
}

#[test]
fn the_next_task_is_asked_for_when_the_server_has_the_result() {
    let (mut rig, task) = holding();
    // It would only give the same one again.
    rig.client.pull_task(rig.now, task.job).unwrap();
    rig.wait(9 * SECOND);
    rig.seen.retain(|seen| seen.topic == topic::GET_TASK);
    rig.quiet();
    let payload = result_of(&task);
    rig.client
        .submit(rig.now, task.id, Outcome::Ok, Properties::new(), payload)
        .unwrap();
    let check = rig.take(topic::TASK_CHECK);
    rig.answer(&check, "ok", Headers::new(), Some(&aux_ok()));
    let submit = rig.take(topic::SUBMIT_UPDATE);
    rig.quiet();
    rig.answer(&submit, "ok", Headers::new(), Some(&"".into()));
    rig.take(topic::GET_TASK);
}
