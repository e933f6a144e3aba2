//! Challenge and register, and everything that can be wrong with them.

use super::*;
use crate::client::{Rejection, RetryReason};
use crate::identity::ChainError;
use crate::link::Suspicion;
use crate::message::{Properties, RejectReason};

fn suspicions(rig: &Rig) -> Vec<&Suspicion> {
    let suspicions = rig.actions.iter().filter_map(|action| match action {
        ClientAction::Suspect { suspicion, .. } => Some(suspicion),
        _ => None,
    });
    suspicions.collect()
}

fn retries(rig: &Rig) -> Vec<RetryReason> {
    let retries = rig.actions.iter().filter_map(|action| match action {
        ClientAction::Retry { reason, .. } => Some(*reason),
        _ => None,
    });
    retries.collect()
}

fn rejection(rig: &Rig) -> Option<&Rejection> {
    rig.actions.iter().find_map(|action| match action {
        ClientAction::Rejected(rejection) => Some(rejection),
        _ => None,
    })
}

fn challenged() -> (Rig, Seen) {
    let mut rig = Rig::new();
    rig.client.register(rig.now).unwrap();
    rig.connect();
    let challenge = rig.take(topic::CHALLENGE);
    (rig, challenge)
}

#[test]
fn both_prove_themselves_and_the_token_is_given() {
    let (mut rig, challenge) = challenged();
    assert_eq!(
        (&*challenge.origin, &*challenge.destination),
        (SITE, "server")
    );
    assert_eq!(challenge.headers.text(key::CN), SITE);
    assert!(challenge.headers.get(key::TOKEN).is_none());
    rig.answer_challenge(&challenge);

    let register = rig.take(topic::REGISTER);
    for (key, value) in [
        (key::CLIENT_NAME, SITE),
        (key::CLIENT_TYPE, "regular"),
        (key::PROJECT_NAME, "wire"),
    ] {
        assert_eq!(register.headers.text(key), value);
    }
    assert!(!register.headers.text(key::CLIENT_IP).is_empty());
    let body = &register.body.as_ref().unwrap().value;
    let entries = typed::SHAREABLE.data(body).unwrap();
    let cert = entries.get("cert").and_then(Value::as_bytes).unwrap();
    assert_eq!(cert, SITE_CERT);
    let signature = entries.get("signature").and_then(Value::as_bytes).unwrap();
    let own = RsaSigner::from_pem(SITE_KEY).unwrap();
    let signed = [SITE, "11111111-2222-3333-4444-555555555555"].concat();
    assert!(own.public_key().verify(signed.as_bytes(), signature));
    rig.answer_register(&register);

    assert!(rig.took(|action| matches!(
        action,
        ClientAction::SetAuth(auth) if auth.token.is_some() && auth.expires == u64::MAX
    )));
    rig.wait(SECOND);
    let heartbeat = rig.take(topic::HEARTBEAT);
    assert_eq!(heartbeat.headers.text(key::TOKEN), TOKEN);
    assert_eq!(heartbeat.headers.text(key::SSID), "NA");
    assert!(heartbeat.header("__peer_ctx__").is_some());
}

#[test]
fn facts_about_the_site_are_registered_if_there_are_any() {
    let registered = |facts: &Properties| {
        let mut rig = Rig::new();
        rig.client.set_site_info(facts.clone()).unwrap();
        rig.client.register(rig.now).unwrap();
        rig.connect();
        let challenge = rig.take(topic::CHALLENGE);
        rig.answer_challenge(&challenge);
        let register = rig.take(topic::REGISTER);
        let entries = typed::SHAREABLE.data(&register.body.as_ref().unwrap().value);
        entries.unwrap().get("site_config").cloned()
    };
    assert_eq!(registered(&Properties::new()), None);
    let facts = Value::map([("gpus", Value::from("2"))]);
    assert_eq!(
        registered(&Properties::new().with("gpus", "2")),
        Some(facts)
    );
}

#[test]
fn without_security_there_is_no_challenge() {
    let mut rig = Rig::with(|config| {
        config.binding = crate::Binding::Nvflare(Settings {
            secure: false,
            ..Settings::DEFAULT
        });
    });
    rig.client.register(rig.now).unwrap();
    rig.connect();
    let register = rig.take(topic::REGISTER);
    let body = &register.body.as_ref().unwrap().value;
    assert!(typed::SHAREABLE.data(body).unwrap().get("cert").is_none());
    let grant = Value::map(
        [
            (key::TOKEN, TOKEN),
            (key::TOKEN_SIGNATURE, "NA"),
            (key::SSID, "NA"),
        ]
        .map(|(key, value)| (key, Value::from(value))),
    );
    rig.answer(&register, "ok", Headers::new(), Some(&grant));
    assert!(rig.took(|action| matches!(action, ClientAction::SetAuth(_))));
}

