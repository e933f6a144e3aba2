use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fedlink::identity::Identity;
use fedlink::message::{PeerId, Properties};
use fedlink::{Carrier, Client, ClientAction, ClientConfig, Joined, ServerConfig, Suite, Suites};

use super::*;
use crate::federation::{Site, Training};
use crate::training::partition;

const NOW: Instant = Instant::from_micros(0);
const JOB: JobId = JobId::from_bytes([7; 16]);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn server(seed: u8, records: Vec<Bytes>) -> Server {
    let mut config = ServerConfig::new(name("wine"));
    config.suites = Suites::new([Suite::Plain]).unwrap();
    let identity = Identity::unproven(name("coordinator"));
    Server::restore(Arc::new(config), identity, [seed; 32], NOW, records).unwrap()
}

fn begun(minimum: usize) -> (Server, Coordinator) {
    let mut server = server(1, Vec::new());
    let plan = Plan {
        job: JOB,
        rounds: 3,
        seed: 5,
        padding: 100,
    };
    let members = BTreeSet::from([name("mosel"), name("porto")]);
    let coordinator = Coordinator::start(&mut server, NOW, plan, members, minimum).unwrap();
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
    ServerAction::ClientJoined(Joined::new(name(site)))
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
    let (server, coordinator) = begun(1);
    let mut server = restarted(&server);
    let found = Coordinator::resume(&mut server, NOW, JOB, 1)
        .unwrap()
        .unwrap();
    assert_eq!(found.plan, coordinator.plan);
    assert_eq!(found.members, coordinator.members);
    assert_eq!(found.open, coordinator.open);
    assert_eq!((found.round, found.model), (1, Model::default()));
    let other = JobId::from_bytes([8; 16]);
    assert!(
        Coordinator::resume(&mut server, NOW, other, 1)
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_round_goes_on_without_a_site_but_never_without_any() {
    let (mut server, mut coordinator) = begun(1);
    for (action, expected) in [
        (left("mosel"), &["porto"][..]),
        // Without its task nobody could tell where the run was.
        (left("porto"), &["porto"]),
        (joined("mosel"), &["mosel"]),
        (joined("porto"), &["mosel"]),
        // Another one is there.
        (left("mosel"), &["porto"]),
        (joined("mosel"), &["porto"]),
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
    assert_eq!(
        coordinator.poll_news(),
        waiting(1, 0, 1, &["mosel", "porto"])
    );
    assert_eq!(coordinator.poll_news(), skipped("porto"));
    assert_eq!(coordinator.poll_news(), skipped("mosel"));
    assert_eq!(coordinator.poll_news(), None);
}

fn waiting(round: u32, results: usize, minimum: usize, missing: &[&str]) -> Option<News> {
    Some(News::Waiting {
        round,
        results,
        minimum,
        missing: missing.iter().map(|site| name(site)).collect(),
    })
}

const MOSEL: usize = 0;
const PORTO: usize = 1;

/// A server with its coordinator, and the clients of two sites, with nothing between them.
struct Rig {
    server: Server,
    coordinator: Coordinator,
    now: Instant,
    sites: [(Client, Site, Option<Training>); 2],
}

impl Rig {
    /// Both sites have begun to train for the first of three rounds.
    fn begun(minimum: usize) -> Self {
        let (server, coordinator) = begun(minimum);
        let shares = partition(&Dataset::load(5), 2, 5);
        let client = |site: &str| {
            let mut config = ClientConfig::new(name("wine"));
            config.suites = Suites::new([Suite::Plain]).unwrap();
            let identity = Identity::unproven(name(site));
            let mut client = Client::new(Arc::new(config), identity, [3; 32], NOW).unwrap();
            client.handle_connected(NOW, Carrier::default()).unwrap();
            client.register(NOW).unwrap();
            client
        };
        let site = |number: usize, name| {
            let share = Arc::new(shares[number].clone());
            (client(name), Site::new(share), None)
        };
        let mut rig = Self {
            server,
            coordinator,
            now: NOW,
            sites: [site(MOSEL, "mosel"), site(PORTO, "porto")],
        };
        rig.run();
        rig
    }

    /// Half a minute passes, in which nobody trains.
    fn run(&mut self) {
        for _ in 0..30 {
            self.deliver();
            self.now = self.now + Duration::from_secs(1);
            self.server.handle_timeout(self.now);
            for (client, ..) in &mut self.sites {
                client.handle_timeout(self.now);
            }
        }
        self.deliver();
    }

    /// Delivers and stores all.
    fn deliver(&mut self) {
        let mut moved = true;
        while core::mem::take(&mut moved) {
            for (number, (client, site, training)) in self.sites.iter_mut().enumerate() {
                while let Some(action) = client.poll_action() {
                    moved = true;
                    match action {
                        ClientAction::Persist { record, .. } => {
                            client.persisted(self.now, record).unwrap();
                        }
                        action => {
                            let begun = site.handle(client, self.now, action).unwrap();
                            *training = begun.or(training.take());
                        }
                    }
                }
                while let Some(transmit) = client.poll_transmit() {
                    moved = true;
                    let message = [&transmit.header[..], &transmit.payload].concat();
                    let peer = PeerId(number as u64);
                    let _ = self
                        .server
                        .handle_message(self.now, peer, message[..].into());
                }
            }
            while let Some(action) = self.server.poll_action() {
                moved = true;
                match action {
                    ServerAction::Persist { record, .. } => {
                        self.server.persisted(self.now, record).unwrap();
                    }
                    action => {
                        let server = &mut self.server;
                        self.coordinator.handle(server, self.now, &action).unwrap();
                    }
                }
            }
            while let Some(transmit) = self.server.poll_transmit() {
                moved = true;
                let message = [&transmit.header[..], &transmit.payload].concat();
                let (client, ..) = &mut self.sites[transmit.peer.0 as usize];
                let _ = client.handle_message(self.now, message[..].into());
            }
        }
    }

    /// The site hands in what it has trained.
    fn trains(&mut self, site: usize) {
        let (client, site, training) = &mut self.sites[site];
        let trained = training.take().expect("it has a task").run();
        site.finished(client, self.now, trained).unwrap();
        self.run();
    }

    /// The site says that it cannot train.
    fn fails(&mut self, site: usize) {
        let (client, site, training) = &mut self.sites[site];
        let trained = training.take().expect("it has a task").run();
        let failed = trained.failed("no wines");
        site.finished(client, self.now, failed).unwrap();
        self.run();
    }

    fn tell(&mut self, action: &ServerAction) {
        let server = &mut self.server;
        self.coordinator.handle(server, self.now, action).unwrap();
        self.run();
    }

    fn news(&mut self) -> Vec<News> {
        std::iter::from_fn(|| self.coordinator.poll_news()).collect()
    }
}

fn is_round(news: &News, which: u32, of: usize) -> bool {
    matches!(news, News::Round { round, results, .. } if (*round, *results) == (which, of))
}

#[test]
fn a_round_with_too_few_results_waits_and_says_for_whom() {
    let mut rig = Rig::begun(2);
    rig.trains(MOSEL);
    assert_eq!(rig.news(), []);
    // The round keeps the task of who is gone, and says so once.
    rig.tell(&left("porto"));
    assert_eq!(rig.news(), [waiting(1, 1, 2, &["porto"]).unwrap()]);
    rig.tell(&left("porto"));
    rig.tell(&joined("porto"));
    assert_eq!(rig.news(), []);
    rig.trains(PORTO);
    let news = rig.news();
    assert!(news.len() == 1 && is_round(&news[0], 1, 2), "{news:?}");
}

#[test]
fn a_site_that_could_not_train_tries_again_when_it_is_back_if_it_is_needed() {
    let mut rig = Rig::begun(2);
    rig.trains(MOSEL);
    rig.fails(PORTO);
    let news = rig.news();
    assert!(matches!(&news[0], News::Failed { error, .. } if error == "no wines"));
    assert_eq!(news[1..], [waiting(1, 1, 2, &["porto"]).unwrap()]);
    rig.tell(&joined("porto"));
    rig.trains(PORTO);
    let news = rig.news();
    assert!(news.len() == 1 && is_round(&news[0], 1, 2), "{news:?}");
    let tasks = rig.server.tasks(JOB);
    let kept = tasks.filter(|task| task.state != TaskState::Taken);
    assert_eq!(kept.count(), 2);

    let mut rig = Rig::begun(1);
    rig.trains(MOSEL);
    rig.fails(PORTO);
    assert!(is_round(&rig.news()[1], 1, 1));
}

#[test]
fn a_deadline_ends_a_round_as_soon_as_it_has_the_minimum() {
    for minimum in [1, 2] {
        let mut rig = Rig::begun(minimum);
        let deadline_passes = |rig: &mut Rig| {
            let server = &mut rig.server;
            rig.coordinator.deadline_passed(server, rig.now).unwrap();
            rig.run();
        };
        deadline_passes(&mut rig);
        assert_eq!(
            rig.news(),
            [waiting(1, 0, minimum, &["mosel", "porto"]).unwrap()]
        );
        rig.trains(MOSEL);
        if minimum == 2 {
            assert_eq!(rig.news(), [waiting(1, 1, 2, &["porto"]).unwrap()]);
            rig.trains(PORTO);
        } else {
            let late = News::Skipped {
                site: name("porto"),
                round: 1,
            };
            assert_eq!(rig.coordinator.poll_news(), Some(late));
        }
        let news = rig.news();
        assert!(is_round(&news[0], 1, minimum), "{news:?}");
        if minimum == 1 {
            // Too late: it counts for nothing.
            rig.trains(PORTO);
        }
        // The next round has a deadline of its own, and all take part.
        rig.trains(MOSEL);
        assert_eq!((rig.coordinator.round(), rig.news()), (2, Vec::new()));
        rig.trains(PORTO);
        assert!(is_round(&rig.news()[0], 2, 2));
    }
}

/// One that died with the coordinator is not waited for for ever, and one that is late for a
/// moment gets its task again.
#[test]
fn after_a_restart_whoever_does_not_come_back_is_not_there() {
    let (server, _) = begun(1);
    let mut server = restarted(&server);
    let found = Coordinator::resume(&mut server, NOW, JOB, 1).unwrap();
    let mut found = found.unwrap();
    for (action, expected) in [
        (left("mosel"), &["porto"][..]),
        (joined("mosel"), &["mosel", "porto"]),
    ] {
        found.handle(&mut server, NOW, &action).unwrap();
        let mut holders = holders(&server);
        holders.sort();
        assert_eq!(holders, expected, "{action:?}");
    }
    found.return_time_passed(&mut server, NOW).unwrap();
    assert_eq!(holders(&server), ["mosel"]);
}

#[test]
fn no_minimum_is_beyond_the_sites_that_take_part() {
    for (given, minimum) in [(0, 1), (1, 1), (2, 2), (usize::MAX, 2)] {
        assert_eq!(begun(given).1.minimum, minimum);
    }
}
