//! Servers of releases that write values otherwise.

use super::job::{array, assigned, aux_ok, npy, result_of, started, task};
use super::*;
use crate::message::{Outcome, Payload, Properties};
use crate::nvflare::Model;

const TASK: &str = "75f811bc-28b0-4fee-a78c-f12a0951bd23";

/// A client that has registered with a server of 2.6.
fn active() -> Rig {
    let mut rig = Rig::new();
    rig.dialect = Dialect::Release26;
    rig.register();
    rig
}

/// Waits until such a request comes, and drops what came before it.
fn until(rig: &mut Rig, topic: &str) {
    while rig.seen.iter().all(|seen| seen.topic != topic) {
        rig.wait(SECOND / 4);
    }
    while rig.seen.front().is_some_and(|seen| seen.topic != topic) {
        rig.seen.pop_front();
    }
}

/// A task of such a server, with these weights, that the host holds; false where it cannot.
fn given(weights: Value) -> (Rig, bool) {
    let mut rig = active();
    started(&mut rig, job(9));
    let sync = rig.take(topic::SYNC_RUNNER);
    rig.answer(&sync, "ok", Headers::new(), Some(&aux_ok()));
    rig.take(topic::JOB_HEARTBEAT);
    let pull = rig.take(topic::GET_TASK);
    rig.answer(&pull, "ok", Headers::new(), Some(&task(TASK, weights)));
    let taken = rig.took(|action| matches!(action, ClientAction::TaskAssigned(_)));
    (rig, taken)
}

#[test]
fn the_answer_to_the_challenge_says_how_the_server_writes() {
    let mut rig = active();
    rig.wait(12 * SECOND);
    // The rig reads in its own dialect alone.
    assert!(rig.take(topic::HEARTBEAT).header("__peer_ctx__").is_some());
}

#[test]
fn a_server_that_is_replaced_by_another_release_is_understood_after_the_next_challenge() {
    let mut rig = active();
    rig.wait(12 * SECOND);
    let heartbeat = rig.take(topic::HEARTBEAT);
    rig.answer(&heartbeat, "unauthenticated", Headers::new(), None);
    rig.dialect = Dialect::Since27;
    until(&mut rig, topic::CHALLENGE);
    rig.let_in();
    rig.wait(12 * SECOND);
    assert!(rig.take(topic::HEARTBEAT).header("__peer_ctx__").is_some());
}

#[test]
fn a_job_of_2_6_is_worked() {
    let weights = typed::native(typed::NDARRAY, npy(&[1.0, 2.0]));
    let (mut rig, taken) = given(weights);
    assert!(taken);
    let task = assigned(&mut rig);
    let model = Model::read(task.payload.bytes()).unwrap();
    assert_eq!(model.get("w"), Some(&array(&[1.0, 2.0])));
    let result = result_of(&task);
    submit(&mut rig, &task, result);
    let submit = rig.take(topic::SUBMIT_UPDATE);
    assert_eq!(submit.header("__rc__"), Some(&"OK".into()));
    let body = &submit.body.as_ref().unwrap().value;
    let dxo = typed::SHAREABLE.data(body).unwrap().get("DXO").unwrap();
    assert_eq!(dxo.get("kind"), Some(&"WEIGHTS".into()));
    let sent = dxo.get("data").unwrap().get("w");
    let wanted = typed::native(typed::NDARRAY, npy(&[3.0, 4.0]));
    assert_eq!(sent, Some(&wanted));
}

fn submit(rig: &mut Rig, task: &crate::client::Task, result: Payload) {
    let headers = Properties::new();
    rig.client
        .submit(rig.now, task.id, Outcome::Ok, headers, result)
        .unwrap();
    wanted(rig);
}

/// The server says that it wants the result.
fn wanted(rig: &mut Rig) {
    let check = rig.take(topic::TASK_CHECK);
    rig.answer(&check, "ok", Headers::new(), Some(&aux_ok()));
}

#[test]
fn a_tensor_goes_neither_way() {
    let tensor = typed::TENSOR.of(Value::map([
        ("buffer", Value::Bytes(npy(&[1.0]))),
        ("dtype", "torch.float32".into()),
    ]));
    for tensor in [tensor, typed::TENSOR.of(Value::Bytes(npy(&[1.0])))] {
        let (mut rig, taken) = given(tensor);
        assert!(!taken);
        wanted(&mut rig);
        let submit = rig.take(topic::SUBMIT_UPDATE);
        assert_eq!(submit.header("__rc__"), Some(&"EXECUTION_EXCEPTION".into()));
    }

    let (mut rig, _) = given(typed::native(typed::NDARRAY, npy(&[1.0])));
    let task = assigned(&mut rig);
    let mut model = Model::new();
    let head = br#"{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let file = [&(head.len() as u64).to_le_bytes()[..], head, &[0; 4]].concat();
    model.insert_tensor("w", file.into());
    submit(&mut rig, &task, model.to_payload().unwrap());
    let submit = rig.take(topic::SUBMIT_UPDATE);
    let said = submit.header("error").and_then(Value::as_str);
    assert!(said.unwrap().contains("numpy arrays"), "{said:?}");
}

