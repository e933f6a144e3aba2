//! Attacks on jobs and tasks.

use fedlink::error::Dropped;
use fedlink::message::{JobId, Outcome, Payload, Properties};
use fedlink::{Assignee, ClientAction, NewTask, ServerAction, Sites, Suite};

use crate::SECOND;
use crate::common::layout::session;
use crate::common::pair::{Pair, Setup};
use crate::common::pki::name;
use crate::two::Two;
use crate::ways::next_heartbeat;

// spec: P-92
#[test]
fn an_old_list_of_jobs_undoes_nothing() {
    let mut pair = Setup::new(Suite::Plain).build();
    pair.register();
    let job = JobId::from_bytes([7; 16]);
    pair.server.start_job(pair.now, job, Sites::All).unwrap();
    pair.pass(12 * SECOND);
    assert!(
        pair.take_client()
            .contains(&ClientAction::StartJobs(vec![job]))
    );
    pair.client.job_started(pair.now, job).unwrap();
    // The answer to a heartbeat is held back, the job ends, the next answer says so.
    let heartbeat = next_heartbeat(&mut pair);
    pair.deliver_to_server(heartbeat);
    let held = pair.to_client.pop().unwrap();
    pair.server.end_job(pair.now, job).unwrap();
    pair.pass(20 * SECOND);
    assert!(
        pair.take_client()
            .contains(&ClientAction::AbortJobs(vec![job]))
    );
    pair.client.job_ended(pair.now, job).unwrap();
    pair.deliver_to_client(held);
    pair.run();
    assert!(
        !pair
            .take_client()
            .iter()
            .any(|action| matches!(action, ClientAction::StartJobs(_)))
    );
}

/// Numbers of requests keep old answers away already: here somebody on the way has made one.
// spec: P-92
#[test]
fn a_list_of_an_earlier_generation_is_ignored() {
    let mut pair = Setup::new(Suite::Plain).build();
    pair.register();
    let job = JobId::from_bytes([7; 16]);
    pair.server.start_job(pair.now, job, Sites::All).unwrap();
    pair.pass(12 * SECOND);
    pair.take_client();
    let other = JobId::from_bytes([8; 16]);
    for generation in [0, 1] {
        let heartbeat = next_heartbeat(&mut pair);
        pair.deliver_to_server(heartbeat);
        let mut reply = pair.to_client.pop().unwrap();
        // Behind the length of the token: no job to abort, one to start.
        reply.truncate(session::CLEAR_PART + 4);
        reply.extend_from_slice(&[0, generation, 0, 1]);
        reply.extend_from_slice(other.as_bytes());
        reply.extend_from_slice(&[10]);
        pair.deliver_to_client(reply);
        let started = ClientAction::StartJobs(vec![other]);
        let started = pair.take_client().contains(&started);
        assert_eq!(started, generation == 1, "{generation}");
    }
}

// spec: P-89
#[test]
fn a_heartbeat_that_arrives_after_a_newer_one_changes_nothing() {
    let mut pair = Pair::sealed();
    pair.register();
    let job = JobId::from_bytes([7; 16]);
    pair.server.start_job(pair.now, job, Sites::All).unwrap();
    let late = next_heartbeat(&mut pair);
    pair.client.job_started(pair.now, job).unwrap();
    pair.client.resume_heartbeats(pair.now);
    pair.now = pair.now + SECOND;
    pair.tick();
    let newer = pair.to_server.pop().expect("a heartbeat");
    pair.deliver_to_server(newer);
    pair.take_server();
    pair.server_drops.clear();
    pair.deliver_to_server(late);
    assert_eq!(pair.server_drops, [Dropped::Repeated]);
    let told = pair.take_server();
    assert!(told.is_empty(), "{told:?}");
}

const JOB: JobId = JobId::from_bytes([7; 16]);

fn task(content: &'static str) -> NewTask {
    NewTask::new("train", Payload::new(content))
}

/// An enrolled site asks for the work of a job in which it takes no part.
#[test]
fn an_enrolled_site_gets_no_work_of_a_job_that_is_not_its_own() {
    let mut two = Two::new(["site-1", "mallory"]);
    two.register();
    let sites = Sites::Named([name("site-1")].into());
    two.server.start_job(two.now, JOB, sites).unwrap();
    two.server
        .assign(two.now, JOB, Assignee::Anyone, task("for anyone"))
        .unwrap();
    let mallory = &mut two.sites[1].client;
    mallory.job_started(two.now, JOB).unwrap();
    mallory.pull_task(two.now, JOB).unwrap();
    two.pass(30 * SECOND);
    let actions = &two.sites[1].actions;
    assert!(actions.contains(&ClientAction::RunEnded { job: JOB }));
    assert!(actions.contains(&ClientAction::AbortJobs(vec![JOB])));
    let assigned = |it: &ClientAction| matches!(it, ClientAction::TaskAssigned(_));
    assert!(!actions.iter().any(assigned));
}

/// The request with a result is held back, its repetition is taken, and then it comes.
///
/// ```text
/// client: SubmitResult (held back), SubmitResult again: accepted
/// to the server: the first one, twice
/// ```
// spec: P-81
#[test]
fn a_result_that_comes_again_is_one_result() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.client.job_started(pair.now, JOB).unwrap();
    let site = Assignee::Site(name("site-1"));
    let id = pair.server.assign(pair.now, JOB, site, task("in")).unwrap();
    pair.client.pull_task(pair.now, JOB).unwrap();
    pair.pass(SECOND);
    let result = Payload::new("out");
    pair.client
        .submit(pair.now, id, Outcome::Ok, Properties::new(), result)
        .unwrap();
    pair.drain();
    let held = pair.to_server.pop().unwrap();
    pair.pass(30 * SECOND);
    assert_eq!(pair.client.outbox_len(), 0);
    pair.deliver_to_server(held.clone());
    pair.deliver_to_server(held);
    pair.pass(SECOND);
    let received = |it: &&ServerAction| matches!(it, ServerAction::ResultReceived(_));
    assert_eq!(pair.take_server().iter().filter(received).count(), 1);
}
