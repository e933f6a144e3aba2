//! Heartbeats, farewells, and sessions that others have ended.

use super::*;
use crate::client::{CloseReason, RetryReason};
use crate::link::Suspicion;
use crate::message::{RejectReason, ReturnCode};

#[test]
fn heartbeats_report_jobs_and_bring_back_those_to_abort() {
    let mut rig = Rig::active();
    rig.client.job_started(rig.now, job(1)).unwrap();
    rig.client.job_started(rig.now, job(2)).unwrap();
    for round in 0..2 {
        rig.wait(11 * SECOND);
        let heartbeat = rig.take(topic::HEARTBEAT);
        let jobs: Vec<_> = heartbeat.headers.texts(key::JOB_IDS).collect();
        assert_eq!(jobs, [job(1).to_string(), job(2).to_string()]);
        let listed = vec![Value::from(job(2).to_string()), "no uuid".into()];
        let headers = Headers::new().with(key::ABORT_JOBS, listed);
        rig.answer(&heartbeat, "ok", headers, None);
        let aborts = ClientAction::AbortJobs(vec![job(2)]);
        // Each job is aborted once, however often it is listed.
        let told = rig.actions.iter().filter(|action| **action == aborts);
        assert_eq!(told.count(), 1, "{round}");
    }
    rig.client.job_ended(rig.now, job(2)).unwrap();
    let report = rig.take(topic::REPORT_JOB_FAILURE);
    let body = &report.body.as_ref().unwrap().value;
    assert_eq!(
        body.get("job_id").and_then(Value::as_str),
        Some(&*job(2).to_string())
    );
}

#[test]
fn a_failed_heartbeat_goes_again_after_five_seconds() {
    let mut rig = Rig::active();
    rig.wait(11 * SECOND);
    let heartbeat = rig.take(topic::HEARTBEAT);
    rig.answer(&heartbeat, "process_exception", Headers::new(), None);
    let reason = RetryReason::Heartbeat(ReturnCode::ProcessException);
    assert!(
        rig.took(
            |action| matches!(action, ClientAction::Retry { reason: it, .. } if *it == reason)
        )
    );
    rig.wait(5 * SECOND);
    rig.quiet();
    rig.wait(SECOND / 5);
    rig.take(topic::HEARTBEAT);
}

fn heartbeat_failed(code: ReturnCode) -> impl Fn(&ClientAction) -> bool {
    let wanted = RetryReason::Heartbeat(code);
    move |action| matches!(action, ClientAction::Retry { reason, .. } if *reason == wanted)
}

#[test]
fn a_heartbeat_that_did_not_get_through_replaces_nobody() {
    let mut rig = Rig::active();
    rig.wait(11 * SECOND);
    let heartbeat = rig.take(topic::HEARTBEAT);
    let words = Headers::new().with(key::ERROR, "cannot forward");
    rig.answer(&heartbeat, "comm_error", words, None);
    assert!(rig.took(heartbeat_failed(ReturnCode::CommError)));
    assert!(!rig.took(|action| matches!(action, ClientAction::Rejected(_))));
}

#[test]
fn a_request_that_could_not_be_sent_has_failed() {
    let mut rig = Rig::active();
    rig.wait(11 * SECOND);
    rig.take(topic::HEARTBEAT);
    let failed = heartbeat_failed(ReturnCode::CommError);
    // What went before it is no matter.
    let id = rig.last_transmit;
    rig.client.handle_send_failed(rig.now, id - 1);
    assert!(!rig.took(&failed));
    rig.client.handle_send_failed(rig.now, id);
    assert!(rig.took(&failed));
}

#[test]
fn a_request_is_answered_by_whoever_was_asked_or_returned_by_any() {
    let mut rig = Rig::active();
    rig.wait(11 * SECOND);
    let heartbeat = rig.take(topic::HEARTBEAT);
    let answer = |kind: &str, from: &str, to: &str| {
        Headers::new()
            .with(key::MSG_TYPE, kind)
            .with(key::RETURN_CODE, "target_unreachable")
            .with(key::REQ_ID, heartbeat.id.as_str())
            .with(key::ORIGIN, from)
            .with(key::DESTINATION, to)
    };
    let failed = heartbeat_failed(ReturnCode::TargetUnreachable);
    let cell = format!("{SITE}.{}", job(1));
    for (kind, from, to) in [
        (msg_type::REPLY, "site-2", SITE),
        (msg_type::REPLY, "server", &cell),
        (msg_type::RETURN, "relay", &cell),
    ] {
        rig.deliver(&answer(kind, from, to), b"");
        assert!(!rig.took(&failed), "{kind} {from} {to}");
    }
    rig.deliver(&answer(msg_type::RETURN, "relay", SITE), b"");
    assert!(rig.took(&failed));
}

#[test]
fn messages_say_when_they_were_sent() {
    let mut rig = Rig::active();
    rig.wait(11 * SECOND);
    let heartbeat = rig.take(topic::HEARTBEAT);
    let sent = heartbeat
        .headers
        .get(key::SEND_TIME)
        .and_then(Value::as_f64);
    let earliest = WALL as f64 + 10.0;
    assert!(
        (earliest..earliest + 3.0).contains(&sent.unwrap()),
        "{sent:?}"
    );
}

