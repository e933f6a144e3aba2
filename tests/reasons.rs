//! Every reason for which a client retries, suspects, is rejected or closes.
#![cfg(feature = "x509")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use common::layout::{KIND, challenge_reply, kind, register_reply};
use common::pair::{Pair, Setup, server_identity, site_identity};
use common::pki::{NOT_AFTER, NOT_BEFORE, NOW, Pki, name};
use fedlink::error::{ConfigError, Dropped, Misuse};
use fedlink::identity::{ChainError, Identity, Revoked, Signer};
use fedlink::message::{JobId, Outcome, Payload, Properties, ReturnCode, SignatureId, TaskId};
use fedlink::{
    Assignee, Carrier, Client, ClientAction, ClientConfig, CloseReason, Mode, NewTask, Phase,
    RejectReason, RetryReason, Server, ServerAction, ServerConfig, Sites, Suite, Suites, Suspicion,
};

const JOB: JobId = JobId::from_bytes([7; 16]);
const SECOND: Duration = Duration::from_secs(1);

fn retries(actions: &[ClientAction]) -> Vec<RetryReason> {
    actions
        .iter()
        .filter_map(|action| match action {
            ClientAction::Retry { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect()
}

fn attempts(actions: &[ClientAction]) -> Vec<u32> {
    actions
        .iter()
        .filter_map(|action| match action {
            ClientAction::Retry { attempt, .. } => Some(*attempt),
            _ => None,
        })
        .collect()
}

fn suspicions(actions: &[ClientAction]) -> Vec<(Suspicion, bool)> {
    actions
        .iter()
        .filter_map(|action| match action {
            ClientAction::Suspect {
                suspicion,
                repeated,
            } => Some((suspicion.clone(), *repeated)),
            _ => None,
        })
        .collect()
}

fn rejection(actions: &[ClientAction]) -> Option<RejectReason> {
    actions.iter().find_map(|action| match action {
        ClientAction::Rejected(rejection) => {
            assert!(!rejection.message.is_empty());
            Some(rejection.reason)
        }
        _ => None,
    })
}

fn close_reason(actions: &[ClientAction]) -> Option<(CloseReason, bool)> {
    actions.iter().find_map(|action| match action {
        ClientAction::Closed {
            reason, answered, ..
        } => Some((*reason, *answered)),
        _ => None,
    })
}

fn submit(pair: &mut Pair, task: TaskId, payload: Payload) {
    pair.client
        .submit(pair.now, task, Outcome::Ok, Properties::new(), payload)
        .unwrap();
}

/// A registered pair whose client holds one task.
fn with_task(setup: Setup, payload: Payload) -> (Pair, TaskId) {
    let mut pair = setup.build();
    pair.register();
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.client.job_started(pair.now, JOB).unwrap();
    let task = NewTask::new("train", payload);
    let id = pair
        .server
        .assign(pair.now, JOB, Assignee::Anyone, task)
        .unwrap();
    pair.client.pull_task(pair.now, JOB).unwrap();
    pair.run();
    pair.take_client();
    pair.take_server();
    (pair, id)
}

mod retry {
    use super::*;

    #[test]
    fn not_connected() {
        let mut pair = Pair::sealed();
        pair.client.register(pair.now).unwrap();
        pair.pass(14 * SECOND);
        assert!(pair.take_client().is_empty());
        pair.pass(2 * SECOND);
        assert_eq!(retries(&pair.take_client()), [RetryReason::NotConnected]);
        pair.connect();
        pair.run();
        assert_eq!(pair.client.phase(), Phase::Active);
    }

    #[test]
    fn disconnected_with_a_growing_wait_until_something_valid_comes() {
        let mut pair = Pair::sealed();
        pair.register();
        pair.take_client();
        let mut waits = Vec::new();
        for _ in 0..8 {
            pair.disconnect();
            for action in pair.take_client() {
                match action {
                    ClientAction::Retry {
                        at,
                        reason: RetryReason::Disconnected,
                        ..
                    } => waits.push(at.since(pair.now)),
                    ClientAction::Retry { reason, .. } => {
                        // Beside it, the session is in doubt.
                        assert_eq!((reason, waits.len()), (RetryReason::SessionSilent, 3));
                    }
                    _ => {}
                }
            }
            pair.client
                .handle_connected(pair.now, Carrier::default())
                .unwrap();
        }
        assert_eq!(waits.len(), 8);
        assert_eq!(waits[0], 2 * SECOND);
        assert!(waits.iter().all(|wait| *wait <= 60 * SECOND));
        assert!(
            waits[5..].iter().any(|wait| *wait > 10 * SECOND),
            "{waits:?}"
        );
        pair.pass(SECOND);
        pair.take_client();
        pair.disconnect();
        let again = pair.take_client();
        assert!(
            again
                .iter()
                .any(|action| matches!(action, ClientAction::Retry { attempt: 1, .. }))
        );
    }

    #[test]
    fn send_failed() {
        let mut pair = Pair::sealed();
        pair.connect();
        pair.client.register(pair.now).unwrap();
        let challenge = pair.client.poll_transmit().unwrap();
        pair.client.handle_send_failed(pair.now, challenge.id);
        pair.drain();
        assert_eq!(retries(&pair.take_client()), [RetryReason::SendFailed]);
        pair.pass(3 * SECOND);
        assert_eq!(pair.client.phase(), Phase::Active);
    }

    #[test]
    fn challenge_unanswered_then_again_with_a_fresh_nonce() {
        let mut pair = Pair::sealed();
        pair.connect();
        pair.client.register(pair.now).unwrap();
        pair.drain();
        let first = std::mem::take(&mut pair.to_server);
        pair.pass_silently(6 * SECOND);
        assert_eq!(
            retries(&pair.take_client()),
            [RetryReason::ChallengeUnanswered]
        );
        pair.now = pair.now + 2 * SECOND;
        pair.tick();
        assert_eq!(pair.to_server.len(), 1);
        assert_ne!(pair.to_server, first);
        pair.run();
        assert_eq!(pair.client.phase(), Phase::Active);
    }

    #[test]
    fn challenge_suspect() {
        let mut pair = Pair::sealed();
        let mut reply = pair.challenge();
        *reply.last_mut().unwrap() ^= 1;
        pair.deliver_to_client(reply);
        pair.pass_silently(6 * SECOND);
        let actions = pair.take_client();
        assert_eq!(suspicions(&actions), [(Suspicion::Seal, false)]);
        assert_eq!(retries(&actions), [RetryReason::ChallengeSuspect]);
    }

    #[test]
    fn failures_in_a_row_are_numbered() {
        let mut pair = Pair::sealed();
        pair.connect();
        pair.client.register(pair.now).unwrap();
        pair.pass_silently(30 * SECOND);
        assert_eq!(attempts(&pair.take_client())[..3], [1, 2, 3]);
        pair.pass(60 * SECOND);
        pair.take_client();
        pair.pass_silently(45 * SECOND);
        assert_eq!(attempts(&pair.take_client())[..3], [1, 2, 3]);
    }

    // spec: P-43
    #[test]
    fn register_unanswered_is_repeated_byte_for_byte_first() {
        let mut pair = Pair::sealed();
        let register = pair.challenge_and_prove();
        pair.now = pair.now + 4 * SECOND;
        pair.tick();
        assert!(pair.to_server.is_empty(), "repeated too early");
        pair.now = pair.now + SECOND;
        pair.tick();
        assert_eq!(pair.to_server, [register]);
        assert_eq!(pair.client.counters().retries, 1);
        pair.pass_silently(4 * SECOND);
        assert_eq!(retries(&pair.take_client()), []);
        pair.pass_silently(SECOND);
        assert_eq!(
            retries(&pair.take_client()),
            [RetryReason::RegisterUnanswered]
        );
        pair.pass(5 * SECOND);
        assert_eq!(pair.client.phase(), Phase::Active);
    }

    #[test]
    fn server_busy() {
        let mut pair = Setup::new(Suite::Sealed)
            .server(|config| config.max_clients = 0)
            .build();
        pair.register();
        let actions = pair.take_client();
        assert_eq!(retries(&actions), [RetryReason::ServerBusy]);
        assert_eq!(rejection(&actions), None);
        assert_eq!(pair.client.phase(), Phase::Registering);
    }

    // spec: P-56
    #[test]
    fn server_busy_until_a_window_after_its_client_has_left() {
        let mut pair = Setup::new(Suite::Sealed)
            .server(|config| config.max_clients = 1)
            .build();
        for _ in 0..2 {
            pair.register();
            assert_eq!(pair.client.phase(), Phase::Active, "its own place is free");
            pair.client.quit(pair.now, "done");
            pair.run();
        }
        pair.take_client();
        let identity = site_identity(&pair.pki, "site-2", pair.pki.roots());
        pair.client = Client::new(pair.client_config.clone(), identity, [5; 32], pair.now).unwrap();
        pair.client.set_wall_clock(pair.now, NOW);
        pair.register();
        assert_eq!(retries(&pair.take_client()), [RetryReason::ServerBusy]);
        pair.pass(pair.server_config.registration_window + pair.client_config.retry_max);
        assert_eq!(pair.client.phase(), Phase::Active);
    }

    // spec: P-23
    #[test]
    fn no_common_suite() {
        let mut pair = Setup::new(Suite::Sealed)
            .server(|config| {
                config.suites = Suites::new([Suite::Bearer]).unwrap();
                config.trusted_path = true;
            })
            .build();
        pair.register();
        pair.pass(5 * SECOND);
        assert_eq!(retries(&pair.take_client()), [RetryReason::NoCommonSuite]);
    }

    // spec: P-47, P-53
    #[test]
    fn certificate_dates() {
        for wrong in [NOT_BEFORE - 1, NOT_AFTER + 1] {
            let mut pair = Pair::sealed();
            pair.server.set_wall_clock(pair.now, wrong);
            pair.register();
            let actions = pair.take_client();
            assert_eq!(retries(&actions), [RetryReason::CertificateDates]);
            assert_eq!(rejection(&actions), None);
            pair.server.set_wall_clock(pair.now, NOW);
            pair.pass(2 * pair.client_config.retry_max);
            assert_eq!(pair.client.phase(), Phase::Active);
        }
    }

    // spec: P-20
    #[test]
    fn server_of_another_version() {
        let told = |versions: &[u8]| {
            let mut pair = Pair::sealed();
            pair.connect();
            pair.client.register(pair.now).unwrap();
            pair.drain();
            pair.to_server.clear();
            pair.deliver_to_client(BytesMut::from(versions));
            pair.pass_silently(6 * SECOND);
            retries(&pair.take_client())
        };
        // What a server of version 1 says to a challenge of version 2, and others might.
        assert_eq!(told(&[0, 1, 1]), [RetryReason::ServerOlder]);
        assert_eq!(told(&[0, 1, 3]), [RetryReason::ServerNewer]);
        assert_eq!(told(&[0, 2, 1, 3]), [RetryReason::ServerNewer]);
        // These say nothing that is of use.
        for versions in [&[0, 0][..], &[0, 1, 2], &[0, 2, 1, 2]] {
            assert_eq!(told(versions), [RetryReason::ChallengeUnanswered]);
        }
    }

    // spec: P-19
    #[test]
    fn client_of_another_version() {
        let mut pair = Pair::sealed();
        for (times, version) in [(1, 1), (2, 3)] {
            pair.deliver_to_server(BytesMut::from(&[version, 1, 0, 0][..]));
            assert_eq!(pair.to_client.pop().unwrap()[..], [0, 1, 2]);
            assert_eq!(pair.server.counters().other_versions, times);
        }
        // A session of such a client, and a message that is longer than a stranger's may be.
        for len in [60, 100_000] {
            let mut message = BytesMut::from(&[1, 0x10][..]);
            message.resize(len, 7);
            pair.deliver_to_server(message);
        }
        assert!(pair.to_client.is_empty(), "only a challenge is answered");
        assert_eq!(pair.server_drops, [Dropped::Version; 4]);
        assert_eq!(pair.server.counters().dropped[&Dropped::Version], 4);
    }

    #[test]
    fn signer_silent() {
        let mut pair = Pair::sealed();
        let (chain, _) = pair.pki.site("site-1");
        let identity =
            Identity::with_key_elsewhere(name("site-1"), chain, pair.pki.roots()).unwrap();
        pair.client.set_identity(pair.now, identity).unwrap();
        let asked = |pair: &mut Pair| {
            let actions = pair.take_client();
            let asked = actions.iter().find_map(|action| match action {
                ClientAction::Sign { request, .. } => Some(*request),
                _ => None,
            });
            (asked.expect("to be asked"), retries(&actions))
        };
        pair.register();
        let (first, _) = asked(&mut pair);
        pair.pass(35 * SECOND);
        let (_, retries) = asked(&mut pair);
        assert_eq!(retries, [RetryReason::SignerSilent]);
        // It comes too late: another one is awaited now.
        assert_eq!(
            pair.client.signed(pair.now, first, &[0; 64]),
            Err(Misuse::UnknownSignature(first))
        );
    }

    #[test]
    fn heartbeat() {
        let mut pair = Pair::sealed();
        pair.register();
        pair.take_client();
        pair.pass_silently(17 * SECOND);
        assert_eq!(
            retries(&pair.take_client()),
            [RetryReason::Heartbeat(ReturnCode::Timeout)]
        );
        pair.pass(10 * SECOND);
        assert!(
            pair.take_client()
                .iter()
                .any(|action| matches!(action, ClientAction::HeartbeatAnswered { .. }))
        );
    }

    // spec: P-89
    #[test]
    fn heartbeat_with_more_jobs_than_one_client_may_report() {
        let mut pair = Setup::new(Suite::Sealed)
            .server(|config| config.max_jobs_per_client = 2)
            .build();
        pair.register();
        let refused = RetryReason::Heartbeat(ReturnCode::InvalidRequest);
        for (job, expected) in [(1, None), (2, None), (3, Some(refused))] {
            pair.take_client();
            let job = JobId::from_bytes([job; 16]);
            pair.server.start_job(pair.now, job, Sites::All).unwrap();
            pair.client.job_started(pair.now, job).unwrap();
            pair.pass(11 * SECOND);
            assert_eq!(retries(&pair.take_client()).first().copied(), expected);
        }
    }

    #[test]
    fn pull_task() {
        let mut pair = Pair::sealed();
        pair.register();
        pair.client.job_started(pair.now, JOB).unwrap();
        pair.client.pull_task(pair.now, JOB).unwrap();
        pair.take_client();
        pair.pass_silently(6 * SECOND);
        assert_eq!(
            retries(&pair.take_client()),
            [RetryReason::PullTask(ReturnCode::Timeout)]
        );
    }

    // spec: P-105
    #[test]
    fn submit_result_until_it_is_accepted() {
        let (mut pair, task) = with_task(Setup::new(Suite::Sealed), Payload::new("in"));
        submit(&mut pair, task, Payload::new("out"));
        pair.pass_silently(6 * SECOND);
        assert!(
            retries(&pair.take_client()).contains(&RetryReason::SubmitResult(ReturnCode::Timeout))
        );
        assert_eq!(pair.client.outbox_len(), 1);
        pair.pass(5 * SECOND);
        assert_eq!(pair.client.outbox_len(), 0);
    }

    #[test]
    fn transfer() {
        let (mut pair, task) = with_task(Setup::new(Suite::Sealed), Payload::new("in"));
        let large = Payload::new(vec![1; 3 << 20]);
        submit(&mut pair, task, large);
        pair.step();
        pair.step();
        pair.pass_silently(6 * SECOND);
        assert!(
            retries(&pair.take_client())
                .iter()
                .any(|reason| matches!(reason, RetryReason::Transfer(_)))
        );
        pair.pass(30 * SECOND);
        assert_eq!(pair.client.outbox_len(), 0);
    }

    // spec: P-121
    #[test]
    fn session_silent_registers_anew_beside_the_session() {
        let mut pair = Pair::sealed();
        pair.register();
        pair.take_client();
        pair.pass_silently(135 * SECOND);
        let actions = pair.take_client();
        assert!(retries(&actions).contains(&RetryReason::SessionSilent));
        assert!(!actions.contains(&ClientAction::ClearAuth));
        assert_eq!(pair.client.phase(), Phase::Active);
        pair.take_server();
        pair.pass(70 * SECOND);
        let joined = pair.take_server();
        assert!(
            joined
                .iter()
                .any(|action| matches!(action, ServerAction::ClientJoined(it) if it.renewed)),
            "{joined:?}"
        );
    }

    // spec: P-83
    #[test]
    fn a_restarted_server_is_noticed_with_the_next_request() {
        let mut pair = Pair::sealed();
        pair.register();
        pair.take_client();
        pair.restart_server();
        pair.pass(20 * SECOND);
        let actions = pair.take_client();
        assert!(retries(&actions).contains(&RetryReason::SessionSilent));
        assert!(
            actions
                .iter()
                .any(|it| matches!(it, ClientAction::SetAuth(_)))
        );
        assert!(pair.server.is_registered(&name("site-1")));
    }
}

mod suspect {
    use super::*;

    /// Puts another server in the place of the right one.
    fn against(pair: &mut Pair, identity: Identity) -> Vec<(Suspicion, bool)> {
        pair.server = Server::new(pair.server_config.clone(), identity, [9; 32], pair.now).unwrap();
        pair.connect();
        pair.client.register(pair.now).unwrap();
        pair.pass(200 * SECOND);
        assert_eq!(pair.client.phase(), Phase::Registering);
        suspicions(&pair.take_client())
    }

    // spec: P-119
    #[test]
    fn after_failures_alike_the_client_goes_on_at_the_longest_wait() {
        let mut pair = Pair::sealed();
        let wrong = server_identity(&pair.pki, "impostor", pair.pki.roots());
        pair.server = Server::new(pair.server_config.clone(), wrong, [9; 32], pair.now).unwrap();
        pair.connect();
        pair.client.register(pair.now).unwrap();
        let mut waits = Vec::new();
        while waits.len() < 4 {
            pair.pass(SECOND);
            for action in pair.take_client() {
                if let ClientAction::Retry { at, .. } = action {
                    waits.push(at.since(pair.now));
                }
            }
        }
        let longest = pair.client_config.retry_max - SECOND;
        assert!(waits[1] < longest && waits[2] >= longest && waits[3] >= longest);
    }

    // spec: P-119
    #[test]
    fn another_connection_does_not_shorten_the_longest_wait() {
        // Before the handshake is given up, and after.
        for given_up in [false, true] {
            let mut pair = Pair::sealed();
            let wrong = server_identity(&pair.pki, "impostor", pair.pki.roots());
            pair.server =
                Server::new(pair.server_config.clone(), wrong, [9; 32], pair.now).unwrap();
            pair.connect();
            pair.client.register(pair.now).unwrap();
            let is_time = |pair: &mut Pair| {
                let actions = pair.take_client();
                match given_up {
                    true => attempts(&actions).contains(&pair.client_config.reject_after),
                    false => suspicions(&actions).iter().any(|(_, repeated)| *repeated),
                }
            };
            while !is_time(&mut pair) {
                pair.pass(SECOND);
            }
            let end = pair.now + pair.client_config.retry_max - 3 * SECOND;
            while pair.now < end {
                pair.disconnect();
                pair.connect();
                pair.pass(SECOND);
                assert_eq!(suspicions(&pair.take_client()), [], "{given_up}");
            }
            pair.pass(4 * SECOND);
            assert_eq!(suspicions(&pair.take_client()).len(), 1, "{given_up}");
        }
    }

    #[test]
    fn a_wrong_name_and_then_repeated() {
        let mut pair = Pair::sealed();
        let wrong = server_identity(&pair.pki, "impostor", pair.pki.roots());
        let seen = against(&mut pair, wrong);
        assert!(seen.len() >= 4);
        let repeated: Vec<bool> = seen.iter().map(|(_, repeated)| *repeated).collect();
        assert_eq!(repeated[..4], [false, false, true, true]);
        assert!(matches!(
            seen[0].0,
            Suspicion::Chain(ChainError::WrongName { .. })
        ));
    }

    // spec: P-40
    #[test]
    fn a_root_of_the_same_name_and_another_key() {
        let mut pair = Pair::sealed();
        let other = Pki::new(77);
        let wrong = server_identity(&other, "coordinator", other.roots());
        let seen = against(&mut pair, wrong);
        assert!(matches!(
            seen[0].0,
            Suspicion::Chain(ChainError::BadSignature { .. })
        ));
    }

    /// Says that it holds a key, and signs with another.
    struct Liar(fedlink::identity::PublicKey, fedlink::identity::LocalSigner);

    impl Signer for Liar {
        fn public_key(&self) -> fedlink::identity::PublicKey {
            self.0
        }
        fn sign(&self, message: &[u8]) -> [u8; 64] {
            self.1.sign(message)
        }
    }

    // spec: P-40
    #[test]
    fn a_wrong_proof() {
        let mut pair = Pair::sealed();
        let (chain, _) = pair.pki.server("coordinator");
        let (_, other) = pair.pki.server("other");
        let liar = Arc::new(Liar(chain.key(), other));
        let identity = Identity::new(name("coordinator"), chain, liar, pair.pki.roots()).unwrap();
        let seen = against(&mut pair, identity);
        assert_eq!(seen[0].0, Suspicion::Proof);
    }

    /// The server's answer to a challenge, changed by the test.
    fn with_changed_reply(suite: Suite, change: impl Fn(&mut BytesMut)) -> Suspicion {
        let mut pair = Setup::new(suite).build();
        let mut reply = pair.challenge();
        change(&mut reply);
        pair.deliver_to_client(reply.clone());
        let seen = suspicions(&pair.take_client());
        // At most four answers are looked at.
        for _ in 0..5 {
            pair.deliver_to_client(reply.clone());
        }
        assert_eq!(suspicions(&pair.take_client()).len(), 3);
        assert_eq!(pair.client.phase(), Phase::Registering);
        seen[0].0.clone()
    }

    #[test]
    fn failures_of_different_kinds_are_not_repeated_ones() {
        let mut pair = Setup::new(Suite::Sealed)
            .client(|config| config.reject_after = 2)
            .build();
        let mut reply = pair.challenge();
        *reply.last_mut().unwrap() ^= 1;
        pair.deliver_to_client(reply);
        pair.pass_silently(6 * SECOND);
        while pair.to_server.is_empty() {
            pair.now = pair.now + SECOND;
            pair.tick();
        }
        let challenge = pair.to_server.pop().unwrap();
        pair.deliver_to_server(challenge);
        let mut reply = pair.to_client.pop().unwrap();
        reply[challenge_reply::SUITE] = 1;
        pair.deliver_to_client(reply);
        let expected = [(Suspicion::Seal, false), (Suspicion::Suite, false)];
        assert_eq!(suspicions(&pair.take_client()), expected);
    }

    // spec: P-40, P-41
    #[test]
    fn a_broken_seal() {
        let last = |reply: &mut BytesMut| *reply.last_mut().unwrap() ^= 1;
        assert_eq!(with_changed_reply(Suite::Sealed, last), Suspicion::Seal);
    }

    // spec: P-24
    #[test]
    fn another_suite_than_offered() {
        let suite = |reply: &mut BytesMut| reply[challenge_reply::SUITE] = 1;
        assert_eq!(with_changed_reply(Suite::Sealed, suite), Suspicion::Suite);
    }

    // spec: P-40
    #[test]
    fn a_malformed_answer() {
        let longer = |reply: &mut BytesMut| reply.extend_from_slice(b"x");
        assert_eq!(
            with_changed_reply(Suite::Bearer, longer),
            Suspicion::Malformed
        );
    }

    // spec: P-44
    #[test]
    fn a_wrong_token_signature() {
        let mut pair = Setup::new(Suite::Bearer).build();
        pair.connect();
        pair.client.register(pair.now).unwrap();
        pair.drain();
        for _ in 0..2 {
            let message = pair.to_server.pop().unwrap();
            pair.deliver_to_server(message);
            if pair.to_client.len() == 1 && pair.client.phase() == Phase::Registering {
                let mut reply = pair.to_client.pop().unwrap();
                if reply[KIND] == kind::REGISTER_REPLY {
                    reply[register_reply::TOKEN_SIGNATURE][5] ^= 1;
                }
                pair.deliver_to_client(reply);
            }
        }
        assert_eq!(
            suspicions(&pair.take_client()),
            [(Suspicion::TokenSignature, false)]
        );
        assert_eq!(pair.client.phase(), Phase::Registering);
    }
}

mod rejected {
    use super::*;

    fn rejected(pair: &mut Pair) -> Option<RejectReason> {
        pair.register();
        let actions = pair.take_client();
        assert!(!actions.contains(&ClientAction::ClearAuth), "there is none");
        assert_eq!(pair.client.phase(), Phase::Rejected);
        assert_eq!(pair.client.poll_timeout(), None);
        rejection(&actions)
    }

    #[test]
    fn unauthenticated_by_another_root() {
        let mut pair = Pair::sealed();
        let other = Pki::new(77);
        let stranger = site_identity(&other, "site-1", pair.pki.roots());
        pair.client = Client::new(pair.client_config.clone(), stranger, [5; 32], pair.now).unwrap();
        assert_eq!(rejected(&mut pair), Some(RejectReason::Unauthenticated));
        refused(
            &mut pair,
            RejectReason::Unauthenticated,
            "certificates are not accepted",
        );
    }

    /// The server tells its host of one refusal, of the client and with this reason.
    #[track_caller]
    fn refused(pair: &mut Pair, reason: RejectReason, told: &str) {
        let refused = pair.server.poll_refused().unwrap();
        assert_eq!(refused.name, Some(name("site-1")));
        assert_eq!(refused.reason, Some(reason));
        assert!(refused.message.contains(told), "{}", refused.message);
        assert_eq!(pair.server.poll_refused(), None);
    }

    /// Whatever comes, what waits for the host is bounded, and all is counted.
    #[test]
    fn many_refusals_are_counted_and_a_few_wait() {
        let mut pair = Setup::new(Suite::Sealed)
            .client(|config| config.project = name("another"))
            .build();
        pair.connect();
        for _ in 0..200 {
            // It may be waiting for a busy server.
            if pair.client.phase() != Phase::Registering {
                pair.client.register(pair.now).unwrap();
            }
            pair.pass(10 * SECOND);
        }
        let refused = pair.server.counters().refused;
        assert!(refused > 100, "{refused}");
        let waiting = core::iter::from_fn(|| pair.server.poll_refused()).count();
        assert!((1..=16).contains(&waiting), "{waiting}");
    }

    #[test]
    fn another_suite() {
        let mut pair = Setup::new(Suite::Sealed)
            .client(|config| config.suites = Suites::new([Suite::Plain]).unwrap())
            .build();
        pair.register();
        let refused = pair.server.poll_refused().unwrap();
        assert_eq!((refused.name, refused.reason), (None, None));
    }

    #[test]
    fn unauthenticated_by_revocation() {
        let mut pair = Pair::sealed();
        let (chain, _) = pair.pki.site("site-1");
        let mut revoked = Revoked::new();
        revoked
            .insert_certificate(chain.leaf_der().unwrap())
            .unwrap();
        pair.server.set_revoked(pair.now, revoked);
        assert_eq!(rejected(&mut pair), Some(RejectReason::Unauthenticated));
    }

    // spec: P-47, P-55
    #[test]
    fn disabled_then_enabled_again() {
        let mut pair = Pair::sealed();
        assert!(pair.server.disable(pair.now, &name("site-1")));
        assert_eq!(rejected(&mut pair), Some(RejectReason::Disabled));
        refused(&mut pair, RejectReason::Disabled, "is disabled");
        assert!(pair.server.enable(pair.now, &name("site-1")));
        pair.client.register(pair.now).unwrap();
        pair.pass(SECOND);
        assert_eq!(pair.client.phase(), Phase::Active);
    }

    // spec: P-54
    #[test]
    fn wrong_project() {
        let mut pair = Setup::new(Suite::Sealed)
            .client(|config| config.project = name("another"))
            .build();
        assert_eq!(rejected(&mut pair), Some(RejectReason::WrongProject));
        refused(&mut pair, RejectReason::WrongProject, "serves the project");
    }

    // spec: P-63
    #[test]
    fn replaced_by_a_newer_process_and_never_the_other_way_round() {
        let mut pair = Pair::sealed();
        pair.register();
        pair.take_server();
        let identity = site_identity(&pair.pki, "site-1", pair.pki.roots());
        let newer = Client::new(pair.client_config.clone(), identity, [5; 32], pair.now).unwrap();
        let mut older = std::mem::replace(&mut pair.client, newer);
        pair.client.set_wall_clock(pair.now, NOW);
        pair.register();
        let actions = pair.take_server();
        assert!(
            actions
                .iter()
                .any(|action| matches!(action, ServerAction::ClientReplaced(_))),
            "{actions:?}"
        );
        std::mem::swap(&mut pair.client, &mut older);
        pair.take_client();
        pair.pass(60 * SECOND);
        let actions = pair.take_client();
        assert_eq!(rejection(&actions), Some(RejectReason::Replaced));
        refused(&mut pair, RejectReason::Replaced, "another process");
        let last = &actions[actions.len() - 2..];
        assert!(
            matches!(last, [ClientAction::ClearAuth, ClientAction::Rejected(_)]),
            "its credentials go before it is told why: {actions:?}"
        );
        std::mem::swap(&mut pair.client, &mut older);
        pair.pass(60 * SECOND);
        assert_eq!(pair.client.phase(), Phase::Active);
    }
}

mod closed {
    use super::*;

    // spec: P-107
    #[test]
    fn quit_answered() {
        let mut pair = Pair::sealed();
        pair.register();
        pair.client.quit(pair.now, "done");
        pair.run();
        assert_eq!(
            close_reason(&pair.take_client()),
            Some((CloseReason::Quit, true))
        );
        assert_eq!(pair.client.poll_timeout(), None);
    }

    #[test]
    fn not_registered_in_every_phase_without_a_session() {
        for phase in [Phase::Idle, Phase::Registering, Phase::Rejected] {
            let mut pair = Pair::sealed();
            match phase {
                Phase::Registering => pair.client.register(pair.now).unwrap(),
                Phase::Rejected => {
                    pair.server.disable(pair.now, &name("site-1"));
                    pair.register();
                    pair.take_client();
                }
                _ => {}
            }
            assert_eq!(pair.client.phase(), phase);
            pair.client.quit(pair.now, "never mind");
            pair.drain();
            assert_eq!(
                close_reason(&pair.take_client()),
                Some((CloseReason::NotRegistered, false))
            );
            assert_eq!(pair.client.phase(), Phase::Closed);
            pair.client.quit(pair.now, "again");
            pair.drain();
            assert!(pair.take_client().is_empty());
        }
    }

    // spec: P-108
    #[test]
    fn no_answer() {
        let mut pair = Pair::sealed();
        pair.register();
        pair.client.quit(pair.now, "done");
        pair.pass_silently(16 * SECOND);
        assert_eq!(
            close_reason(&pair.take_client()),
            Some((CloseReason::NoAnswer, false))
        );
        assert_eq!(pair.client.counters().retries, 2);
        assert_eq!(pair.client.poll_timeout(), None);
    }

    // spec: P-108
    #[test]
    fn session_gone() {
        let mut pair = Pair::sealed();
        pair.register();
        pair.restart_server();
        pair.client.quit(pair.now, "done");
        pair.run();
        assert_eq!(
            close_reason(&pair.take_client()),
            Some((CloseReason::SessionGone, false))
        );
    }

    #[test]
    fn heartbeat_failed_in_a_simulation() {
        let mut pair = Setup::new(Suite::Plain)
            .client(|config| config.mode = Mode::Simulate)
            .build();
        pair.register();
        pair.pass_silently(20 * SECOND);
        assert_eq!(
            close_reason(&pair.take_client()),
            Some((CloseReason::HeartbeatFailed, false))
        );
    }

    // spec: P-105
    #[test]
    fn a_result_that_was_not_accepted_stays_in_the_records() {
        let (mut pair, task) = with_task(Setup::new(Suite::Sealed), Payload::new("in"));
        submit(&mut pair, task, Payload::new("out"));
        pair.drain();
        pair.to_server.clear();
        pair.client.quit(pair.now, "bye");
        pair.run();
        assert_eq!(
            close_reason(&pair.take_client()),
            Some((CloseReason::Quit, true))
        );
        pair.restart_client();
        pair.register();
        pair.pass(SECOND);
        assert!(
            pair.take_server()
                .iter()
                .any(|action| matches!(action, ServerAction::ResultReceived(_)))
        );
    }
}

#[test]
fn keys_elsewhere_sign_on_both_sides() {
    let mut pair = Pair::sealed();
    let (site, site_key) = pair.pki.site("site-1");
    let (server, server_key) = pair.pki.server("coordinator");
    let elsewhere = |label: &str, chain| {
        Identity::with_key_elsewhere(name(label), chain, pair.pki.roots()).unwrap()
    };
    let (site, server) = (elsewhere("site-1", site), elsewhere("coordinator", server));
    pair.client.set_identity(pair.now, site).unwrap();
    pair.server.set_identity(pair.now, server).unwrap();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    let unknown = Misuse::UnknownSignature(SignatureId(99));
    assert_eq!(
        pair.client.signed(pair.now, SignatureId(99), &[0; 64]),
        Err(unknown.clone())
    );
    assert_eq!(
        pair.server.signed(pair.now, SignatureId(99), &[0; 64]),
        Err(unknown)
    );
    let mut signed = 0;
    for _ in 0..6 {
        pair.run();
        for action in pair.take_client() {
            if let ClientAction::Sign { request, bytes } = action {
                signed += 1;
                let signature = site_key.sign(&bytes);
                pair.client.signed(pair.now, request, &signature).unwrap();
            }
        }
        for action in pair.take_server() {
            if let ServerAction::Sign { request, bytes } = action {
                signed += 1;
                let signature = server_key.sign(&bytes);
                pair.server.signed(pair.now, request, &signature).unwrap();
            }
        }
    }
    assert_eq!(signed, 3);
    assert_eq!(pair.client.phase(), Phase::Active);
}

#[test]
fn the_servers_name_must_come_from_somewhere() {
    let mut pair = Setup::new(Suite::Sealed)
        .client(|config| config.server = None)
        .build();
    assert_eq!(
        pair.client.handle_connected(pair.now, Carrier::default()),
        Err(ConfigError::NoServerName)
    );
    let carrier = Carrier::default().with_host_name(name("coordinator"));
    pair.client.handle_connected(pair.now, carrier).unwrap();
    pair.client.register(pair.now).unwrap();
    pair.run();
    assert_eq!(pair.client.phase(), Phase::Active);
}

#[test]
fn the_longest_wait_may_not_be_shorter_than_the_shortest() {
    let pair = Pair::sealed();
    let refused = |longest| {
        let mut config = (*pair.client_config).clone();
        config.retry_max = longest;
        let identity = site_identity(&pair.pki, "site-1", pair.pki.roots());
        Client::new(Arc::new(config), identity, [5; 32], pair.now).err()
    };
    let shortest = pair.client_config.retry_min;
    assert_eq!(refused(shortest), None);
    let error = refused(shortest - Duration::from_micros(1));
    let Some(ConfigError::OutOfBounds { setting, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(setting, "retry_max");
}

// spec: P-22, P-25
#[test]
fn bearer_needs_a_binding_that_both_ends_know() {
    let bound = |client: Option<[u8; 32]>, server: Option<[u8; 32]>| {
        let mut pair = Setup::new(Suite::Bearer)
            .client(|config: &mut ClientConfig| config.trusted_path = false)
            .server(|config| config.trusted_path = false)
            .build();
        pair.server.handle_connected(pair.now, pair.peer, server);
        let mut carrier = Carrier::default();
        carrier.tls_exporter = client;
        let connected = pair.client.handle_connected(pair.now, carrier);
        if connected.is_ok() {
            pair.client.register(pair.now).unwrap();
            pair.pass(SECOND);
        }
        (connected, pair)
    };
    assert_eq!(bound(None, None).0, Err(ConfigError::NoChannelBinding));
    let (_, pair) = bound(Some([1; 32]), Some([2; 32]));
    assert_eq!(pair.client.phase(), Phase::Registering);
    assert_eq!(suspicions(&pair.client_actions)[0].0, Suspicion::Proof);
    let (_, mut pair) = bound(Some([1; 32]), Some([1; 32]));
    assert_eq!(pair.client.phase(), Phase::Active);
    // The session lives in its connection: another one registers again.
    pair.take_client();
    pair.disconnect();
    assert!(pair.take_client().contains(&ClientAction::ClearAuth));
    assert_eq!(pair.client.phase(), Phase::Registering);
}

#[test]
fn a_server_is_not_made_with_settings_that_cannot_work() {
    let pair = Pair::sealed();
    let refused = |change: fn(&mut ServerConfig)| {
        let mut config = (*pair.server_config).clone();
        change(&mut config);
        let identity = server_identity(&pair.pki, "coordinator", pair.pki.roots());
        match Server::new(config.into(), identity, [9; 32], pair.now) {
            Err(ConfigError::OutOfBounds { setting, .. }) => Some(setting),
            Err(other) => panic!("{other}"),
            Ok(_) => None,
        }
    };
    let no_window = refused(|it| it.registration_window = Duration::ZERO);
    assert_eq!(no_window, Some("registration_window"));
    // The first interval is drawn between half of it and all.
    let short = refused(|it| it.heartbeat_interval = Duration::from_millis(1));
    assert_eq!(short, Some("heartbeat_interval"));
    assert_eq!(
        refused(|it| it.heartbeat_interval = Duration::from_millis(2)),
        None
    );
    let dead = refused(|it| it.dead_after = it.heartbeat_interval);
    assert_eq!(dead, Some("dead_after"));
    let no_session = refused(|it| it.session_lifetime = SECOND / 2);
    assert_eq!(no_session, Some("session_lifetime"));
    let no_attempt = refused(|it| it.register_attempts = 0);
    assert_eq!(no_attempt, Some("register_attempts"));
    assert_eq!(refused(|it| it.inline_limit = 1 << 20), None);
    let long = refused(|it| it.inline_limit = (1 << 20) + 1);
    assert_eq!(long, Some("inline_limit"));
}
