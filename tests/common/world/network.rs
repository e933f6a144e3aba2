//! What is between the hosts: relays, connections that break, and messages that get lost,
//! come twice, late, in another order, or not as they were sent.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::BytesMut;
use fedlink::Instant;
use fedlink::message::PeerId;

use super::diagram::Lane;
use super::dice::Dice;
use super::event::{Event, Parcel};
use super::plan::{Carriage, Plan};
use super::scene::Scene;
use super::tally::Case;
use super::wire;

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Towards {
    Server,
    Site,
}

/// One site's way to the server.
struct Path {
    /// The connection that last stood, and whether it still does.
    peer: Option<PeerId>,
    stands: bool,
    parted_until: Instant,
    /// The relay that new connections go through.
    via: usize,
    /// Chance in each direction.
    dice: [Dice; 2],
    /// When the latest message in each direction arrives.
    latest: [Instant; 2],
}

/// A host between sites and server.
#[derive(Clone, Copy, Default)]
struct Relay {
    down_until: Instant,
    slow_until: Instant,
    /// By how much it is slow.
    delay: Duration,
}

/// All ways.
pub struct Network {
    carriage: Carriage,
    paths: Vec<Path>,
    relays: Vec<Relay>,
    /// The site of each connection, and the relay that it goes through.
    connections: BTreeMap<PeerId, (usize, usize)>,
    next: u64,
}

impl Network {
    pub fn new(plan: &Plan) -> Self {
        let path = |site: usize| Path {
            peer: None,
            stands: false,
            parted_until: Instant::default(),
            via: site % plan.relays.max(1),
            dice: [Towards::Server, Towards::Site]
                .map(|towards| Dice::stream(plan.luck, &format!("path {site} {towards:?}"))),
            latest: [Instant::default(); 2],
        };
        Self {
            carriage: plan.carriage,
            paths: (0..plan.sites.len()).map(path).collect(),
            relays: vec![Relay::default(); plan.relays],
            connections: BTreeMap::new(),
            next: 0,
        }
    }

    /// A new connection, or the site's address where there are none.
    pub fn connect(&mut self, site: usize) -> PeerId {
        let path = &mut self.paths[site];
        let peer = match (self.carriage, path.peer) {
            (Carriage::Datagram, Some(address)) if path.stands => address,
            (Carriage::Datagram | Carriage::Stream, _) => {
                self.next += 1;
                PeerId(self.next)
            }
        };
        path.peer = Some(peer);
        path.stands = true;
        self.connections.insert(peer, (site, path.via));
        peer
    }

    /// The connection breaks, if there is such a thing and it stood: when each end learns
    /// of it.
    pub fn cut(&mut self, site: usize) -> Vec<(Duration, Event)> {
        let path = &mut self.paths[site];
        if self.carriage == Carriage::Datagram || !core::mem::take(&mut path.stands) {
            return Vec::new();
        }
        let Some(peer) = path.peer else {
            return Vec::new();
        };
        let [up, down] = &mut path.dice;
        vec![
            (notice(down), Event::CutAtSite(peer)),
            (notice(up), Event::CutAtServer(peer)),
        ]
    }

    /// The site goes through the next relay from now on. Its address there is a new one.
    pub fn move_on(&mut self, site: usize) {
        let path = &mut self.paths[site];
        path.via = (path.via + 1) % self.relays.len().max(1);
        if self.carriage == Carriage::Datagram {
            path.stands = false;
        }
    }

    pub fn part(&mut self, site: usize, until: Instant) {
        self.paths[site].parted_until = until;
    }

    /// A relay dies, until it is started again: the sites whose connections it carried.
    pub fn relay_dies(&mut self, relay: usize, until: Instant) -> Vec<usize> {
        let Some(dying) = self.relays.get_mut(relay) else {
            return Vec::new();
        };
        dying.down_until = until;
        let carried = self.paths.iter().enumerate().filter(|(_, path)| {
            let connection = path.peer.filter(|_| path.stands);
            connection.is_some_and(|peer| self.connections[&peer].1 == relay)
        });
        carried.map(|(site, _)| site).collect()
    }

    pub fn relay_is_slow(&mut self, relay: usize, until: Instant, delay: Duration) {
        if let Some(relay) = self.relays.get_mut(relay) {
            (relay.slow_until, relay.delay) = (until, delay);
        }
    }

    /// Whether a new connection of this site can be made.
    pub fn is_open(&self, site: usize, now: Instant) -> bool {
        let path = &self.paths[site];
        let relay = self.relays.get(path.via);
        path.parted_until <= now && relay.is_none_or(|relay| relay.down_until <= now)
    }

    pub fn is_parted(&self, site: usize, now: Instant) -> bool {
        now < self.paths[site].parted_until
    }

    pub fn site_of(&self, peer: PeerId) -> usize {
        self.connections[&peer].0
    }

    /// Chance on the way from a site.
    pub fn dice(&mut self, site: usize, towards: Towards) -> &mut Dice {
        &mut self.paths[site].dice[towards as usize]
    }

    /// Whether `peer` is the site's connection, and stands.
    fn carries(&self, peer: PeerId) -> bool {
        let path = &self.paths[self.site_of(peer)];
        path.peer == Some(peer) && path.stands
    }

