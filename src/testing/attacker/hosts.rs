//! The hosts of the honest machines: they store, sign, work, and report what their machines
//! said.

use core::time::Duration;

use bytes::Bytes;

use super::goals::Goal;
use super::knowledge::Seen;
use super::pki::name;
use super::world::{COORDINATOR, End, MALLORY, SITES, TaskTruth, World};
use crate::link::native::server::Process;
use crate::link::{Auth, TokenClaims};
use crate::message::{JobId, Outcome, Payload, Properties, RejectReason};
use crate::{Assignee, ClientAction, NewTask, ServerAction, Sites, Suspicion, Task};

/// Milliseconds between heartbeats, as the server's configuration has it.
const INTERVAL: u64 = 10_000;

/// Time that a client gets while the server's machine is awake to show that it lives,
/// however long that sleeps: two heartbeats.
const CHANCE: Duration = Duration::from_secs(20);

/// Lengths of payloads: inside the message, and in chunks.
const LENGTHS: [usize; 3] = [24, 60, 200];

impl World {
    /// Takes all that every machine wants.
    pub(super) fn drain(&mut self) {
        loop {
            let mut moved = false;
            for at in 0..self.sites.len() {
                moved |= self.drain_site(at);
            }
            moved |= self.drain_server();
            if !moved {
                return;
            }
        }
    }

    fn drain_site(&mut self, at: usize) -> bool {
        let mut moved = false;
        while let Some(action) = self.sites[at].client.poll_action() {
            moved = true;
            if let Some(session) = self.sites[at].client.session_id() {
                self.sites[at].sessions.insert(session);
            }
            if self.sites[at].alive {
                self.site_action(at, action);
            }
        }
        while let Some(transmit) = self.sites[at].client.poll_transmit() {
            moved = true;
            if let Some(peer) = self.sites[at].peer {
                let bytes = [&transmit.header[..], &transmit.payload].concat();
                self.fly(End::Server, peer, at, bytes.into());
            }
        }
        moved
    }

    fn drain_server(&mut self) -> bool {
        let mut moved = false;
        while let Some(action) = self.server.poll_action() {
            moved = true;
            self.server_action(action);
        }
        while let Some(transmit) = self.server.poll_transmit() {
            moved = true;
            let bytes: Bytes = [&transmit.header[..], &transmit.payload].concat().into();
            let site = self
                .sites
                .iter()
                .position(|it| it.peer == Some(transmit.peer));
            if let Some(at) = site {
                self.fly(End::Site(at), transmit.peer, at, bytes);
            } else if self.own_peers.contains(&transmit.peer) {
                self.knowledge.see(Seen {
                    bytes: bytes.to_vec(),
                    site: None,
                    to_server: false,
                });
                self.mallory_hears(&bytes);
            }
        }
        moved
    }

    fn site_action(&mut self, at: usize, action: ClientAction) {
        let now = self.now;
        let prompt = self.calm || !self.nature.slow_storage;
        let site = &mut self.sites[at];
        match action {
            ClientAction::Persist {
                record,
                header,
                payload,
            } => {
                let bytes = [&header[..], &payload].concat().into();
                site.store.unstored.push_back((record, bytes));
                if prompt {
                    self.store_for_site(at);
                }
            }
            ClientAction::Sign { request, bytes } => {
                site.store.unsigned.push((request, bytes));
                if self.calm || self.dice.one_in(4) {
                    self.sign_for_site(at, 0);
                }
            }
            ClientAction::SetAuth(auth) => self.authenticated(&auth),
            ClientAction::StartJobs(jobs) => {
                for job in jobs {
                    self.told_to_start(at, job);
                }
            }
            ClientAction::AbortJobs(jobs) => {
                for job in jobs {
                    self.told_to_abort(at, job);
                }
            }
            ClientAction::TaskAssigned(task) => self.work(at, &task),
            ClientAction::ResultAccepted { job, .. } | ClientAction::ResultRefused { job, .. } => {
                // It may have ended.
                let _ = site.client.pull_task(now, job);
            }
            ClientAction::Suspect { suspicion, .. } => {
                self.tally.tried(Goal::ActiveWithoutTheServer);
                if matches!(suspicion, Suspicion::Proof | Suspicion::TokenSignature) {
                    self.tally.tried(Goal::SignatureOfAnotherPurpose);
                }
            }
            ClientAction::Rejected(rejection) => {
                let process = Process::of(site.instance);
                let replaced = self.server.replaced(&self.sites[at].name);
                if rejection.reason != RejectReason::Replaced || !replaced.contains(&process) {
                    let what = format!("{} was refused: {rejection:?}", self.sites[at].name);
                    self.reached(Goal::ClientStopped, what);
                }
                self.tally.tried(Goal::ProcessesEvictEachOther);
            }
            _ => {}
        }
    }

