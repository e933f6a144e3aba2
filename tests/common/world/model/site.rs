//! What the host of one site may see.

use std::collections::{BTreeMap, BTreeSet};

use fedlink::message::{JobId, Outcome, Refusal, Ssid, TaskId};
use fedlink::{Client, ClientAction, Phase};

use crate::world::plan::Plan;
use crate::world::tally::{Claim, Tally};

/// A command of the host.
#[derive(Clone, Copy, Debug)]
pub enum Said {
    Register,
    Quit,
    Started(JobId),
    Ended(JobId),
    /// A job that was to stop still runs.
    StillRuns(JobId),
    Submitted(TaskId, Outcome),
}

/// How a site stands with the server, as its host knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// It asks for nothing: it has not begun, was rejected, or has closed.
    #[default]
    Away,
    Asking,
    Registered,
    Leaving,
}

pub struct SiteModel {
    standing: Standing,
    runs: BTreeSet<JobId>,
    /// Jobs that the host was told to stop and has not.
    stopping: BTreeSet<JobId>,
    /// Jobs that the host knows to be over, in this life.
    over: BTreeSet<JobId>,
    /// Tasks that the host has, and the job of each.
    held: BTreeMap<TaskId, JobId>,
    /// Results that the host has handed in, until they are settled.
    outbox: BTreeMap<TaskId, Outcome>,
    /// Something may be in the outbox that this host has not put there: a task was too
    /// large for it, or the process before has left something.
    inherits: bool,
    unfit: bool,
    limit: usize,
    /// The service session of its registration, and the one that each task came under.
    ssid: Option<Ssid>,
    ssids: BTreeMap<TaskId, Ssid>,
}

impl SiteModel {
    pub fn new(plan: &Plan) -> Self {
        Self {
            standing: Standing::Away,
            runs: BTreeSet::new(),
            stopping: BTreeSet::new(),
            over: BTreeSet::new(),
            held: BTreeMap::new(),
            outbox: BTreeMap::new(),
            inherits: false,
            unfit: plan.client.max_payload < 1 << 30,
            limit: plan.client.max_held,
            ssid: None,
            ssids: BTreeMap::new(),
        }
    }

    pub fn says(&mut self, said: Said) {
        match said {
            Said::Register => self.standing = Standing::Asking,
            Said::Quit => self.standing = Standing::Leaving,
            Said::Started(job) => {
                self.runs.insert(job);
            }
            Said::Ended(job) => {
                self.runs.remove(&job);
                self.stopping.remove(&job);
                self.held.retain(|_, of| *of != job);
            }
            Said::StillRuns(job) => {
                self.stopping.remove(&job);
            }
            Said::Submitted(task, outcome) => {
                assert!(self.held.remove(&task).is_some(), "task {task} is not held");
                self.outbox.insert(task, outcome);
            }
        }
    }