#[test]
fn nothing_but_pings_goes_before_the_first_pong() {
    let mut rig = Rig::new();
    rig.pongs = false;
    rig.client.register(rig.now).unwrap();
    rig.connect();
    rig.wait(SECOND);
    assert_eq!(rig.kinds[0], Kind::Hello);
    assert!(rig.kinds.len() > 5);
    assert!(
        rig.kinds[1..].iter().all(|kind| *kind == Kind::Ping),
        "{:?}",
        rig.kinds
    );
    rig.pongs = true;
    rig.wait(SECOND / 5);
    rig.take(topic::CHALLENGE);
}

#[test]
fn what_was_given_up_before_the_first_pong_does_not_go() {
    let mut rig = Rig::new();
    rig.pongs = false;
    rig.client.register(rig.now).unwrap();
    rig.connect();
    // The second try: the first was given up after 10 s, and 2 s passed.
    rig.wait(15 * SECOND);
    rig.pongs = true;
    rig.wait(2 * SECOND);
    rig.take(topic::CHALLENGE);
    rig.quiet();
}

#[test]
fn a_server_that_pings_and_does_not_read_fills_nothing() {
    let mut rig = Rig::active();
    for _ in 0..10_000 {
        rig.send(Kind::Ping, 0, &[], b"\xc0");
    }
    rig.kinds.clear();
    rig.pump();
    assert!(rig.kinds.len() < 5_000, "{}", rig.kinds.len());
}

#[test]
fn a_ping_is_answered_and_silence_is_broken() {
    let mut rig = Rig::active();
    rig.kinds.clear();
    rig.send(Kind::Ping, 0, &[], b"\xc0");
    rig.pump();
    assert_eq!(rig.kinds, [Kind::Pong]);
    rig.client.pause_heartbeats(rig.now);
    rig.kinds.clear();
    rig.wait(61 * SECOND);
    assert_eq!(rig.kinds, [Kind::Ping]);
}

#[test]
fn a_server_that_proves_nothing_is_suspect() {
    let (mut rig, challenge) = challenged();
    let signature = rig.sign("server and another nonce");
    rig.answer_challenge_with(&challenge, "server", signature);
    assert_eq!(suspicions(&rig), [&Suspicion::Proof]);
    assert_eq!(retries(&rig), [RetryReason::ChallengeSuspect]);
    rig.quiet();
    rig.wait(60 * SECOND);
    rig.take(topic::CHALLENGE);
}

#[test]
fn a_server_of_another_name_is_suspect() {
    let (mut rig, challenge) = challenged();
    let nonce = challenge.headers.text(key::NONCE).to_owned();
    let signature = rig.sign(&["other", &nonce].concat());
    rig.answer_challenge_with(&challenge, "other", signature);
    assert_eq!(suspicions(&rig), [&Suspicion::Proof]);

    let (mut rig, challenge) = challenged();
    rig.server_cert = Bytes::from_static(SITE_CERT);
    rig.answer_challenge(&challenge);
    assert!(
        matches!(
            suspicions(&rig)[..],
            [Suspicion::Chain(ChainError::WrongName { .. })]
        ),
        "{:?}",
        suspicions(&rig)
    );
}

#[test]
fn a_server_with_nonsense_for_an_answer_is_suspect() {
    for body in [
        None,
        Some(Value::Nil),
        Some(typed::shareable(Vec::new(), Vec::new())),
    ] {
        let (mut rig, challenge) = challenged();
        rig.answer(&challenge, "ok", Headers::new(), body.as_ref());
        assert_eq!(suspicions(&rig), [&Suspicion::Malformed]);
    }
}

#[test]
fn a_token_of_somebody_else_is_suspect() {
    let (mut rig, challenge) = challenged();
    rig.answer_challenge(&challenge);
    let register = rig.take(topic::REGISTER);
    for signature in [base64(&rig.sign("site-2")), "!".to_owned()] {
        let mut rig = Rig::new();
        rig.client.register(rig.now).unwrap();
        rig.connect();
        let challenge = rig.take(topic::CHALLENGE);
        rig.answer_challenge(&challenge);
        let register = rig.take(topic::REGISTER);
        let grant = Value::map([
            (key::TOKEN, Value::from(TOKEN)),
            (key::TOKEN_SIGNATURE, signature.into()),
            (key::SSID, "NA".into()),
        ]);
        rig.answer(&register, "ok", Headers::new(), Some(&grant));
        assert_eq!(suspicions(&rig), [&Suspicion::TokenSignature]);
        assert!(!rig.took(|action| matches!(action, ClientAction::SetAuth(_))));
    }
    rig.answer_register(&register);
}

