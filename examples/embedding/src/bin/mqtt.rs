//! A coordinator and three sites that meet at an MQTT broker: no connection between them, and a
//! broker that sees neither names nor contents. Topics are the addresses.
//!
//! ```sh
//! mosquitto -p 1883 &          # apt-get install mosquitto
//! cargo run -p fedlink-examples --bin mqtt -- 127.0.0.1:1883
//! ```

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use fedlink::frame::MAX_MESSAGE;
use fedlink::message::PeerId;
use fedlink::{Carrier, CarrierWish, Server};
use fedlink_examples::average::{Coordinator, EXPECTED, Site};
use fedlink_examples::clock::Clock;
use fedlink_examples::parties::SITES;
use fedlink_examples::{Error, parties};
use rumqttc::{Client as Mqtt, Event, MqttOptions, Packet, QoS};

/// Where sites publish, each under its name.
const UP: &str = "fedlink-example/up";
/// Where the coordinator publishes, to each site under its name.
const DOWN: &str = "fedlink-example/down";
/// Messages that may wait to be published, or to be handled.
const QUEUE: usize = 64;
/// Room for the topic beside a message.
const MAX_PACKET: usize = MAX_MESSAGE + 1024;
/// The wait before another connection to the broker.
const RETRY: Duration = Duration::from_secs(1);

fn main() -> Result<(), Error> {
    let broker = std::env::args().nth(1);
    let broker = broker.ok_or("give the broker's address, such as 127.0.0.1:1883")?;
    let (host, port) = broker.rsplit_once(':').ok_or("give HOST:PORT")?;
    let broker = Broker {
        host: host.to_owned(),
        port: port.parse()?,
    };
    let bus = Bus::open(&broker, "coordinator", format!("{UP}/+"));
    let coordinator = thread::spawn(|| serve(bus));
    let sites = SITES.map(|(name, number)| {
        let bus = Bus::open(&broker, name, format!("{DOWN}/{name}"));
        thread::spawn(move || run(name, Site { number }, bus))
    });
    for site in sites {
        site.join().map_err(|_| "a site has panicked")??;
    }
    let model = coordinator
        .join()
        .map_err(|_| "the coordinator has panicked")??;
    assert_eq!(model, EXPECTED);
    println!("the average is as expected");
    Ok(())
}

/// The loop of a site: the steps are those of the core's documentation.
fn run(name: &str, site: Site, bus: Bus) -> Result<(), Error> {
    let clock = Clock::start();
    let topic = format!("{UP}/{name}");
    let mut client = parties::client(name, clock)?;
    let mut is_subscribed = false;
    client.register(clock.now())?;
    loop {
        // 1. Tell the time, in every round.
        client.handle_timeout(clock.now());
        // 2. Do what the client asks for.
        while let Some(action) = client.poll_action() {
            if !site.act(&mut client, clock.now(), action)? {
                return Ok(());
            }
        }
        // 3. A connection is nothing but the subscription, which the MQTT client renews.
        match client.carrier_wish() {
            CarrierWish::Connect(at) if at <= clock.now() => {
                if is_subscribed {
                    client.handle_connected(clock.now(), Carrier::default())?;
                } else {
                    client.handle_disconnected(clock.now());
                }
            }
            CarrierWish::Replace => client.handle_disconnected(clock.now()),
            CarrierWish::Connect(_) | CarrierWish::Keep => {}
        }
        // 4. Send.
        while let Some(message) = client.poll_transmit() {
            if bus
                .publish(&topic, [&message.header, &message.payload])
                .is_err()
            {
                client.handle_send_failed(clock.now(), message.id);
            }
        }
        // 5. Wait for a message, but not beyond the next timer.
        match bus.next(clock.until(client.poll_timeout()))? {
            Some(Arrival::Subscribed) => is_subscribed = true,
            Some(Arrival::Lost) => {
                is_subscribed = false;
                client.handle_disconnected(clock.now());
            }
            Some(Arrival::Message { message, .. }) => {
                // A refused message is counted; the session goes on.
                let _ = client.handle_message(clock.now(), message);
            }
            None => {}
        }
    }
}

