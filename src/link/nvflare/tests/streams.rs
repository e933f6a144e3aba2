//! Values too large for one message.

use super::*;
use crate::client::RetryReason;
use crate::message::{Outcome, Properties, ReturnCode};

/// A running job with a request for a task under way.
fn asking(change: impl FnOnce(&mut ClientConfig)) -> (Rig, Seen) {
    let mut rig = Rig::active_with(change);
    rig.client.job_started(rig.now, job(1)).unwrap();
    rig.client.pull_task(rig.now, job(1)).unwrap();
    let sync = rig.take(topic::SYNC_RUNNER);
    let ok = typed::shareable(Vec::new(), Vec::new());
    rig.answer(&sync, "ok", Headers::new(), Some(&ok));
    rig.take(topic::JOB_HEARTBEAT);
    let pull = rig.take(topic::GET_TASK);
    (rig, pull)
}

fn task(weights: usize) -> Value {
    let headers = vec![
        ("task_name".into(), "train".into()),
        (
            "__task_id__".into(),
            "75f811bc-28b0-4fee-a78c-f12a0951bd23".into(),
        ),
    ];
    let array = crate::nvflare::Array::new([weights], vec![1.0f32; weights]).unwrap();
    let data = Value::map([("w", typed::native(typed::NDARRAY, array.to_npy()))]);
    let dxo = Value::map([("kind", typed::DATA_KIND.of("WEIGHTS")), ("data", data)]);
    typed::shareable(headers, vec![("DXO".into(), dxo)])
}

/// The chunks of an answer to `pull`.
fn chunks(rig: &mut Rig, pull: &Seen, body: &Value) -> Vec<(Headers, Bytes)> {
    let headers = Headers::new()
        .with(key::RETURN_CODE, "ok")
        .with(key::ORIGIN, pull.destination.as_str())
        .with(key::DESTINATION, pull.origin.as_str())
        .with(stream_key::REQUEST_ID, pull.id.as_str());
    rig.cut(
        headers,
        channel::RETURN_ONLY,
        "server_command:get_task",
        body,
    )
}

fn acks(rig: &mut Rig) -> Vec<u64> {
    rig.pump();
    let acks = rig
        .seen
        .iter()
        .filter(|seen| seen.topic == topic::STREAM_ACK);
    acks.filter_map(|seen| seen.headers.number(stream_key::OFFSET))
        .collect()
}

#[test]
fn a_stream_out_of_order_is_put_together_and_acknowledged() {
    let (mut rig, pull) = asking(|_| ());
    let mut cut = chunks(&mut rig, &pull, &task(2 << 20));
    let total = cut[0].0.number(stream_key::SIZE).unwrap();
    assert_eq!(cut.len(), 9);
    cut.swap(3, 5);
    cut.swap(0, 1);
    rig.seen.clear();
    for (headers, bytes) in &cut {
        rig.deliver(headers, bytes);
    }
    assert!(rig.took(|action| matches!(action, ClientAction::TaskAssigned(_))));
    let offsets = acks(&mut rig);
    assert_eq!(offsets.last(), Some(&total));
    assert!(offsets.len() >= 2 && offsets.is_sorted(), "{offsets:?}");
    // What is repeated is acknowledged again, and given to nobody.
    rig.seen.clear();
    rig.actions.clear();
    rig.deliver(&cut[4].0, &cut[4].1);
    assert_eq!(acks(&mut rig), [total]);
    assert!(!rig.took(|_| true));
}

#[test]
fn a_stream_that_moves_is_waited_for() {
    let (mut rig, pull) = asking(|_| ());
    for (headers, bytes) in chunks(&mut rig, &pull, &task(1 << 20)) {
        rig.wait_alive(50 * SECOND);
        rig.deliver(&headers, &bytes);
    }
    assert!(rig.took(|action| matches!(action, ClientAction::TaskAssigned(_))));
}

#[test]
fn a_stream_that_is_too_large_is_refused_and_said_so() {
    let (mut rig, pull) = asking(|config| config.max_payload = 1 << 20);
    let cut = chunks(&mut rig, &pull, &task(5 << 20));
    rig.deliver(&cut[0].0, &cut[0].1);
    let refused = |action: &ClientAction| {
        matches!(
            action,
            ClientAction::Retry {
                reason: RetryReason::PullTask(ReturnCode::MsgTooBig),
                ..
            }
        )
    };
    assert!(rig.took(refused));
    let error = rig.take(topic::STREAM_ERROR);
    assert_eq!(
        error.headers.number(stream_key::DATA_TYPE),
        Some(data_type::ERROR)
    );
    assert!(
        error
            .headers
            .text(stream_key::ERROR_TEXT)
            .contains("at most")
    );
}

