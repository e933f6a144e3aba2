//! What a process that dies at a bad moment must not break: one test for each way in which
//! it once did.
#![cfg(feature = "x509")]

mod common;

use std::time::Duration;

use common::pair::Setup;
use fedlink::message::JobId;
use fedlink::{ClientAction, Phase, ServerAction, Sites, Suite};

const JOB: JobId = JobId::from_bytes([7; 16]);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_site_that_comes_back_while_its_old_session_dies_starts_its_jobs_again() {
    let mut pair = Setup::new(Suite::Plain)
        .server(|config| config.dead_after = 40 * SECOND)
        .build();
    pair.register();
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.client.job_started(pair.now, JOB).unwrap();
    pair.pass(11 * SECOND);

    pair.pass_silently(35 * SECOND);
    pair.restart_client();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    while pair.client.phase() != Phase::Active {
        assert!(pair.step());
    }
    pair.pass_silently(10 * SECOND);
    let died = |action: &ServerAction| matches!(action, ServerAction::ClientDead { .. });
    assert!(pair.take_server().iter().any(died));

    pair.take_client();
    pair.pass(20 * SECOND);
    assert!(
        pair.take_client()
            .contains(&ClientAction::StartJobs(vec![JOB]))
    );
}