    /// The relay that a connection goes through, if there are any.
    fn relay_of(&self, peer: PeerId) -> Option<(usize, Relay)> {
        let (_, via) = self.connections[&peer];
        Some((via, *self.relays.get(via)?))
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
    let now = scene.now.as_micros();
    scene.host().sent.number(now);
    scene.host().sent.bytes(&message);
    let weather = scene.plan.weather;
    let (storm, site) = (scene.is_stormy(), scene.network.site_of(peer));
    let mut happens = |permille| storm && scene.network.dice(site, towards).chance(permille);
    let (lost, doubled) = (happens(weather.lost), happens(weather.doubled));
    let (spoilt, echoed) = (happens(weather.spoilt), happens(weather.echoed));
    let person = scene.plan.person(site);
    match towards {
        Towards::Site => {
            if let Some(session) = wire::granted(&message) {
                let clock = scene.clock();
                scene.sessions.granted(session, person, clock);
            }
        }
        Towards::Server => {
            if let Some(stamp) = wire::stamp(&message) {
                let (sessions, tally) = (&mut scene.sessions, &mut scene.tally);
                sessions.a_client_uses_what_was_granted(tally, stamp.session, person, site);
            }
        }
    }
    let gone = if !scene.network.carries(peer) {
        Some(Case::MessageIntoNothing)
    } else if lost || scene.network.is_parted(site, scene.now) {
        Some(Case::MessageLost)
    } else {
        None
    };
    let (from, to) = hops(scene, towards, peer)[0];
    scene.arrow((from, to), gone.is_none(), || {
        wire::describe(&message, towards == Towards::Site)
    });
    if let Some(case) = gone {
        return scene.tally.count(case);
    }
    let parcel = |message: BytesMut| Parcel {
        towards,
        peer,
        message,
    };
    if doubled {
        scene.tally.count(Case::MessageDoubled);
        deliver(scene, parcel(message.clone()));
    }
    if spoilt {
        scene.tally.count(Case::MessageSpoilt);
        spoil(scene.network.dice(site, towards), &mut message);
    }
    if echoed {
        scene.tally.count(Case::MessageEchoed);
        let wait = scene.network.dice(site, towards).millis(10_000, 200_000);
        scene.after(wait, Event::Arrival(parcel(message.clone())));
    }
    deliver(scene, parcel(message));
}

/// A message has come to a relay: it goes on, later if the relay is slow, or nowhere if it
/// is gone.
pub fn relay(scene: &mut Scene<'_>, parcel: Parcel, wait: Duration) {
    let Some((_, relay)) = scene.network.relay_of(parcel.peer) else {
        return;
    };
    let alive = relay.down_until <= scene.now && scene.network.carries(parcel.peer);
    let way = hops(scene, parcel.towards, parcel.peer)[1];
    let from_server = parcel.towards == Towards::Site;
    scene.arrow(way, alive, || wire::describe(&parcel.message, from_server));
    if !alive {
        return scene.tally.count(Case::LostAtRelay);
    }
    scene.tally.count(Case::MessageRelayed);
    let mut wait = wait;
    if scene.now < relay.slow_until {
        scene.tally.count(Case::RelaySlow);
        wait += relay.delay;
    }
    arrive(scene, scene.now + wait, parcel);
}

/// Puts a message on its way: to the relay, if there is one, and on from there.
fn deliver(scene: &mut Scene<'_>, parcel: Parcel) {
    let (weather, storm) = (scene.plan.weather, scene.is_stormy());
    let site = scene.network.site_of(parcel.peer);
    let dice = scene.network.dice(site, parcel.towards);
    let delay = if !storm {
        dice.millis(1, 20)
    } else if dice.chance(weather.late) {
        dice.millis(2_000, 40_000)
    } else {
        dice.millis(weather.delay.0, weather.delay.1)
    };
    match scene.network.relay_of(parcel.peer) {
        Some(_) => scene.after(delay / 2, Event::AtRelay(parcel, delay - delay / 2)),
        None => arrive(scene, scene.now + delay, parcel),
    }
}

fn arrive(scene: &mut Scene<'_>, at: Instant, parcel: Parcel) {
    let site = scene.network.site_of(parcel.peer);
    let latest = &mut scene.network.paths[site].latest[parcel.towards as usize];
    let overtakes = at < *latest;
    *latest = at.max(*latest);
    if overtakes {
        scene.tally.count(Case::MessageOvertaken);
    }
    scene.at(at, Event::Arrival(parcel));
}

/// The first and the last leg of a message's way.
fn hops(scene: &Scene<'_>, towards: Towards, peer: PeerId) -> [(Lane, Lane); 2] {
    let site = Lane::Site(scene.network.site_of(peer));
    let (from, to) = match towards {
        Towards::Server => (site, Lane::Server),
        Towards::Site => (Lane::Server, site),
    };
    match scene.network.relay_of(peer) {
        Some((relay, _)) => [(from, Lane::Relay(relay)), (Lane::Relay(relay), to)],
        None => [(from, to); 2],
    }
}

/// Changes, cuts off or adds a few bytes.
fn spoil(dice: &mut Dice, message: &mut BytesMut) {
    match dice.below(4) {
        0 => {
            let len = dice.below(message.len());
            message.truncate(len);
        }
        1 => message.extend_from_slice(&dice.id()),
        _ => {
            for _ in 0..1 + dice.below(3) {
                let at = dice.below(message.len());
                message[at] ^= 1 << dice.below(8);
            }
        }
    }
}

/// How long a host takes to learn that its connection is gone.
fn notice(dice: &mut Dice) -> Duration {
    if dice.chance(700) {
        dice.millis(0, 100)
    } else {
        dice.millis(1_000, 40_000)
    }
}