    /// A session has been granted: by whom, and what for?
    fn authenticated(&mut self, auth: &Auth) {
        let claims = TokenClaims {
            suite: self.nature.suite,
            project: "project",
            name: auth.name.as_str(),
            token: auth.token.as_ref(),
            ssid: auth.ssid,
            issued: auth.issued,
            expires: auth.expires,
            interval: INTERVAL,
            th3: &auth.session_hash,
        };
        let bytes = claims.to_sign();
        let signed = self.signed.lock().expect("one thread");
        let by_server = signed
            .iter()
            .any(|(who, what)| *who == COORDINATOR && *what == bytes);
        drop(signed);
        if !by_server {
            let what = format!("{} joined a server that did not sign", auth.name);
            self.reached(Goal::ActiveWithoutTheServer, what);
        }
        if let Some(token) = &auth.token {
            let token = token.expose().to_vec();
            self.truth.secrets.push(("a token", token));
        }
    }

    fn told_to_start(&mut self, at: usize, job: JobId) {
        let now = self.now;
        let site = &mut self.sites[at];
        let forged = !self.truth.started.contains(&job);
        let undone = site.aborted.contains(&job) && self.truth.ended.contains(&job);
        let _ = site.client.job_started(now, job);
        let _ = site.client.pull_task(now, job);
        if (forged || undone) && !self.truth.rolled_back {
            self.reached(Goal::JobsForgedOrUndone, "a job was started");
        }
    }

    fn told_to_abort(&mut self, at: usize, job: JobId) {
        let site = &mut self.sites[at];
        site.aborted.insert(job);
        let _ = site.client.job_ended(self.now, job);
        if !self.truth.ended.contains(&job) && !self.truth.rolled_back {
            self.reached(Goal::JobsForgedOrUndone, "a job was aborted");
        }
    }

    /// The host works on a task, and its result is like no other.
    fn work(&mut self, at: usize, task: &Task) {
        let site = self.sites[at].name.clone();
        match self.truth.tasks.get(&task.id) {
            Some(known) if known.site == site && known.input == *task.payload.bytes() => {}
            Some(known) if known.site != site => {
                let what = format!("{site} got a task of {}", known.site);
                self.reached(Goal::WorkOfSomebodyElse, what);
            }
            _ => self.reached(Goal::ChangedContentAccepted, "a task was changed"),
        }
        let result = self.secret("a result");
        if let Some(known) = self.truth.tasks.get_mut(&task.id) {
            known.results.push(result.clone());
        }
        let site = &mut self.sites[at];
        let headers = Properties::new();
        let payload = Payload::new(result);
        let _ = site
            .client
            .submit(self.now, task.id, Outcome::Ok, headers, payload);
    }

    fn server_action(&mut self, action: ServerAction) {
        let prompt = self.calm || !self.nature.slow_storage;
        match action {
            ServerAction::Persist {
                record,
                header,
                payload,
            } => {
                let bytes = [&header[..], &payload].concat().into();
                self.server_store.unstored.push_back((record, bytes));
                if prompt {
                    self.store_for_server();
                }
            }
            ServerAction::Sign { request, bytes } => {
                self.server_store.unsigned.push((request, bytes));
                if self.calm || self.dice.one_in(4) {
                    self.sign_for_server(0);
                }
            }
            ServerAction::ResultReceived(result) => {
                let known = self.truth.tasks.get_mut(&result.task);
                let right = known.is_some_and(|known| {
                    let twice = core::mem::replace(&mut known.received, true);
                    known.site == result.client
                        && known.results.contains(result.payload.bytes())
                        && (!twice || result.again || self.truth.rolled_back)
                });
                if !right {
                    self.reached(Goal::ChangedContentAccepted, "a result was changed");
                }
                self.tally.results += 1;
                let _ = self.server.taken(self.now, result.task);
            }
            ServerAction::ClientDead { client } => {
                let heard = self.truth.heard.get(&client).copied().unwrap_or_default();
                let silence = self.truth.awake.saturating_sub(heard);
                if silence < CHANCE && client.as_str() != MALLORY {
                    let what = format!("{client} is dead after {silence:?} without sleep");
                    self.reached(Goal::FleetDeadBySleep, what);
                }
            }
            _ => {}
        }
    }