    pub fn sees(&mut self, action: &ClientAction, prompt: bool) {
        let standing = self.standing;
        let check = |holds: bool| assert!(holds || !prompt, "{action:?} while {standing:?}");
        let registered = standing == Standing::Registered;
        match action {
            ClientAction::SetAuth(auth) => {
                self.ssid = Some(auth.ssid);
                check(registered || standing == Standing::Asking);
                if standing == Standing::Asking {
                    self.standing = Standing::Registered;
                }
            }
            ClientAction::ClearAuth => {
                check(registered || standing == Standing::Leaving);
                if registered {
                    self.standing = Standing::Asking;
                }
            }
            ClientAction::Rejected(_) => {
                check(registered || standing == Standing::Asking);
                self.standing = Standing::Away;
            }
            ClientAction::Closed { .. } => {
                check(standing == Standing::Leaving);
                self.standing = Standing::Away;
            }
            ClientAction::HeartbeatDue | ClientAction::HeartbeatAnswered { .. } => {
                check(registered);
            }
            ClientAction::AbortJobs(jobs) => {
                for job in jobs {
                    let here = self.runs.contains(job) || self.held.values().any(|of| of == job);
                    check(registered && here && !self.stopping.contains(job));
                    self.stopping.insert(*job);
                    self.over.insert(*job);
                }
            }
            ClientAction::StartJobs(jobs) => {
                check(registered && jobs.iter().all(|job| !self.runs.contains(job)));
                let undone = jobs.iter().find(|job| self.over.contains(job));
                assert_eq!(undone, None, "a job that is over is started");
            }
            ClientAction::TaskAssigned(task) => {
                self.ssids.insert(task.id, task.ssid);
                if task.again {
                    self.runs.insert(task.job);
                }
                // One that waited while the host ended its job is no longer the host's.
                let here = self.runs.contains(&task.job);
                check(here && !self.held.contains_key(&task.id));
                if here {
                    self.held.insert(task.id, task.job);
                    self.outbox.remove(&task.id);
                }
            }
            ClientAction::ResultAccepted { task, .. }
            | ClientAction::ResultRefused { task, .. } => {
                let known = self.outbox.remove(task).is_some() || self.unfit || self.inherits;
                assert!(known, "the result of task {task} is settled twice");
                // A service session that is over takes nothing and knows nothing.
                let other = self
                    .ssids
                    .get(task)
                    .is_some_and(|it| Some(*it) != self.ssid);
                let refused = matches!(
                    action,
                    ClientAction::ResultRefused {
                        refusal: Refusal::OtherSsid,
                        ..
                    }
                );
                assert!(
                    refused || !other,
                    "task {task} is of another service session"
                );
            }
            ClientAction::RunEnded { job } => {
                self.over.insert(*job);
            }
            ClientAction::Retry { .. }
            | ClientAction::TryAgain { .. }
            | ClientAction::TransferProgress { .. }
            | ClientAction::Sign { .. }
            | ClientAction::Persist { .. }
            | ClientAction::CertificateEnds { .. }
            | ClientAction::DatesUnchecked
            | ClientAction::Suspect { .. } => {}
            other => panic!("nobody asked for {other:?}"),
        }
    }

    /// The process starts, with whatever was stored.
    pub fn starts(&mut self) {
        self.standing = Standing::Away;
        self.runs.clear();
        self.stopping.clear();
        self.over.clear();
        self.held.clear();
        // What was stored of them, the restored machine says.
        self.outbox.clear();
    }

    /// The process has died before.
    pub fn dies(&mut self) {
        self.inherits = true;
    }

    pub fn forgets(&mut self) {
        self.outbox.clear();
    }

    pub fn compare(&self, tally: &mut Tally, site: usize, client: &Client, stored: bool) {
        let standing = match client.phase() {
            Phase::Idle | Phase::Rejected | Phase::Closed => Standing::Away,
            Phase::Registering => Standing::Asking,
            Phase::Active => Standing::Registered,
            Phase::Quitting => Standing::Leaving,
        };
        assert_eq!(standing, self.standing, "site-{site} misjudges itself");
        let (held, outbox) = (client.held_len(), client.outbox_len());
        // Tasks that are being stored are held, and the host has not seen them.
        let unseen = held.checked_sub(self.held.len());
        assert!(
            unseen.is_some_and(|unseen| unseen == 0 || !stored),
            "site-{site} holds {held} tasks, its host {}",
            self.held.len()
        );
        // What was given up is told once, and forgotten whether it arrives or not.
        let lasting = |outcome: &&Outcome| **outcome != Outcome::Aborted;
        let (least, most) = (
            self.outbox.values().filter(lasting).count(),
            self.outbox.len(),
        );
        assert!(
            outbox >= least && (outbox <= most || self.unfit || self.inherits),
            "site-{site} has {outbox} results to send, its host handed in {most}"
        );
        assert!(
            held + outbox <= self.limit,
            "site-{site} holds {held} tasks and {outbox} results, more than {}",
            self.limit
        );
        if held + outbox > 0 {
            tally.held(Claim::LimitsHold);
        }
    }
}
