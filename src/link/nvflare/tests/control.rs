//! Orders of the server, and of others.

use super::*;
use crate::error::Misuse;
use crate::nvflare::{ControlId, Decision};

fn order(topic: &str, body: Value) -> Value {
    let headers = Value::map([
        ("job_id", Value::from(job(1).to_string())),
        ("app_name", "app".into()),
    ]);
    typed::message("1", topic, body, headers)
}

/// Gives an order; the answer's topic, body and headers.
fn ordered(rig: &mut Rig, topic: &str, body: Value) -> (String, Value, Value) {
    rig.ask(
        "server",
        SITE,
        channel::ADMIN,
        topic::ADMIN,
        &order(topic, body),
    );
    reply(rig)
}

fn reply(rig: &mut Rig) -> (String, Value, Value) {
    let seen = rig.take(topic::ADMIN);
    assert_eq!(
        (&*seen.id, seen.headers.text(key::MSG_TYPE)),
        ("ask", msg_type::REPLY)
    );
    assert_eq!(seen.headers.text(key::RETURN_CODE), "ok");
    let body = seen.body.unwrap().value;
    let attributes = typed::message_attributes(&body).unwrap();
    let text = attributes.get("topic").and_then(Value::as_str).unwrap();
    let part = |key| attributes.get(key).unwrap().clone();
    (text.to_owned(), part("body"), part("headers"))
}

fn code(headers: &Value) -> Option<&str> {
    headers.get("_rtnCode").and_then(Value::as_str)
}

fn is_enough(body: &Value) -> Option<bool> {
    typed::headers(body)?.get("_is_resource_enough")?.as_bool()
}

fn deciding() -> Rig {
    Rig::active_with(|config| {
        config.binding = crate::Binding::Nvflare(Settings {
            host_decides: true,
            ..Settings::DEFAULT
        });
    })
}

#[test]
fn a_host_that_decides_nothing_takes_every_job() {
    let mut rig = Rig::active();
    let spec = Value::map([("num_of_gpus", Value::Int(2))]);
    let (topic, body, headers) = ordered(&mut rig, "scheduler.check_resource", spec);
    assert_eq!(topic, "reply_scheduler.check_resource");
    assert_eq!((is_enough(&body), code(&headers)), (Some(true), None));
    assert!(rig.took(|action| matches!(
        action,
        ClientAction::ResourcesWanted { spec, .. } if spec == r#"{"num_of_gpus":2}"#
    )));
    let (_, _, headers) = ordered(&mut rig, "train.deploy", Value::Bytes("PK".into()));
    assert_eq!(code(&headers), Some("_ok"));
    assert!(rig.took(|action| matches!(
        action,
        ClientAction::Deploy { app, name, .. } if app.bytes() == "PK" && name == "app"
    )));
    let late = rig.client.decide(rig.now, ControlId(1), &Decision::Accept);
    assert_eq!(late, Err(Misuse::UnknownControl(ControlId(1))));
}

#[test]
fn a_host_may_refuse_and_may_be_too_slow() {
    let mut rig = deciding();
    let refuse = Decision::Refuse("no".to_owned());
    rig.ask(
        "server",
        SITE,
        channel::ADMIN,
        topic::ADMIN,
        &order("scheduler.check_resource", Value::Nil),
    );
    rig.quiet();
    rig.client.decide(rig.now, ControlId(1), &refuse).unwrap();
    assert_eq!(is_enough(&reply(&mut rig).1), Some(false));

    rig.ask(
        "server",
        SITE,
        channel::ADMIN,
        topic::ADMIN,
        &order("train.deploy", Value::Nil),
    );
    rig.client.decide(rig.now, ControlId(2), &refuse).unwrap();
    let (_, body, headers) = reply(&mut rig);
    assert_eq!(
        (body.as_str(), code(&headers)),
        (Some("no"), Some("_error"))
    );

    rig.ask(
        "server",
        SITE,
        channel::ADMIN,
        topic::ADMIN,
        &order("train.deploy", Value::Nil),
    );
    rig.wait(2 * SECOND);
    rig.quiet();
    rig.wait(2 * SECOND);
    let (_, _, headers) = reply(&mut rig);
    assert_eq!(code(&headers), Some("_ok"));
}

#[test]
fn only_so_many_decisions_are_waited_for() {
    let mut rig = deciding();
    let deploy = order("train.deploy", Value::Nil);
    for _ in 0..64 {
        rig.ask("server", SITE, channel::ADMIN, topic::ADMIN, &deploy);
        rig.quiet();
    }
    let (_, _, headers) = ordered(&mut rig, "train.deploy", Value::Nil);
    assert_eq!(code(&headers), Some("_ok"));
}

#[test]
fn who_asked_is_gone_with_the_connection() {
    let mut rig = deciding();
    let deploy = order("train.deploy", Value::Nil);
    rig.ask("server", SITE, channel::ADMIN, topic::ADMIN, &deploy);
    rig.client.handle_disconnected(rig.now);
    let late = rig.client.decide(rig.now, ControlId(1), &Decision::Accept);
    assert_eq!(late, Err(Misuse::UnknownControl(ControlId(1))));
}

