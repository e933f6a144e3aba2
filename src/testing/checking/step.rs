//! The steps: which there are in a state, and what they lead to.

use bytes::Bytes;

use super::hosts::{Done, NOW, copy, result_of};
use super::model::{Model, peer};
use super::state::{Fault, Packet, State};
use super::tally::Case;
use crate::client::Timer;
use crate::error::Dropped;
use crate::message::{JobId, PeerId, SessionId, TaskId};
use crate::wire::native::{self, Envelope};
use crate::{Carrier, Client, ClientAction, Phase, Server, ServerAction};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The message at this place arrives.
    Deliver(usize),
    /// It arrives, and is still on its way.
    Repeat(usize),
    /// It is lost.
    Lose(usize),
    /// A client's timer fires.
    Fire(usize, Timer),
    /// The storage of a client's host becomes slow.
    Stall(usize),
    /// That of the server's does.
    StallCenter,
    /// A client's host stores its oldest unwritten record.
    Write(usize),
    /// The server's does.
    WriteCenter,
    /// A client's process dies, and starts again from what is stored.
    Crash(usize),
    /// The server's does.
    CrashCenter,
    /// The server starts again with nothing.
    Forget,
    /// The server has heard nothing in a session for too long.
    Silence(SessionId),
    /// The server's host ends a job.
    End(JobId),
    /// A client's host wants a heartbeat at once.
    Hurry(usize),
}

impl Model {
    /// The steps that the bounds allow.
    pub(super) fn steps(&self, state: &State, steps: &mut Vec<Step>) {
        let (bounds, spent) = (&self.bounds, &state.spent);
        let faulty = spent.faults() < bounds.faults;
        for index in 0..state.network.len() {
            let Some(packet) = state.network.get(index) else {
                continue;
            };
            let same_before = index > 0 && state.network.get(index - 1) == Some(packet);
            if same_before {
                continue;
            }
            steps.push(Step::Deliver(index));
            if faulty && spent.repeats < bounds.repeats {
                steps.push(Step::Repeat(index));
            }
            if faulty && spent.losses < bounds.losses {
                steps.push(Step::Lose(index));
            }
        }
        for (index, site) in state.sites.iter().enumerate() {
            if !site.disk.writing.is_empty() {
                steps.push(Step::Write(index));
            }
            if state.in_flight(index, true) < bounds.in_flight {
                let timers = site.client.armed();
                let allowed = timers.filter(|timer| match timer {
                    Timer::Heartbeat | Timer::Pull(_) => spent.polls < bounds.polls,
                    Timer::Renewal | Timer::Silence => spent.renewals < bounds.renewals,
                    _ => spent.timeouts < bounds.timeouts,
                });
                steps.extend(allowed.map(|timer| Step::Fire(index, timer)));
                let active = site.client.phase() == Phase::Active;
                if spent.extra_heartbeats < bounds.extra_heartbeats && active {
                    steps.push(Step::Hurry(index));
                }
            }
            if faulty && spent.stalls < bounds.stalls && !site.disk.slow {
                steps.push(Step::Stall(index));
            }
            if faulty && spent.crashes < bounds.crashes {
                steps.push(Step::Crash(index));
            }
        }
        if faulty && spent.stalls < bounds.stalls && !state.center.disk.slow {
            steps.push(Step::StallCenter);
        }
        if !state.center.disk.writing.is_empty() {
            steps.push(Step::WriteCenter);
        }
        if faulty && spent.crashes < bounds.crashes {
            steps.push(Step::CrashCenter);
        }
        if spent.amnesias < bounds.amnesias {
            steps.push(Step::Forget);
        }
        if spent.deaths < bounds.deaths {
            let sessions = state.center.server.holders();
            steps.extend(sessions.map(|(session, _)| Step::Silence(session)));
        }
        if spent.endings < bounds.endings {
            steps.extend(state.center.server.jobs().map(Step::End));
        }
    }

