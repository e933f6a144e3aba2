//! What is between the hosts: connections that break, and messages that get lost, come
//! twice, late, in another order, or not as they were sent.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::BytesMut;
use fedlink::Instant;
use fedlink::message::PeerId;

use super::event::Event;
use super::log;
use super::plan::{Carriage, Plan};
use super::scene::Scene;
use super::tally::Case;

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    Server,
    Site,
}

/// One site's way to the server.
#[derive(Clone, Debug, Default)]
struct Path {
    /// The connection that last stood, and whether it still does.
    peer: Option<PeerId>,
    stands: bool,
    parted_until: Instant,
    /// When the latest message in each direction arrives.
    latest: [Instant; 2],
}

/// All ways.
pub struct Network {
    paths: Vec<Path>,
    sites: BTreeMap<PeerId, usize>,
    next: u64,
}

impl Network {
    pub fn new(plan: &Plan) -> Self {
        Self {
            paths: vec![Path::default(); plan.sites.len()],
            sites: BTreeMap::new(),
            next: 0,
        }
    }

    /// A new connection, or the site's address where there are none.
    pub fn connect(&mut self, site: usize, carriage: Carriage) -> PeerId {
        let peer = match (carriage, self.paths[site].peer) {
            (Carriage::Datagram, Some(address)) => address,
            (Carriage::Datagram, None) | (Carriage::Stream, _) => {
                self.next += 1;
                PeerId(self.next)
            }
        };
        self.paths[site].peer = Some(peer);
        self.paths[site].stands = true;
        self.sites.insert(peer, site);
        peer
    }

    /// The connection breaks; gives it if it stood.
    pub fn cut(&mut self, site: usize) -> Option<PeerId> {
        let path = &mut self.paths[site];
        let stood = core::mem::take(&mut path.stands);
        path.peer.filter(|_| stood)
    }

    pub fn part(&mut self, site: usize, until: Instant) {
        self.paths[site].parted_until = until;
    }

    pub fn is_parted(&self, site: usize, now: Instant) -> bool {
        now < self.paths[site].parted_until
    }

    pub fn site_of(&self, peer: PeerId) -> usize {
        self.sites[&peer]
    }

    /// Whether `peer` is the site's connection, and stands.
    pub fn carries(&self, peer: PeerId) -> bool {
        let path = &self.paths[self.sites[&peer]];
        path.peer == Some(peer) && path.stands
    }
}

/// The value that both ends of a bound connection know.
pub fn exporter(plan: &Plan, peer: PeerId) -> Option<[u8; 32]> {
    plan.bound.then(|| {
        let mut value = [7; 32];
        value[..8].copy_from_slice(&peer.0.to_be_bytes());
        value
    })
}

/// Sends a message on its way, or not.
pub fn send(scene: &mut Scene<'_>, towards: Towards, peer: PeerId, parts: [&[u8]; 2]) {
    let mut message = BytesMut::with_capacity(parts[0].len() + parts[1].len());
    message.extend_from_slice(parts[0]);
    message.extend_from_slice(parts[1]);
    scene.tally.count(Case::MessageSent);
    scene.transcript.bytes(&message);
    let weather = scene.plan.weather;
    let storm = scene.is_stormy();
    let lost = if !scene.network.carries(peer) {
        Some((Case::MessageIntoNothing, "goes nowhere"))
    } else if scene
        .network
        .is_parted(scene.network.site_of(peer), scene.now)
    {
        Some((Case::MessageLost, "is lost in a partition"))
    } else if storm && scene.dice.chance(weather.lost) {
        Some((Case::MessageLost, "is lost"))
    } else {
        None
    };
    let arrow = match towards {
        Towards::Server => "->",
        Towards::Site => "<-",
    };
    let site = scene.network.site_of(peer);
    let fate = lost.map_or("", |(_, fate)| fate);
    scene.line(|| {
        let what = log::describe(&message, towards == Towards::Site);
        format!("site-{site} {arrow} server: {what} {fate}")
    });
    if let Some((case, _)) = lost {
        scene.tally.count(case);
        return;
    }
    if storm && scene.dice.chance(weather.doubled) {
        scene.tally.count(Case::MessageDoubled);
        deliver(scene, towards, peer, message.clone());
    }
    if storm && scene.dice.chance(weather.spoilt) {
        scene.tally.count(Case::MessageSpoilt);
        spoil(scene, &mut message);
    }
    if storm && scene.dice.chance(weather.echoed) {
        scene.tally.count(Case::MessageEchoed);
        let wait = scene.dice.millis(10_000, 200_000);
        let at = scene.now + wait;
        scene.at(at, arrival(towards, peer, message.clone()));
    }
    deliver(scene, towards, peer, message);
}

fn arrival(towards: Towards, peer: PeerId, message: BytesMut) -> Event {
    match towards {
        Towards::Server => Event::ToServer(peer, message),
        Towards::Site => Event::ToSite(peer, message),
    }
}

fn deliver(scene: &mut Scene<'_>, towards: Towards, peer: PeerId, message: BytesMut) {
    let weather = scene.plan.weather;
    let delay = if !scene.is_stormy() {
        scene.dice.millis(1, 20)
    } else if scene.dice.chance(weather.late) {
        scene.dice.millis(2_000, 40_000)
    } else {
        scene.dice.millis(weather.delay.0, weather.delay.1)
    };
    let at = scene.now + delay;
    let site = scene.network.site_of(peer);
    let latest = &mut scene.network.paths[site].latest[towards as usize];
    let overtakes = at < *latest;
    *latest = at.max(*latest);
    if overtakes {
        scene.tally.count(Case::MessageOvertaken);
    }
    scene.at(at, arrival(towards, peer, message));
}

/// Changes, cuts off or adds a few bytes.
fn spoil(scene: &mut Scene<'_>, message: &mut BytesMut) {
    match scene.dice.below(4) {
        0 => {
            let len = scene.dice.below(message.len());
            message.truncate(len);
        }
        1 => message.extend_from_slice(&scene.dice.id()),
        _ => {
            for _ in 0..1 + scene.dice.below(3) {
                let at = scene.dice.below(message.len());
                message[at] ^= 1 << scene.dice.below(8);
            }
        }
    }
}

/// How long a host takes to learn that its connection is gone.
pub fn notice(scene: &mut Scene<'_>) -> Duration {
    if scene.dice.chance(700) {
        scene.dice.millis(0, 100)
    } else {
        scene.dice.millis(1_000, 40_000)
    }
}