#[test]
fn status_is_true_and_what_is_unknown_is_an_error() {
    let mut rig = Rig::active();
    let (_, body, _) = ordered(&mut rig, "train.check_status", Value::Nil);
    assert_eq!(
        body.as_str(),
        Some(r#"{"client_name":"site-1","running_jobs":[]}"#)
    );
    ordered(&mut rig, "train.start_job", Value::Nil);
    let (_, body, _) = ordered(&mut rig, "train.check_status", Value::Nil);
    assert!(body.as_str().unwrap().contains(&job(1).to_string()));
    for housekeeping in ["train.delete_run", "scheduler.cancel_resource"] {
        let (_, _, headers) = ordered(&mut rig, housekeeping, Value::Nil);
        assert_eq!(code(&headers), Some("_ok"), "{housekeeping}");
    }
    let (_, body, headers) = ordered(&mut rig, "train.get_scopes", Value::Nil);
    assert_eq!(code(&headers), Some("_ok"));
    assert!(body.as_str().unwrap().contains("scope_names"));
    for unknown in ["train.restart", "sys.info", ""] {
        let (_, _, headers) = ordered(&mut rig, unknown, Value::Nil);
        assert_eq!(code(&headers), Some("_error"), "{unknown}");
    }
}

#[test]
fn a_task_can_be_aborted_alone() {
    let mut rig = Rig::active();
    let (_, _, headers) = ordered(&mut rig, "train.abort_task", Value::Nil);
    assert_eq!(code(&headers), Some("_ok"));
    assert!(rig.took(|action| *action == ClientAction::AbortTask { job: job(1) }));
}

#[test]
fn nobody_but_the_server_gives_orders() {
    let mut rig = Rig::active();
    rig.client.job_started(rig.now, job(1)).unwrap();
    let someone = format!("server.{}", job(1));
    for from in ["site-2", "site-2.server", "", &someone] {
        let body = order("train.abort", Value::Nil);
        rig.ask(from, SITE, channel::ADMIN, topic::ADMIN, &body);
        let refused = rig.take(topic::ADMIN);
        assert_eq!(refused.headers.text(key::RETURN_CODE), "process_exception");
    }
    let cell = format!("{SITE}.{}", job(1));
    let body = typed::shareable(Vec::new(), Vec::new());
    let other = format!("server.{}", job(2));
    for from in ["site-2", &format!("site-2.{}", job(1)), &other] {
        rig.ask_stream(from, &cell, channel::AUX, topic::END_RUN, &body);
    }
    rig.actions.clear();
    assert!(!rig.took(|_| true));
}

#[test]
fn a_run_is_ended_by_its_other_half_alone() {
    let (mut rig, id) = super::job::together();
    let cell = format!("{SITE}.{id}");
    let other = format!("server.{}", job(2));
    for from in ["site-2", "server.nonsense", &other] {
        rig.ask_stream(from, &cell, channel::AUX, topic::END_RUN, &Value::Nil);
        assert!(
            !rig.took(|action| *action == ClientAction::RunEnded { job: id }),
            "{from}"
        );
    }
    let own = format!("server.{id}");
    rig.ask_stream(&own, &cell, channel::AUX, topic::END_RUN, &Value::Nil);
    assert!(rig.took(|action| *action == ClientAction::RunEnded { job: id }));
}

#[test]
fn what_a_job_need_not_know_is_taken_all_the_same() {
    let mut rig = Rig::active();
    for (topic, code) in [
        ("fed.event", "OK"),
        ("__msg_root_deleted__", "OK"),
        ("whatever", "TOPIC_UNKNOWN"),
    ] {
        rig.ask("server", SITE, channel::AUX, topic, &Value::Nil);
        let reply = rig.take(topic);
        assert_eq!(
            reply.header("__rc__").and_then(Value::as_str),
            Some(code),
            "{topic}"
        );
    }
}

#[test]
fn a_stream_that_wants_an_answer_gets_one() {
    let mut rig = Rig::active();
    rig.ask_stream("server", SITE, channel::AUX, "whatever", &Value::Nil);
    let reply = rig.take("aux_communication:whatever");
    assert_eq!((&*reply.id, &*reply.channel), ("ask", channel::RETURN_ONLY));
    let notice = Headers::new()
        .with(key::ORIGIN, "server")
        .with(key::DESTINATION, SITE);
    rig.stream(notice, channel::AUX, "whatever", &Value::Nil);
    rig.quiet();
}

#[test]
fn what_nobody_takes_is_answered_so() {
    let mut rig = Rig::active();
    rig.ask("server", SITE, "hci_channel", "whatever", &Value::Nil);
    let seen = rig.take("whatever");
    assert_eq!(seen.headers.text(key::RETURN_CODE), "process_exception");
    assert_eq!(seen.headers.text(key::ERROR), "no callback");
    rig.ask("server", SITE, channel::CELLNET, topic::BYE, &Value::Nil);
    let seen = rig.take(topic::BYE);
    assert_eq!(seen.headers.text(key::RETURN_CODE), "ok");
}
