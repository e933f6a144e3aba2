//! The client's host on tokio: it runs one client in a task.

mod handle;
mod link;

use std::sync::Arc;

use bytes::Bytes;
use fedlink::error::Dropped;
use fedlink::identity::Identity;
use fedlink::message::{MessageKind, Properties};
use fedlink::{CarrierWish, Client, ClientAction, ClientConfig};
use tokio::sync::mpsc;

use super::clock::{Alarm, Clock};
use super::commit::GroupCommit;
use super::dial::Dial;
use super::events::{EventQueue, Events};
use super::handle::{Command, Handle};
use crate::clock::WallClock;
use crate::connectivity::Connectivity;
use crate::storage::{Record, Storage};
use crate::{HostError, seed};
use link::{Link, LinkEvent};

/// Calls into a client that a host runs.
pub type ClientHandle = Handle<Client>;

/// A client that is about to run.
///
/// The host connects when the client wants it to. It keeps the client's clock and its
/// records, and moves its messages. All else is the application's: call the client through the [`ClientHandle`], and take its actions
/// from the [`Events`].
///
/// End it with [`quit`](ClientHandle::quit), on Ctrl-C too, and take events until there
/// are no more.
pub struct ClientHost {
    config: Arc<ClientConfig>,
    identity: Identity,
    dial: Box<dyn Dial>,
    storage: Option<Box<dyn Storage>>,
    records: Vec<Bytes>,
    connectivity: Connectivity,
    site_info: Properties,
}

impl ClientHost {
    /// A client without records, that stores nothing: results that were not accepted are
    /// lost with its process.
    #[must_use]
    pub fn new(config: Arc<ClientConfig>, identity: Identity, dial: impl Dial) -> Self {
        Self {
            config,
            identity,
            dial: Box::new(dial),
            storage: None,
            records: Vec::new(),
            connectivity: Connectivity::default(),
            site_info: Properties::new(),
        }
    }

    /// With facts about the site that every registration tells: see
    /// [`Client::set_site_info`].
    #[must_use]
    pub fn site_info(mut self, site_info: Properties) -> Self {
        self.site_info = site_info;
        self
    }

    /// What will be known of its connections. [`Retry`](ClientAction::Retry) says that the
    /// client tries again; why, and whether it helps, is known here.
    #[must_use]
    pub fn connectivity(&self) -> Connectivity {
        self.connectivity.clone()
    }

    /// With a storage, and the records that it holds already.
    #[must_use]
    pub fn storage(mut self, storage: impl Storage + 'static, records: Vec<Bytes>) -> Self {
        self.storage = Some(Box::new(storage));
        self.records = records;
        self
    }

    /// Starts it in a task of its own.
    ///
    /// # Errors
    /// When the settings cannot work, a record cannot be read, or there is no randomness.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub fn start(self) -> Result<(ClientHandle, Events<ClientAction>), HostError> {
        let clock = Clock::start();
        let framing = self.config.framing();
        let mut client = Client::restore(
            self.config,
            self.identity,
            seed()?,
            clock.now(),
            self.records,
        )?;
        client
            .set_site_info(self.site_info)
            .map_err(HostError::Refused)?;
        let (handle, commands) = Handle::new();
        let (events, receiver) = EventQueue::new();
        let running = Running {
            client,
            clock,
            wall: WallClock::default(),
            alarm: Alarm::new(),
            link: Link::new(self.dial, framing, self.connectivity),
            commits: GroupCommit::new(self.storage),
            events,
            commands,
            ending: false,
        };
        let task = tokio::spawn(running.run());
        Ok((handle, Events::new(receiver, task)))
    }
}

struct Running {
    client: Client,
    clock: Clock,
    wall: WallClock,
    alarm: Alarm,
    link: Link,
    commits: GroupCommit,
    events: EventQueue<ClientAction>,
    commands: mpsc::Receiver<Command<Client>>,
    /// Nothing more is done but to store and deliver what waits.
    ending: bool,
}

impl Running {
    async fn run(mut self) -> Result<(), HostError> {
        let ended = self.work().await;
        if ended.is_ok() {
            self.link.close().await;
        }
        self.commits.release().await;
        ended
    }

    /// The loop: do what the machine wants, wait until something happens, tell the
    /// machine.
    async fn work(&mut self) -> Result<(), HostError> {
        loop {
            if let Some(unix_time) = self.wall.news() {
                self.client.set_wall_clock(self.clock.now(), unix_time);
            }
            self.drain();
            if self.ending && self.commits.is_idle() && self.events.is_empty() {
                return Ok(());
            }
            let due = self.client.poll_timeout();
            let due = due.and_then(|(at, _)| self.clock.at(at));
            let reading = !self.events.is_full() && !self.commits.is_full();
            tokio::select! {
                command = self.commands.recv(), if !self.ending => match command {
                    Some(Command::Call(call)) => call(&mut self.client, self.clock.now()),
                    Some(Command::Disconnect) => self.disconnected(),
                    Some(Command::Stop) => self.ending = true,
                    None => return Ok(()),
                },
                event = self.link.next(self.clock, reading), if !self.ending => {
                    self.link_event(event)?;
                }
                () = self.alarm.reach(due) => self.client.handle_timeout(self.clock.now()),
                stored = self.commits.done() => {
                    for record in stored.map_err(HostError::Storage)? {
                        // Unknown if what it was for is over.
                        let _ = self.client.persisted(self.clock.now(), record);
                    }
                }
                () = self.events.deliver() => {}
            }
        }
    }

    /// Takes all that the machine wants.
    fn drain(&mut self) {
        while let Some(action) = self.client.poll_action() {
            match action {
                ClientAction::Persist {
                    record,
                    header,
                    payload,
                } => {
                    self.commits.push(Record::new(record, header, payload));
                    continue;
                }
                ClientAction::Closed { .. } => self.ending = true,
                _ => {}
            }
            self.events.push(action);
        }
        self.commits.start(|| self.client.snapshot());
        self.link.send(|| self.client.poll_transmit());
        match self.client.carrier_wish() {
            CarrierWish::Keep => self.link.stop_dialing(),
            CarrierWish::Connect(at) => self.link.dial_at(at),
            CarrierWish::Replace => {
                self.link.give_up();
                self.disconnected();
                self.drain();
            }
        }
    }

    fn link_event(&mut self, event: LinkEvent) -> Result<(), HostError> {
        let now = self.clock.now();
        match event {
            LinkEvent::Connected {
                carrier,
                local_address,
            } => {
                if let Some(address) = local_address {
                    // An address is never too long.
                    let _ = self.client.set_address(&address.to_string());
                }
                self.client.handle_connected(now, carrier)?;
            }
            LinkEvent::Message(message) => {
                // Counted and traced by the client.
                let _: Result<MessageKind, Dropped> = self.client.handle_message(now, message);
            }
            LinkEvent::Lost => self.disconnected(),
            LinkEvent::Moved => {}
        }
        Ok(())
    }

    fn disconnected(&mut self) {
        self.link.drop_connection();
        self.client.handle_disconnected(self.clock.now());
    }
}

#[cfg(test)]
mod tests;