#[test]
fn a_stream_that_its_sender_gives_up_fails_the_request() {
    let (mut rig, pull) = asking(|_| ());
    let cut = chunks(&mut rig, &pull, &task(1 << 20));
    rig.deliver(&cut[0].0, &cut[0].1);
    let headers = cut[1]
        .0
        .clone()
        .with(stream_key::DATA_TYPE, data_type::ERROR);
    rig.deliver(&headers, b"");
    assert!(rig.took(|action| matches!(
        action,
        ClientAction::Retry {
            reason: RetryReason::PullTask(ReturnCode::CommError),
            ..
        }
    )));
}

/// A result of 68 MiB on its way, as far as the server takes it; the number of its stream.
fn uploading() -> (Rig, u64) {
    let (mut rig, pull) = asking(|_| ());
    rig.answer(&pull, "ok", Headers::new(), Some(&task(4)));
    rig.pump();
    let given = rig.actions.iter().find_map(|action| match action {
        ClientAction::TaskAssigned(task) => Some(task.clone()),
        _ => None,
    });
    let given = given.unwrap();
    let mut model = crate::nvflare::Model::new();
    let weights = 17 << 19;
    let array = crate::nvflare::Array::new([weights], vec![1u64; weights]).unwrap();
    model.insert("w", array);
    let payload = model.to_payload().unwrap();
    rig.client
        .submit(rig.now, given.id, Outcome::Ok, Properties::new(), payload)
        .unwrap();
    let check = rig.take(topic::TASK_CHECK);
    rig.acks = false;
    rig.kinds.clear();
    let ok = typed::shareable(Vec::new(), Vec::new());
    rig.answer(&check, "ok", Headers::new(), Some(&ok));
    rig.wait(SECOND);
    let id = rig.last_stream;
    (rig, id)
}

#[test]
fn what_nobody_waits_for_is_refused_once_and_not_kept() {
    let (mut rig, pull) = asking(|_| ());
    let cut = chunks(&mut rig, &pull, &task(1 << 20));
    rig.deliver(&cut[0].0, &cut[0].1);
    rig.client.job_ended(rig.now, job(1)).unwrap();
    rig.pump();
    rig.seen.clear();
    for (headers, bytes) in &cut[1..] {
        rig.deliver(headers, bytes);
    }
    rig.seen.retain(|seen| seen.topic != topic::STREAM_ACK);
    rig.take(topic::STREAM_ERROR);
    rig.quiet();
    assert!(rig.seen.iter().all(|seen| seen.channel == channel::STREAM));
}

#[test]
fn a_stream_that_moves_never_shortens_the_wait() {
    let (mut rig, pull) = asking(|_| ());
    let headers = vec![
        ("task_name".into(), "__try_again__".into()),
        ("min_get_task_timeout".into(), Value::Int(300)),
    ];
    let body = typed::shareable(headers, Vec::new());
    rig.answer(&pull, "ok", Headers::new(), Some(&body));
    rig.wait(3 * SECOND);
    let pull = rig.take(topic::GET_TASK);
    let cut = chunks(&mut rig, &pull, &task(1 << 20));
    rig.deliver(&cut[0].0, &cut[0].1);
    rig.pump();
    rig.wait(90 * SECOND);
    rig.seen.retain(|seen| seen.topic == topic::GET_TASK);
    rig.quiet();
}

#[test]
fn a_large_result_goes_as_the_server_acknowledges_it() {
    let (mut rig, id) = uploading();
    // A window, and not one chunk more.
    let sent = rig.kinds.iter().filter(|kind| **kind == Kind::Data).count();
    assert_eq!(sent, 16);
    rig.quiet();
    // A heartbeat is not held up by it.
    rig.wait(11 * SECOND);
    rig.seen.retain(|seen| seen.topic == topic::HEARTBEAT);
    let heartbeat = rig.take(topic::HEARTBEAT);
    rig.answer(&heartbeat, "ok", Headers::new(), None);

    rig.acks = true;
    let cell = format!("{SITE}.{}", job(1));
    let stream = Headers::new()
        .with(key::ORIGIN, cell.as_str())
        .with(key::DESTINATION, given_server().as_str());
    rig.ack(&stream, id, 12 << 20);
    rig.seen.retain(|seen| seen.topic != topic::JOB_HEARTBEAT);
    let submit = rig.take(topic::SUBMIT_UPDATE);
    assert!(submit.body.is_some());
    let interval = submit.headers.number(stream_key::ACK_INTERVAL);
    assert_eq!(interval, Some(1 << 20));
}

fn given_server() -> String {
    format!("server.{}", job(1))
}

#[test]
fn the_receiver_of_a_stream_that_was_cut_is_told() {
    let (mut rig, id) = uploading();
    rig.client.handle_disconnected(rig.now);
    rig.wait(2 * SECOND);
    rig.seen.clear();
    rig.acks = true;
    rig.connect();
    let told = rig.take(topic::STREAM_DATA);
    let numbers = [stream_key::ID, stream_key::DATA_TYPE].map(|key| told.headers.number(key));
    assert_eq!(numbers, [Some(id), Some(data_type::ERROR)]);
    assert_eq!(told.destination, given_server());
    // The result goes again from its start, as another stream.
    rig.take(topic::TASK_CHECK);
}