#[test]
fn a_server_that_is_revoked_between_its_proof_and_its_grant_is_suspect() {
    let (mut rig, challenge) = challenged();
    rig.answer_challenge(&challenge);
    let register = rig.take(topic::REGISTER);
    rig.client.set_revoked(rig.now, revoked(SERVER_CERT));
    rig.answer_register(&register);
    assert_eq!(
        suspicions(&rig),
        [&Suspicion::Chain(ChainError::Revoked { position: 0 })]
    );
    assert!(!rig.took(|action| matches!(action, ClientAction::SetAuth(_))));
}

#[test]
fn a_server_that_grants_nothing_is_challenged_again() {
    let (mut rig, challenge) = challenged();
    rig.answer_challenge(&challenge);
    let register = rig.take(topic::REGISTER);
    rig.answer(
        &register,
        "ok",
        Headers::new(),
        Some(&Value::Map(Vec::new())),
    );
    assert_eq!(suspicions(&rig), [&Suspicion::NoToken]);
    rig.wait(60 * SECOND);
    // Not the registration again: its nonce is used up.
    rig.take(topic::CHALLENGE);
}

#[test]
fn refusals_say_what_they_are_about() {
    for (words, reason) in [
        (
            "Requested task does not match the current server task",
            RejectReason::WrongProject,
        ),
        ("Client 'site-1' is disabled", RejectReason::Disabled),
        (
            "server is not in secure mode",
            RejectReason::Unauthenticated,
        ),
    ] {
        let (mut rig, challenge) = challenged();
        let headers = Headers::new().with(key::ERROR, words);
        rig.answer(&challenge, "unauthenticated", headers, None);
        let rejected = rejection(&rig).unwrap();
        assert_eq!((rejected.reason, &*rejected.message), (reason, words));
        assert!(!rig.took(|action| *action == ClientAction::ClearAuth));
        rig.wait(120 * SECOND);
        rig.quiet();
    }
}

#[test]
fn what_may_pass_is_tried_again() {
    for (code, words) in [
        ("target_unreachable", ""),
        ("comm_error", "cannot forward"),
        ("unauthenticated", "no registration session"),
        ("unauthenticated", "Maximum number of clients reached"),
    ] {
        let (mut rig, challenge) = challenged();
        let headers = Headers::new().with(key::ERROR, words);
        rig.answer(&challenge, code, headers, None);
        assert_eq!(retries(&rig), [RetryReason::ServerBusy]);
        assert!(rejection(&rig).is_none());
        rig.wait(2 * SECOND);
        rig.take(topic::CHALLENGE);
    }
    let (mut rig, _) = challenged();
    rig.wait(12 * SECOND);
    assert_eq!(retries(&rig), [RetryReason::ChallengeUnanswered]);
    rig.take(topic::CHALLENGE);
}

#[test]
fn a_late_answer_to_an_old_challenge_is_dropped() {
    let (mut rig, first) = challenged();
    rig.wait(13 * SECOND);
    let second = rig.take(topic::CHALLENGE);
    rig.answer_challenge(&first);
    rig.quiet();
    rig.answer_challenge(&second);
    rig.take(topic::REGISTER);
}

#[test]
fn identity_and_binding_have_to_match() {
    use crate::error::ConfigError;
    let native = ClientConfig::new(name("wire"));
    let made = Client::new(Arc::new(native), identity(), [1; 32], Instant::default());
    assert_eq!(made.err(), Some(ConfigError::RsaIdentity));
    let config = ClientConfig::nvflare(name("wire"), name("server"), Settings::DEFAULT);
    let unproven = Identity::unproven(name(SITE));
    let made = Client::new(
        Arc::new(config.clone()),
        unproven,
        [1; 32],
        Instant::default(),
    );
    assert_eq!(made.err(), Some(ConfigError::NoRsaIdentity));
    let nameless = ClientConfig {
        server: None,
        ..config
    };
    let made = Client::new(Arc::new(nameless), identity(), [1; 32], Instant::default());
    assert_eq!(made.err(), Some(ConfigError::NoServerName));
}