    pub(super) fn take(&self, state: &mut State, step: Step) {
        match step {
            Step::Deliver(index) => {
                let packet = state.network.remove(index);
                self.deliver(state, &packet);
            }
            Step::Repeat(index) => {
                state.spent.repeats += 1;
                let packet = state.network[index].clone();
                self.deliver(state, &packet);
            }
            Step::Lose(index) => {
                state.spent.losses += 1;
                state.network.remove(index);
            }
            Step::Fire(site, timer) => {
                match timer {
                    Timer::Heartbeat | Timer::Pull(_) => state.spent.polls += 1,
                    Timer::Renewal | Timer::Silence => state.spent.renewals += 1,
                    _ => state.spent.timeouts += 1,
                }
                self.tell_client(state, site, None, |client| client.fire_now(timer));
            }
            Step::Stall(site) => {
                state.spent.stalls += 1;
                state.sites[site].change(|it| it.disk.slow = true);
            }
            Step::StallCenter => {
                state.spent.stalls += 1;
                state.center.change(|it| it.disk.slow = true);
            }
            Step::Write(site) => {
                let done = state.sites[site].change(|it| it.write(NOW));
                self.client_did(state, site, None, done);
            }
            Step::WriteCenter => {
                let hasty = self.bounds.hasty_host;
                let done = state.center.change(|it| it.write(NOW, hasty));
                self.server_did(state, done);
            }
            Step::Crash(site) => self.crash_client(state, site),
            Step::CrashCenter => self.crash_server(state),
            Step::Forget => self.forget(state),
            Step::Silence(session) => {
                state.spent.deaths += 1;
                self.tell_server(state, |server| server.silence_now(session));
            }
            Step::End(job) => {
                state.spent.endings += 1;
                self.tell_server(state, |server| {
                    server.end_job(NOW, job).expect("it runs");
                });
            }
            Step::Hurry(site) => {
                state.spent.extra_heartbeats += 1;
                self.tell_client(state, site, None, |client| {
                    client.pause_heartbeats(NOW);
                    client.resume_heartbeats(NOW);
                });
            }
        }
    }

    /// A client's process connects and registers.
    pub(super) fn register(&self, state: &mut State, site: usize) {
        self.tell_client(state, site, None, |client| {
            let connected = client.handle_connected(NOW, Carrier::default());
            connected.expect("it knows its server");
            client.register(NOW).expect("it did not before");
        });
    }

    fn deliver(&self, state: &mut State, packet: &Packet) {
        let mut dropped = None;
        if packet.to_server {
            if !native::is_of_session(&packet.message) {
                let process = state.spent.crashes + state.spent.amnesias;
                state.center.change(|it| it.handshake(packet.site, process));
            }
            let (peer, message) = (peer(packet.site), copy(&packet.message));
            let mut registered = false;
            self.tell_server(state, |server| {
                let before = server.counters().registrations;
                dropped = server.handle_message(NOW, peer, message).err();
                registered = server.counters().registrations > before;
            });
            if let Ok(Envelope::Register { register, .. }) = native::parse(&packet.message) {
                self.handshake_done(state, register.reply.cookie.stamp, registered);
            }
        } else {
            let message = copy(&packet.message);
            self.tell_client(state, packet.site, Some(packet.generation), |client| {
                dropped = client.handle_message(NOW, message).err();
            });
        }
        match dropped {
            Some(Dropped::Repeated) => self.tally.count(Case::SealedAgain),
            Some(Dropped::NoSession) => self.tally.count(Case::SessionGone),
            Some(Dropped::Unasked) => self.tally.count(Case::AnswerTooLate),
            _ => {}
        }
    }

    /// A Register with a cookie of this stamp has arrived.
    fn handshake_done(&self, state: &mut State, stamp: [u8; 16], registered: bool) {
        let cookie = (state.spent.crashes + state.spent.amnesias, stamp);
        let known = state.witness.cookies.contains(&cookie);
        if known {
            self.tally.count(Case::CookieAgain);
        }
        if registered {
            state.witness.change(|witness| {
                if !witness.cookies.insert(cookie) {
                    witness.faults.insert(Fault::CookieTwice);
                }
            });
        }
    }

    fn crash_client(&self, state: &mut State, site: usize) {
        state.spent.crashes += 1;
        let process = state.spent.crashes;
        // What is on its way to the process has nowhere to arrive.
        let lost = |packet: &Packet| packet.site == site && !packet.to_server;
        state.network.retain(|packet| !lost(packet));
        if !state.sites[site].disk.writing.is_empty() {
            self.tally.count(Case::CrashWhileWriting);
        }
        if state.sites[site].client.outbox_len() > 0 {
            self.tally.count(Case::CrashWithResult);
        }
        let done = state.sites[site].change(|it| {
            it.disk.break_off();
            *it = self.start_client(site, process, it.disk.clone());
            it.input(NOW, |_| {})
        });
        state.witness.change(|witness| witness.lists.remove(&site));
        self.client_did(state, site, None, done);
        self.register(state, site);
    }

    fn crash_server(&self, state: &mut State) {
        state.spent.crashes += 1;
        let process = state.spent.crashes + state.spent.amnesias;
        state.network.retain(|packet| !packet.to_server);
        if !state.center.disk.writing.is_empty() {
            self.tally.count(Case::CrashWhileWriting);
        }
        let hasty = self.bounds.hasty_host;
        let done = state.center.change(|it| {
            it.disk.break_off();
            *it = self.start_server(process, it.disk.clone());
            it.input(NOW, hasty, |_| {})
        });
        self.server_did(state, done);
    }

