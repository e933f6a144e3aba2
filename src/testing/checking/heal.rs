//! The end that a state comes to when nothing disturbs the network and the processes any more.

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use bytes::Bytes;

use super::hosts::{Done, NOW, copy};
use super::model::peer;
use super::state::{Center, Packet, Site, State};
use crate::message::{PeerId, TaskId};
use crate::{Client, ClientAction, Instant, Phase, Server, ServerAction, TaskState};

/// How long a federation may take to finish: more than the silence that makes a client
/// doubt its session and the longest wait between tries, and less than makes a session die.
const PATIENCE: Duration = Duration::from_secs(500);

/// Time goes on here, all messages arrive in their order, everything is stored at once,
/// and the machines are told the time as in production.
pub(super) struct Healing {
    now: Instant,
    sites: Vec<Site>,
    center: Center,
    network: VecDeque<Packet>,
    received: BTreeMap<TaskId, u8>,
}

impl Healing {
    pub(super) fn of(state: &State) -> Self {
        let sites = state.sites.iter().map(|site| Site::clone(site));
        let mut healing = Self {
            now: NOW,
            sites: sites.collect(),
            center: Center::clone(&state.center),
            network: state.network.iter().cloned().collect(),
            received: state.witness.received.clone(),
        };
        for site in 0..healing.sites.len() {
            healing.sites[site].disk.slow = false;
            healing.tell_client(site, |_, _| {});
        }
        healing.center.disk.slow = false;
        healing.tell_server(|_, _| {});
        healing
    }

    /// Whether in the end every client is registered, every task of a job that runs has
    /// its result, once, and no client runs a job that has ended.
    pub(super) fn succeeds(mut self) -> bool {
        loop {
            self.settle();
            if self.is_done() {
                return true;
            }
            match self.next() {
                Some(next) if next <= NOW + PATIENCE => self.now = self.now.max(next),
                _ => return false,
            }
            for site in 0..self.sites.len() {
                self.tell_client(site, Client::handle_timeout);
            }
            self.tell_server(Server::handle_timeout);
        }
    }

    pub(super) fn is_done(&self) -> bool {
        let server = &self.center.server;
        let mut tasks = server.jobs().flat_map(|job| server.tasks(job));
        let served = tasks
            .all(|task| task.state == TaskState::Taken && self.received.get(&task.id) == Some(&1));
        served
            && self.sites.iter().all(
                |Site {
                     client, running, ..
                 }| {
                    client.phase() == Phase::Active
                        && client.outbox_len() == 0
                        && server.is_registered(client.name())
                        && running.iter().all(|job| server.jobs().any(|it| it == *job))
                },
            )
    }

    fn next(&self) -> Option<Instant> {
        let sites = self.sites.iter().filter_map(|it| it.client.poll_timeout());
        let server = self.center.server.poll_timeout().map(|(at, _)| at);
        sites.map(|(at, _)| at).chain(server).min()
    }

    /// Delivers all that there is.
    fn settle(&mut self) {
        loop {
            let Some(packet) = self.network.pop_front() else {
                return;
            };
            let message = copy(&packet.message);
            if packet.to_server {
                self.tell_server(|server, now| {
                    let _ = server.handle_message(now, peer(packet.site), message);
                });
            } else {
                self.tell_client(packet.site, |client, now| {
                    let _ = client.handle_message(now, message);
                });
            }
        }
    }

    fn tell_client(&mut self, site: usize, input: impl FnOnce(&mut Client, Instant)) {
        let now = self.now;
        let done = self.sites[site].input(now, |client| input(client, now));
        self.client_did(site, done);
    }

    fn tell_server(&mut self, input: impl FnOnce(&mut Server, Instant)) {
        let now = self.now;
        let done = self.center.input(now, false, |server| input(server, now));
        self.server_did(done);
    }

    fn client_did(&mut self, site: usize, done: Done<ClientAction, Bytes>) {
        self.network
            .extend(done.sent.into_iter().map(|message| Packet {
                site,
                to_server: true,
                message,
                generation: 0,
            }));
    }

    fn server_did(&mut self, done: Done<ServerAction, (PeerId, Bytes)>) {
        for action in done.told {
            if let ServerAction::ResultReceived(result) = action
                && !result.again
            {
                *self.received.entry(result.task).or_default() += 1;
            }
        }
        for (PeerId(to), message) in done.sent {
            self.network.push_back(Packet {
                site: usize::try_from(to).expect("there are few"),
                to_server: false,
                message,
                generation: 0,
            });
        }
    }
}
