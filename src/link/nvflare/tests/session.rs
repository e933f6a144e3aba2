//! Heartbeats, farewells, and sessions that others have ended.

use super::*;
use crate::client::{CloseReason, RetryReason, Suspicion};
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
    stopped.wait(300 * SECOND);
    stopped.quiet();

    let mut over = replaced(OnReplaced::TakeOver);
    assert!(over.took(|action| *action == ClientAction::ClearAuth));
    over.quiet();
    over.wait(3 * SECOND);
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
