//! What the host of the server may see.

use std::collections::BTreeSet;

use fedlink::identity::Name;
use fedlink::message::{JobId, Ssid};
use fedlink::{Instant, Server, ServerAction, ServerConfig, TaskState};

use super::Work;
use super::silence::Silence;
use crate::world::tally::{Claim, Tally};

/// Clients and jobs that the host knows of.
pub struct ServerModel {
    /// Those that have joined and not gone.
    roster: BTreeSet<Name>,
    /// Those that were started and not ended.
    jobs: BTreeSet<JobId>,
    /// The service sessions that there have been, the latest last.
    ssids: Vec<Ssid>,
    lives: usize,
    /// Who was heard, and when.
    silence: Silence,
}

impl ServerModel {
    pub fn new(config: &ServerConfig) -> Self {
        Self {
            roster: BTreeSet::new(),
            jobs: BTreeSet::new(),
            ssids: Vec::new(),
            lives: 0,
            silence: Silence::new(config),
        }
    }

    pub fn job_started(&mut self, job: JobId) {
        assert!(self.jobs.insert(job), "job {job} was started twice");
    }

    pub fn job_ended(&mut self, job: JobId) {
        assert!(self.jobs.remove(&job), "job {job} was ended twice");
    }

    /// The process starts with the jobs that were stored, if any records were.
    pub fn starts(&mut self, server: &Server, stored: bool, at: Instant) {
        let ssid = server.ssid();
        self.lives += 1;
        if stored {
            assert_eq!(
                self.ssids.last(),
                Some(&ssid),
                "the service session is lost"
            );
        } else {
            assert!(!self.ssids.contains(&ssid), "a service session comes back");
            self.ssids.push(ssid);
        }
        self.roster.clear();
        self.silence.starts(at);
        self.jobs = server.jobs().collect();
    }

    /// A client is told of a service session that there was. It stays the same for as long
    /// as the server has what it had stored.
    pub fn a_service_session_is_the_servers(&self, tally: &mut Tally, ssid: Ssid) {
        assert!(
            self.ssids.contains(&ssid),
            "no server had that service session"
        );
        if self.lives > 1 {
            tally.held(Claim::ServiceSessionsStay);
        }
    }

    /// A message of a client's session was taken, at a time by the server's clock.
    pub fn hears(&mut self, client: &Name, at: Instant) {
        self.silence.hears(client, at);
    }

    /// The server's machine sleeps, or its clock jumps over time.
    pub fn naps(&mut self, tally: &mut Tally, from: Instant, to: Instant) {
        self.silence.naps(tally, self.roster.len(), from, to);
    }

    pub fn sees(&mut self, action: &ServerAction, at: Instant) {
        match action {
            ServerAction::ClientJoined(joined) => {
                self.silence.joins(&joined.client, at);
                let known = !self.roster.insert(joined.client.clone());
                assert_eq!(
                    known, joined.renewed,
                    "who renews is here, who joins is not"
                );
            }
            ServerAction::ClientReplaced(joined) => {
                self.silence.joins(&joined.client, at);
                assert!(self.roster.contains(&joined.client), "nobody was replaced");
            }
            ServerAction::ClientLeft { client, .. } => {
                assert!(self.roster.remove(client), "who leaves was here");
            }
            // It may also be one that held a task before a restart.
            ServerAction::ClientDead { client } => {
                self.roster.remove(client);
                self.silence.a_death_is_deserved(client, at);
            }
            ServerAction::ResultReceived(_)
            | ServerAction::JobMissingOnClient { .. }
            | ServerAction::HeartbeatReceived { .. }
            | ServerAction::CertificateEnds { .. }
            | ServerAction::TaskWanted { .. }
            | ServerAction::Persist { .. }
            | ServerAction::Sign { .. } => {}
            other => panic!("nobody asked for {other:?}"),
        }
    }

    /// The server says of itself what the host knows. All its outputs are taken.
    pub fn compare(&self, tally: &mut Tally, server: &Server, work: &Work) {
        assert!(
            server.clients().eq(&self.roster),
            "the host was told of {:?} but the server has {:?}",
            self.roster,
            server.clients().collect::<Vec<_>>()
        );
        let jobs: BTreeSet<JobId> = server.jobs().collect();
        assert_eq!(jobs, self.jobs, "other jobs run than were started");
        let stored = server.unconfirmed_records() == 0;
        for job in jobs {
            let mut count = 0;
            for task in server.tasks(job) {
                count += 1;
                let Some(known) = work.tasks.get(&task.id).filter(|it| it.alive) else {
                    panic!("task {} is one that nobody assigned", task.id);
                };
                assert_eq!(known.job, job, "task {} is of another job", task.id);
                let expected = match task.state {
                    TaskState::Queued => task.client.is_none() && !known.received,
                    TaskState::Assigned => task.client.is_some() && !known.received,
                    TaskState::Done => !known.taken && (known.received || !stored),
                    TaskState::Taken => known.taken,
                };
                assert!(
                    expected,
                    "task {} cannot be {:?}: received {}, taken {}",
                    task.id, task.state, known.received, known.taken
                );
            }
            let alive = |it: &&super::work::TaskTruth| it.job == job && it.alive;
            let expected = work.tasks.values().filter(alive).count();
            assert_eq!(
                count, expected,
                "job {job} has other tasks than it was given"
            );
            tally.held(Claim::MachinesAgreeWithTheModel);
        }
    }
}