/// The loop of the coordinator. It has no connections to tell the server of.
fn serve(bus: Bus) -> Result<f64, Error> {
    let clock = Clock::start();
    let mut server = parties::server(clock)?;
    let mut coordinator = Coordinator::start(&mut server, clock.now())?;
    loop {
        // 1. Tell the time, in every round.
        server.handle_timeout(clock.now());
        // 2. Do what the server asks for.
        while let Some(action) = server.poll_action() {
            coordinator.act(&mut server, clock.now(), action)?;
        }
        // 3. Send. What gets lost is asked for again.
        publish_all(&mut server, &bus);
        if let Some(model) = coordinator.outcome() {
            return Ok(model);
        }
        // 4. Wait for a message, but not beyond the next timer.
        let arrival = bus.next(clock.until(server.poll_timeout()))?;
        if let Some(Arrival::Message { topic, message }) = arrival
            && let Some(peer) = peer_of(&topic)
        {
            // A refused message is counted, and changes nothing.
            let _ = server.handle_message(clock.now(), peer, message);
        }
    }
}

fn publish_all(server: &mut Server, bus: &Bus) {
    while let Some(message) = server.poll_transmit() {
        if let Some((name, _)) = SITES.get(message.peer.0 as usize) {
            let topic = format!("{DOWN}/{name}");
            let _ = bus.publish(&topic, [&message.header, &message.payload]);
        }
    }
}

/// A number for each address. Who publishes elsewhere is nobody, and costs no memory; who
/// publishes in another's place is found out by the server.
fn peer_of(topic: &str) -> Option<PeerId> {
    let name = topic.strip_prefix(UP)?.strip_prefix('/')?;
    let place = SITES.iter().position(|(site, _)| *site == name)?;
    Some(PeerId(place as u64))
}

struct Broker {
    host: String,
    port: u16,
}

/// What comes from the broker.
enum Arrival {
    Subscribed,
    Lost,
    Message { topic: String, message: BytesMut },
}

/// A connection to the broker, with one thread that keeps it up.
struct Bus {
    mqtt: Mqtt,
    arrivals: Receiver<Arrival>,
}

impl Bus {
    fn open(broker: &Broker, id: &str, topic: String) -> Self {
        let mut options = MqttOptions::new(id, &broker.host, broker.port);
        options.set_max_packet_size(MAX_PACKET, MAX_PACKET);
        let (mqtt, mut connection) = Mqtt::new(options, QUEUE);
        let (arrives, arrivals) = mpsc::sync_channel(QUEUE);
        let subscriber = mqtt.clone();
        thread::spawn(move || {
            for event in connection.iter() {
                let arrival = match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        // A full queue: the next connection tries again.
                        let _ = subscriber.try_subscribe(&topic, QoS::AtMostOnce);
                        continue;
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => Arrival::Subscribed,
                    Ok(Event::Incoming(Packet::Publish(published))) => Arrival::Message {
                        message: published.payload[..].into(),
                        topic: published.topic,
                    },
                    Ok(_) => continue,
                    Err(error) => {
                        println!("broker: {error}");
                        thread::sleep(RETRY);
                        Arrival::Lost
                    }
                };
                if arrives.send(arrival).is_err() {
                    return;
                }
            }
        });
        Self { mqtt, arrivals }
    }

    /// Publishes one message at most once: the machines repeat what gets lost.
    fn publish(&self, topic: &str, parts: [&[u8]; 2]) -> Result<(), Error> {
        let message = parts.concat();
        Ok(self
            .mqtt
            .try_publish(topic, QoS::AtMostOnce, false, message)?)
    }

    fn next(&self, wait: Duration) -> Result<Option<Arrival>, Error> {
        match self.arrivals.recv_timeout(wait) {
            Ok(arrival) => Ok(Some(arrival)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err("the MQTT client has ended".into()),
        }
    }
}