#[test]
fn a_server_whose_certificate_is_revoked_has_to_prove_itself_anew() {
    use crate::identity::ChainError;
    let mut rig = Rig::active();
    rig.client.set_revoked(rig.now, revoked(SITE_CERT));
    rig.quiet();
    assert!(!rig.took(|action| *action == ClientAction::ClearAuth));
    rig.client.set_revoked(rig.now, revoked(SERVER_CERT));
    assert!(rig.took(|action| *action == ClientAction::ClearAuth));
    let challenge = rig.take(topic::CHALLENGE);
    rig.answer_challenge(&challenge);
    assert!(rig.took(|action| matches!(
        action,
        ClientAction::Suspect {
            suspicion: Suspicion::Chain(ChainError::Revoked { .. }),
            ..
        }
    )));
}

#[test]
fn quitting_says_bye() {
    let mut rig = Rig::active();
    rig.client.quit(rig.now, "done");
    let quit = rig.take(topic::QUIT);
    let headers = Headers::new().with(key::MESSAGE, "Removed client");
    rig.answer(&quit, "ok", headers, None);
    assert!(rig.took(|action| *action
        == ClientAction::Closed {
            answered: true,
            message: "Removed client".to_owned(),
            reason: CloseReason::Quit,
        }));
    let bye = rig.take(topic::BYE);
    assert_eq!(bye.headers.text(key::TOKEN), TOKEN);
    assert!(rig.client.poll_timeout().is_none());
}

#[test]
fn a_client_that_is_replaced_stops_or_takes_over() {
    let replaced = |on_replaced| {
        let mut rig = Rig::active_with(|config| {
            config.binding = crate::Binding::Nvflare(Settings {
                on_replaced,
                ..Settings::DEFAULT
            });
        });
        rig.wait(11 * SECOND);
        let heartbeat = rig.take(topic::HEARTBEAT);
        let words = "Client ID already registered as a client: site-1";
        rig.answer(
            &heartbeat,
            "comm_error",
            Headers::new().with(key::ERROR, words),
            None,
        );
        rig
    };
    let mut stopped = replaced(OnReplaced::Stop);
    assert!(stopped.took(|action| matches!(
        action,
        ClientAction::Rejected(rejection) if rejection.reason == RejectReason::Replaced
    )));
    assert!(stopped.took(|action| *action == ClientAction::ClearAuth));
    stopped.wait(300 * SECOND);
    stopped.quiet();

    let mut over = replaced(OnReplaced::TakeOver);
    assert!(over.took(|action| *action == ClientAction::ClearAuth));
    over.quiet();
    over.wait(3 * SECOND);
    assert!(over.seen[0].headers.get(key::TOKEN).is_none());
    over.let_in();
}

#[test]
fn a_server_that_drops_everything_but_pings_is_registered_with_once() {
    let mut rig = Rig::active();
    rig.wait(11 * SECOND);
    rig.take(topic::HEARTBEAT);
    // 10 s until it is given up, 5 s until the next one, and its 10 s.
    rig.wait(26 * SECOND);
    rig.take(topic::HEARTBEAT);
    let dropped = |action: &ClientAction| {
        matches!(
            action,
            ClientAction::Suspect {
                suspicion: Suspicion::AuthDropped,
                ..
            }
        )
    };
    assert!(rig.took(dropped));
    let challenge = rig.take(topic::CHALLENGE);
    rig.answer_challenge(&challenge);
    let register = rig.take(topic::REGISTER);
    rig.answer_register(&register);
    assert!(rig.took(|action| matches!(action, ClientAction::SetAuth(_))));
    // It goes on dropping: that is told, and not tried again so soon.
    rig.actions.clear();
    rig.wait(30 * SECOND);
    assert!(rig.took(dropped));
    assert_eq!(rig.count(topic::CHALLENGE), 0);
}

#[test]
fn a_server_that_answers_nothing_is_the_carriers_business() {
    let mut rig = Rig::active();
    rig.pongs = false;
    rig.wait(60 * SECOND);
    let suspect = |action: &ClientAction| matches!(action, ClientAction::Suspect { .. });
    assert!(!rig.took(suspect));
}

#[test]
fn a_new_connection_goes_on_with_the_same_token() {
    let mut rig = Rig::active();
    rig.client.handle_disconnected(rig.now);
    assert!(rig.took(|action| matches!(
        action,
        ClientAction::Retry {
            reason: RetryReason::Disconnected,
            ..
        }
    )));
    rig.kinds.clear();
    rig.connect();
    assert_eq!(rig.kinds[0], Kind::Hello);
    rig.wait(SECOND);
    let heartbeat = rig.take(topic::HEARTBEAT);
    assert_eq!(heartbeat.headers.text(key::TOKEN), TOKEN);
}

#[test]
fn a_disabled_client_is_told_at_its_next_heartbeat() {
    let mut rig = Rig::active();
    rig.wait(11 * SECOND);
    let heartbeat = rig.take(topic::HEARTBEAT);
    let headers = Headers::new().with(key::ERROR, "Client 'site-1' is disabled");
    rig.answer(&heartbeat, "unauthenticated", headers.clone(), None);
    let challenge = rig.take(topic::CHALLENGE);
    rig.answer_challenge(&challenge);
    let register = rig.take(topic::REGISTER);
    rig.answer(&register, "unauthenticated", headers, None);
    assert!(rig.took(|action| matches!(
        action,
        ClientAction::Rejected(rejection) if rejection.reason == RejectReason::Disabled
    )));
}