    fn forget(&self, state: &mut State) {
        state.spent.amnesias += 1;
        let process = state.spent.amnesias + state.spent.crashes;
        state.network.retain(|packet| !packet.to_server);
        state.center.change(|it| *it = self.found_server(process));
        let sites = &state.sites;
        state.witness.change(|witness| {
            // Its tasks have old ids and are new ones; what it held is lost.
            let owed = |task: &TaskId| sites.iter().any(|site| site.client.owes(*task));
            let lost = core::mem::take(&mut witness.received);
            witness
                .promised
                .retain(|task| owed(task) && !lost.contains_key(task));
            witness.given.clear();
        });
    }

    fn tell_client(
        &self,
        state: &mut State,
        site: usize,
        lists: Option<u64>,
        input: impl FnOnce(&mut Client),
    ) {
        let done = state.sites[site].change(|it| it.input(NOW, input));
        self.client_did(state, site, lists, done);
    }

    fn tell_server(&self, state: &mut State, input: impl FnOnce(&mut Server)) {
        let hasty = self.bounds.hasty_host;
        let done = state.center.change(|it| it.input(NOW, hasty, input));
        self.server_did(state, done);
    }

    /// Sends what a client sent, and sees what its host was told. `lists` is where the job
    /// table was when the server sent what the client has answered to.
    fn client_did(
        &self,
        state: &mut State,
        site: usize,
        lists: Option<u64>,
        done: Done<ClientAction, Bytes>,
    ) {
        for message in done.sent {
            state.send(Packet {
                site,
                to_server: true,
                message,
                generation: 0,
            });
        }
        let client = &state.sites[site].client;
        let mut seen = (*state.witness).clone();
        for action in &done.told {
            match action {
                ClientAction::SetAuth(_) if seen.lists.remove(&site).is_some() => {
                    self.tally.count(Case::Reregistered);
                }
                ClientAction::HeartbeatAnswered { .. } => {
                    let lists = lists.expect("an answer has come");
                    let newest = seen.lists.entry(site).or_default();
                    if lists < *newest {
                        self.tally.count(Case::OldLists);
                    }
                    *newest = lists.max(*newest);
                }
                ClientAction::AbortJobs(_) | ClientAction::StartJobs(_)
                    if lists < seen.lists.get(&site).copied() =>
                {
                    seen.faults.insert(Fault::OldLists);
                }
                ClientAction::TaskAssigned(task) if task.again => self.tally.count(Case::TaskAgain),
                ClientAction::TaskAssigned(task) => {
                    *seen.given.entry((site, task.id)).or_default() += 1;
                }
                ClientAction::ResultRefused { task, .. } => {
                    self.tally.count(Case::ResultRefused);
                    seen.refused.insert(*task);
                }
                ClientAction::Rejected(_) => {
                    seen.faults.insert(Fault::Rejected);
                }
                _ => {}
            }
        }
        if state.sites[site].disk.writing.is_empty() {
            let tasks = seen.given.keys().filter(|(whose, _)| *whose == site);
            let owed = tasks
                .map(|(_, task)| *task)
                .filter(|task| client.owes(*task));
            let owed: Vec<_> = owed.collect();
            seen.promised.extend(owed);
        }
        state.witness.change(|witness| *witness = seen);
    }

    /// Sends what the server sent, and sees what its host was told.
    fn server_did(&self, state: &mut State, done: Done<ServerAction, (PeerId, Bytes)>) {
        let server = &state.center.server;
        let (generation, ssid) = (server.generation(), server.ssid());
        let mut seen = (*state.witness).clone();
        for (session, name) in server.holders() {
            let site = state.sites.iter().position(|it| it.client.name() == name);
            seen.made.insert(session, site.expect("it is one of them"));
        }
        for action in &done.told {
            if let ServerAction::ResultReceived(result) = action {
                if result.again {
                    self.tally.count(Case::ResultAgain);
                } else {
                    *seen.received.entry(result.task).or_default() += 1;
                }
                if result.payload.bytes() != result_of(ssid, result.task).bytes() {
                    seen.faults.insert(Fault::ForeignResult);
                }
            }
        }
        for (PeerId(to), message) in done.sent {
            state.send(Packet {
                site: usize::try_from(to).expect("there are few"),
                to_server: false,
                message,
                generation,
            });
        }
        state.witness.change(|witness| *witness = seen);
    }
}
