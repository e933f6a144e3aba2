use std::sync::Arc;

use bytes::Bytes;
use fedlink::identity::Identity;
use fedlink::message::Properties;
use fedlink::{Joined, ServerConfig, Suite, Suites};

use super::*;

const NOW: Instant = Instant::from_micros(0);
const JOB: JobId = JobId::from_bytes([7; 16]);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn server(seed: u8, records: Vec<Bytes>) -> Server {
    let config = ServerConfig {
        suites: Suites::new([Suite::Plain]).unwrap(),
        ..ServerConfig::new(name("wine"))
    };
    let identity = Identity::unproven(name("coordinator"));
    Server::restore(Arc::new(config), identity, [seed; 32], NOW, records).unwrap()
}

fn begun() -> (Server, Coordinator) {
    let mut server = server(1, Vec::new());
    let plan = Plan {
        job: JOB,
        rounds: 3,
        seed: 5,
        padding: 100,
    };
    let members = BTreeSet::from([name("mosel"), name("porto")]);
    let coordinator = Coordinator::start(&mut server, NOW, plan, members).unwrap();
    (server, coordinator)
}

fn restarted(server: &Server) -> Server {
    let records = server.snapshot().into_iter();
    self::server(
        2,
        records
            .map(|(header, payload)| [header, payload].concat().into())
            .collect(),
    )
}

fn left(site: &str) -> ServerAction {
    ServerAction::ClientLeft {
        client: name(site),
        reason: String::new(),
        context: Properties::new(),
    }
}

fn joined(site: &str) -> ServerAction {
    ServerAction::ClientJoined(Joined {
        client: name(site),
        renewed: false,
        address: String::new(),
        site_info: Properties::new(),
        context: Properties::new(),
    })
}

fn holders(server: &Server) -> Vec<String> {
    let tasks = server.tasks(JOB);
    tasks
        .filter(|task| task.state == TaskState::Assigned)
        .filter_map(|task| Some(task.client?.to_string()))
        .collect()
}

#[test]
fn a_restored_coordinator_finds_everything_in_its_tasks() {
    let (server, coordinator) = begun();
    let mut server = restarted(&server);
    let found = Coordinator::resume(&mut server, NOW, JOB).unwrap().unwrap();
    assert_eq!(found.plan, coordinator.plan);
    assert_eq!(found.members, coordinator.members);
    assert_eq!(found.open, coordinator.open);
    assert_eq!((found.round, found.model), (1, Model::default()));
    let other = JobId::from_bytes([8; 16]);
    assert!(
        Coordinator::resume(&mut server, NOW, other)
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_round_goes_on_without_a_site_but_never_without_any() {
    let (mut server, mut coordinator) = begun();
    for (action, expected) in [
        (left("mosel"), &["porto"][..]),
        // Without its task nobody could tell where the run was.
        (left("porto"), &["porto"]),
        (joined("mosel"), &["mosel"]),
        (joined("porto"), &["mosel"]),
        (left("mosel"), &["mosel"]),
        (joined("mosel"), &["mosel"]),
    ] {
        coordinator.handle(&mut server, NOW, &action).unwrap();
        assert_eq!(holders(&server), expected, "{action:?}");
    }
    let skipped = |site| {
        Some(News::Skipped {
            site: name(site),
            round: 1,
        })
    };
    assert_eq!(coordinator.poll_news(), skipped("mosel"));
    assert_eq!(coordinator.poll_news(), skipped("porto"));
    assert_eq!(coordinator.poll_news(), None);
}

#[test]
fn a_restored_coordinator_gives_the_tasks_that_are_missing() {
    let (mut server, mut coordinator) = begun();
    coordinator
        .handle(&mut server, NOW, &left("porto"))
        .unwrap();
    let mut server = restarted(&server);
    Coordinator::resume(&mut server, NOW, JOB).unwrap().unwrap();
    assert_eq!(holders(&server), ["mosel", "porto"]);
}

#[test]
fn a_job_that_was_never_given_out_is_ended() {
    let mut server = server(1, Vec::new());
    let sites = Sites::Named(BTreeSet::from([name("mosel")]));
    server.start_job(NOW, JOB, sites).unwrap();
    let resumed = Coordinator::resume(&mut server, NOW, JOB).unwrap();
    assert!(resumed.is_none());
    assert_eq!(server.jobs().next(), None);
}
