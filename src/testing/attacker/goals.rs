//! The attacker's goals. Each has a name and is looked at after every step; how often
//! something was tried for it that a check had to refuse is counted.

use alloc::collections::{BTreeMap, BTreeSet};

use super::world::World;
use crate::client::Phase;
use crate::link::native::seal::nonces;
use crate::link::native::server::Process;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Goal {
    SessionAsSomebodyElse,
    SecretRead,
    ChangedContentAccepted,
    ActiveWithoutTheServer,
    SignatureOfAnotherPurpose,
    NonceTwice,
    MessageTakenTwice,
    ClientStopped,
    StrangerEvicts,
    WorkOfSomebodyElse,
    ProcessesEvictEachOther,
    JobsForgedOrUndone,
    FleetDeadBySleep,
}

/// Every goal.
pub(super) const ALL: [Goal; 13] = [
    Goal::SessionAsSomebodyElse,
    Goal::SecretRead,
    Goal::ChangedContentAccepted,
    Goal::ActiveWithoutTheServer,
    Goal::SignatureOfAnotherPurpose,
    Goal::NonceTwice,
    Goal::MessageTakenTwice,
    Goal::ClientStopped,
    Goal::StrangerEvicts,
    Goal::WorkOfSomebodyElse,
    Goal::ProcessesEvictEachOther,
    Goal::JobsForgedOrUndone,
    Goal::FleetDeadBySleep,
];

/// How often each goal was tried, and how much honest work was done meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    tried: BTreeMap<Goal, u64>,
    /// Results that arrived: runs in which nothing works show nothing.
    pub(super) results: u64,
}

impl Tally {
    pub(super) fn tried(&mut self, goal: Goal) {
        self.tried_times(goal, 1);
    }

    pub(super) fn tried_times(&mut self, goal: Goal, times: u64) {
        *self.tried.entry(goal).or_default() += times;
    }

    pub(super) fn of(&self, goal: Goal) -> u64 {
        self.tried.get(&goal).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (goal, times) in &other.tried {
            self.tried_times(*goal, *times);
        }
        self.results += other.results;
    }
}

/// A goal that was reached, and how.
#[derive(Debug)]
pub(super) struct Reached(pub(super) Goal, pub(super) String);

impl World {
    /// Looks at what can be seen from outside at any moment. What an action of a machine
    /// tells is looked at when it comes.
    pub(super) fn check(&mut self) {
        self.no_session_as_somebody_else();
        self.no_nonce_twice();
        self.no_replaced_process_comes_back();
        self.no_signature_of_another_purpose();
    }

    /// A session that stands belongs to an honest process, which has it.
    fn no_session_as_somebody_else(&mut self) {
        for name in super::world::honest() {
            for session in self.server.sessions_of(&name) {
                let mut owners = self.sites.iter().filter(|site| site.name == name);
                let known = owners.any(|site| {
                    Process::of(site.instance) == session.process
                        && (!session.stands || site.sessions.contains(&session.id))
                });
                if !known {
                    let what = format!("{name} has {session:?}, which it never made");
                    self.reached(Goal::SessionAsSomebodyElse, what);
                }
            }
        }
    }

    fn no_nonce_twice(&mut self) {
        if nonces::twice() > 0 {
            self.reached(Goal::NonceTwice, "a key sealed twice under one nonce");
        }
    }

    /// Who was replaced has no session while its successor's name lives.
    fn no_replaced_process_comes_back(&mut self) {
        for name in super::world::honest() {
            let replaced = self.server.replaced(&name);
            for session in self.server.sessions_of(&name) {
                if session.stands && replaced.contains(&session.process) {
                    let what = format!("a replaced process of {name} stands again");
                    self.reached(Goal::ProcessesEvictEachOther, what);
                }
            }
        }
    }

    /// Honest keys sign only what is theirs to say, and no hash for two purposes.
    fn no_signature_of_another_purpose(&mut self) {
        let mut purposes: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> = BTreeMap::new();
        let mut wrong = None;
        for (signer, bytes) in self.signed.lock().expect("one thread").iter() {
            let (label, hash) = bytes.split_at(bytes.len().saturating_sub(33));
            let allowed: &[&[u8]] = match *signer {
                super::world::COORDINATOR => &[b"fedlink v2 server proof", b"fedlink v2 token"],
                _ => &[b"fedlink v2 client proof"],
            };
            if !allowed.contains(&label) {
                let label = String::from_utf8_lossy(label);
                wrong = Some(format!("{signer} signed {label}"));
            }
            let labels = purposes.entry(hash.to_vec()).or_default();
            labels.insert(label.to_vec());
            if labels.len() > 1 {
                wrong = Some(format!("{signer} signed one hash for two purposes"));
            }
        }
        if let Some(what) = wrong {
            self.reached(Goal::SignatureOfAnotherPurpose, what);
        }
    }

    /// After the attacker has left and some time has passed: whoever wants to be
    /// registered is, one process for each name, and its work arrives.
    pub(super) fn no_client_is_stopped(&mut self) {
        for name in super::world::honest() {
            let living = self.sites.iter().filter(|it| it.name == name && it.alive);
            let at_work = living.filter(|it| it.client.phase() == Phase::Active);
            if at_work.count() != 1 || !self.server.is_registered(&name) {
                let phases: Vec<_> = self.sites.iter().map(|it| it.client.phase()).collect();
                let what = format!("{name} is not at work again: {phases:?}");
                self.reached(Goal::ClientStopped, what);
            }
        }
    }

    pub(super) fn reached(&mut self, goal: Goal, what: impl Into<String>) {
        if self.reached.is_none() {
            self.reached = Some(Reached(goal, what.into()));
        }
    }
}
