//! The hosts in the model: they act at once and always alike, but for their storage.

use bytes::{Bytes, BytesMut};

use super::model::peer;
use super::state::{Center, Disk, Site};
use crate::message::{Opaque, Outcome, Payload, PeerId, Properties, RecordId, Ssid, TaskId};
use crate::{Client, ClientAction, Instant, Server, ServerAction};

/// When everything happens. Late enough for a session to have been silent for long.
pub(super) const NOW: Instant = Instant::from_micros(1 << 40);

/// What came of an input.
pub(super) struct Done<Action, Sent> {
    pub(super) told: Vec<Action>,
    pub(super) sent: Vec<Sent>,
}

impl Site {
    /// Gives the client an input and does all that it wants.
    pub(super) fn input(
        &mut self,
        now: Instant,
        input: impl FnOnce(&mut Client),
    ) -> Done<ClientAction, Bytes> {
        input(&mut self.client);
        let mut told = Vec::new();
        loop {
            while let Some(action) = self.client.poll_action() {
                self.obey(now, &action);
                told.push(action);
            }
            if self.disk.slow || self.disk.writing.is_empty() {
                break;
            }
            self.store(now);
        }
        let transmits = core::iter::from_fn(|| self.client.poll_transmit());
        let sent = transmits.map(|it| whole(&it.header, &it.payload)).collect();
        Done { told, sent }
    }

    /// Slow storage gets on by one record.
    pub(super) fn write(&mut self, now: Instant) -> Done<ClientAction, Bytes> {
        self.store(now);
        let done = self.input(now, |_| {});
        self.disk.slow = !self.disk.writing.is_empty();
        done
    }

    /// Stores the oldest record that waits, and confirms it. What was stored before is
    /// replaced with a snapshot when nothing else waits.
    fn store(&mut self, now: Instant) {
        let record = self.disk.write();
        let confirmed = self.client.persisted(now, record);
        confirmed.expect("it waits for this");
        if self.disk.writing.is_empty() {
            self.disk.replace(self.client.snapshot());
        }
    }

    fn obey(&mut self, now: Instant, action: &ClientAction) {
        match action {
            ClientAction::HeartbeatDue => {
                let released = self.client.heartbeat_ready(now, None);
                released.expect("it has no context");
            }
            ClientAction::StartJobs(jobs) => {
                for job in jobs {
                    if self.client.job_started(now, *job).is_ok() {
                        self.running.insert(*job);
                        let pulled = self.client.pull_task(now, *job);
                        pulled.expect("the job runs");
                    }
                }
            }
            ClientAction::AbortJobs(jobs) => {
                for job in jobs {
                    self.running.remove(job);
                    self.client.job_ended(now, *job).expect("it ran");
                }
            }
            ClientAction::RunEnded { job } => {
                self.running.remove(job);
                self.client.job_ended(now, *job).expect("it ran");
            }
            ClientAction::TaskAssigned(task) => {
                if task.again {
                    self.running.insert(task.job);
                }
                let result = result_of(task.ssid, task.id);
                let nothing = Properties::new();
                let submitted = self
                    .client
                    .submit(now, task.id, Outcome::Ok, nothing, result);
                submitted.expect("it was assigned");
            }
            ClientAction::Persist {
                record,
                header,
                payload,
            } => self.disk.hand_over(*record, header, payload),
            _ => {}
        }
    }
}

impl Center {
    /// Gives the server an input and does all that it wants. A hasty host confirms records
    /// that it has not stored.
    pub(super) fn input(
        &mut self,
        now: Instant,
        hasty: bool,
        input: impl FnOnce(&mut Server),
    ) -> Done<ServerAction, (PeerId, Bytes)> {
        input(&mut self.server);
        let mut told = Vec::new();
        loop {
            while let Some(action) = self.server.poll_action() {
                self.obey(now, hasty, &action);
                told.push(action);
            }
            if self.disk.slow || self.disk.writing.is_empty() {
                break;
            }
            self.store(now, hasty);
        }
        let transmits = core::iter::from_fn(|| self.server.poll_transmit());
        let sent = transmits.map(|it| (it.peer, whole(&it.header, &it.payload)));
        let sent = sent.collect();
        Done { told, sent }
    }

    /// As [`Site::write`].
    pub(super) fn write(
        &mut self,
        now: Instant,
        hasty: bool,
    ) -> Done<ServerAction, (PeerId, Bytes)> {
        self.store(now, hasty);
        let done = self.input(now, hasty, |_| {});
        self.disk.slow = !self.disk.writing.is_empty();
        done
    }

    /// A message of a handshake is about to come. What is drawn for it depends on how many
    /// have come from the same client, and not on what others did: that would make many
    /// states of one.
    pub(super) fn handshake(&mut self, site: usize, process: u8) {
        self.handshakes[site] += 1;
        let seed = [
            process + 1,
            self.handshakes[site],
            peer(site).0.to_be_bytes()[7],
            0,
        ]
        .repeat(8);
        self.server
            .make_still(seed.try_into().expect("it has 32 bytes"));
    }

    fn store(&mut self, now: Instant, hasty: bool) {
        let record = self.disk.write();
        if !hasty {
            let confirmed = self.server.persisted(now, record);
            confirmed.expect("it waits for this");
        }
        if self.disk.writing.is_empty() {
            self.disk.replace(self.server.snapshot());
        }
    }

    fn obey(&mut self, now: Instant, hasty: bool, action: &ServerAction) {
        match action {
            ServerAction::Persist {
                record,
                header,
                payload,
            } => {
                self.disk.hand_over(*record, header, payload);
                if hasty {
                    let confirmed = self.server.persisted(now, *record);
                    confirmed.expect("it waits for this");
                }
            }
            ServerAction::ResultReceived(result) => {
                let taken = self.server.taken(now, result.task);
                taken.expect("it was just given");
            }
            _ => {}
        }
    }
}

impl Disk {
    fn hand_over(&mut self, record: RecordId, header: &Opaque, payload: &Opaque) {
        self.writing.push_back((record, whole(header, payload)));
    }

    fn write(&mut self) -> RecordId {
        let (record, bytes) = self.writing.pop_front().expect("something waits");
        self.stored.push(bytes);
        record
    }

    /// All is stored, so a snapshot may take its place.
    fn replace(&mut self, snapshot: Vec<(Bytes, Bytes)>) {
        let records = snapshot.iter();
        self.stored = records.map(|(header, rest)| whole(header, rest)).collect();
    }
}

/// The result of a task says whose it is.
pub(super) fn result_of(ssid: Ssid, task: TaskId) -> Payload {
    Payload::new([*ssid.as_bytes(), *task.as_bytes()].concat())
}

/// A copy that a machine may open in place.
pub(super) fn copy(message: &Bytes) -> BytesMut {
    BytesMut::from(&message[..])
}

fn whole(header: &[u8], payload: &[u8]) -> Bytes {
    [header, payload].concat().into()
}