    pub(super) fn start_job(&mut self, sites: Sites) {
        let job = JobId::from_bytes(self.dice.bytes());
        if self.server.start_job(self.now, job, sites).is_ok() {
            self.truth.started.insert(job);
            self.jobs.push(job);
        }
        self.drain();
    }

    pub(super) fn end_job(&mut self, at: usize) {
        let job = self.jobs.remove(at);
        if self.server.end_job(self.now, job).is_ok() {
            self.truth.ended.insert(job);
        }
        self.drain();
    }

    pub(super) fn assign(&mut self, site: usize, job: JobId) {
        let site = name(SITES[site]);
        let input = self.secret("a task");
        let task = NewTask {
            name: "train".to_owned(),
            headers: Properties::new(),
            payload: Payload::new(input.clone()),
        };
        let to = Assignee::Site(site.clone());
        if let Ok(task) = self.server.assign(self.now, job, to, task) {
            let truth = TaskTruth {
                site,
                input,
                results: Vec::new(),
                received: false,
            };
            self.truth.tasks.insert(task, truth);
        }
        self.drain();
    }

    fn secret(&mut self, what: &'static str) -> Bytes {
        let pattern: [u8; 20] = self.dice.bytes();
        let len = LENGTHS[self.dice.below(LENGTHS.len())];
        let bytes: Vec<u8> = pattern.into_iter().cycle().take(len).collect();
        self.truth.secrets.push((what, pattern.to_vec()));
        bytes.into()
    }

    /// Storage and signers answer up to `most` requests each.
    pub(super) fn answer_slow(&mut self, most: usize) {
        for at in 0..self.sites.len() {
            for _ in 0..most.min(self.sites[at].store.unstored.len()) {
                self.store_for_site(at);
            }
            for _ in 0..most.min(self.sites[at].store.unsigned.len()) {
                self.sign_for_site(at, 0);
            }
        }
        for _ in 0..most.min(self.server_store.unstored.len()) {
            self.store_for_server();
        }
        for _ in 0..most.min(self.server_store.unsigned.len()) {
            // In any order.
            let at = self.dice.below(self.server_store.unsigned.len());
            self.sign_for_server(at);
        }
        self.drain();
    }

    fn store_for_site(&mut self, at: usize) {
        let site = &mut self.sites[at];
        if let Some((record, bytes)) = site.store.unstored.pop_front() {
            site.store.records.push(bytes);
            let _ = site.client.persisted(self.now, record);
        }
    }

    fn store_for_server(&mut self) {
        if let Some((record, bytes)) = self.server_store.unstored.pop_front() {
            self.server_store.records.push(bytes);
            let _ = self.server.persisted(self.now, record);
        }
    }

    fn sign_for_site(&mut self, at: usize, which: usize) {
        let (request, bytes) = self.sites[at].store.unsigned.remove(which);
        let owner = SITES.into_iter().find(|it| name(it) == self.sites[at].name);
        let signature = self.sign(owner.unwrap_or(SITES[0]), &bytes);
        let _ = self.sites[at].client.signed(self.now, request, &signature);
    }

    fn sign_for_server(&mut self, which: usize) {
        let (request, bytes) = self.server_store.unsigned.remove(which);
        let signature = self.sign(COORDINATOR, &bytes);
        if self.server.signed(self.now, request, &signature).is_ok() {
            self.tally.tried(Goal::NonceTwice);
        }
    }
}