/// A client that has registered with a server of 2.5, which grants a token in the headers.
fn active_2_5() -> Rig {
    let mut rig = Rig::new();
    rig.dialect = Dialect::Release26;
    rig.client.register(rig.now).unwrap();
    rig.connect();
    let challenge = rig.take(topic::CHALLENGE);
    rig.answer_challenge(&challenge);
    let register = rig.take(topic::REGISTER);
    let signature = rig.sign(&[SITE, TOKEN].concat());
    let grant = Headers::new()
        .with(key::TOKEN, TOKEN)
        .with(key::TOKEN_SIGNATURE, base64(&signature))
        .with(key::SSID, "session");
    rig.answer(&register, "ok", grant, None);
    rig
}

/// Asks the client of a standing session something, and returns the answer if it is written
/// as such a server reads it.
fn answer_to(rig: &mut Rig, dialect: Dialect) -> Option<Value> {
    rig.dialect = dialect;
    let order = super::job::order("train.check_status", job(1));
    rig.ask("server", SITE, channel::ADMIN, topic::ADMIN, &order);
    let reply = rig.seen.pop_back().unwrap().body?.value;
    let attributes = typed::MESSAGE.data(&reply)?;
    let is_plain = attributes.get("topic").is_some();
    (is_plain == (dialect == Dialect::Release25)).then_some(reply)
}

/// A plain configuration: nothing is proved, and nothing comes before the Register.
fn plain(config: &mut ClientConfig) {
    config.binding = crate::Binding::Nvflare(Settings {
        secure: false,
        ..Settings::DEFAULT
    });
}

#[test]
fn a_token_in_the_headers_counts_as_in_2_5() {
    let mut rig = active_2_5();
    rig.wait(SECOND);
    let heartbeat = rig.take(topic::HEARTBEAT);
    assert_eq!(heartbeat.headers.text(key::TOKEN), TOKEN);
    assert_eq!(heartbeat.headers.text(key::SSID), "session");
    // Its orders have no layer around their attributes, and neither have the answers.
    assert!(answer_to(&mut rig, Dialect::Release25).is_some());
}

#[test]
fn a_renewal_that_comes_to_nothing_leaves_the_session_its_dialect() {
    // From nobody comes a valid word, so that the client registers beside its session.
    let mut rig = active_2_5();
    rig.dialect = Dialect::Release26;
    until(&mut rig, topic::CHALLENGE);
    let challenge = rig.take(topic::CHALLENGE);
    rig.answer_challenge(&challenge);
    rig.take(topic::REGISTER);
    assert!(answer_to(&mut rig, Dialect::Release25).is_some());

    for (granted, other) in [
        (Dialect::Release26, Dialect::Since27),
        (Dialect::Since27, Dialect::Release26),
    ] {
        let mut rig = Rig::with(plain);
        rig.reads_nothing_else = true;
        rig.client.register(rig.now).unwrap();
        rig.connect();
        let register = rig.take(topic::REGISTER);
        rig.dialect = granted;
        rig.answer_register(&register);
        for dialect in [granted, other, granted, other] {
            rig.dialect = dialect;
            until(&mut rig, topic::REGISTER);
            let register = rig.take(topic::REGISTER);
            // Both are tried, beginning with the one that was understood.
            assert!(register.header("__peer_ctx__").is_some());
            assert!(answer_to(&mut rig, granted).is_some());
        }
    }
}

#[test]
fn without_a_challenge_both_dialects_are_tried() {
    let mut rig = Rig::with(plain);
    rig.client.register(rig.now).unwrap();
    rig.connect();
    for _ in 0..3 {
        until(&mut rig, topic::REGISTER);
        let register = rig.take(topic::REGISTER);
        assert!(register.header("__peer_ctx__").is_some());
        rig.answer(&register, "process_exception", Headers::new(), None);
        rig.dialect = rig.dialect.other();
    }
    // A refusal that has read what was sent settles it.
    for _ in 0..2 {
        assert_eq!(rig.dialect, Dialect::Release26);
        until(&mut rig, topic::REGISTER);
        let register = rig.take(topic::REGISTER);
        rig.answer(&register, "comm_error", Headers::new(), None);
    }
}

#[test]
fn what_a_server_grants_says_how_it_writes() {
    let mut rig = Rig::with(plain);
    rig.client.register(rig.now).unwrap();
    rig.connect();
    let register = rig.take(topic::REGISTER);
    rig.dialect = Dialect::Release26;
    rig.answer_register(&register);
    rig.wait(SECOND);
    assert!(rig.take(topic::HEARTBEAT).header("__peer_ctx__").is_some());
}
