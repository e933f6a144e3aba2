//! Who is here: the clients by name, and the sessions that they have.

#[cfg(test)]
mod inspect;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use super::ledger::Ledger;
use super::{Joined, Server, ServerAction, ServerConfig, ServerTimer};
use crate::identity::{Name, Revoked};
use crate::link::native::server::{Entered, Standing};
use crate::link::native::session::Session;
use crate::message::{InstanceId, Properties, RejectReason, SessionId};
use crate::wire::native::{Denial, Denied};

/// Instances that were replaced, for each name: two processes that both restart often
/// are told apart for as long as they could fight.
const MAX_REPLACED: usize = 8;

/// All clients that have a session.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Registry(BTreeMap<Name, Client>);

/// One name.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
struct Client {
    /// The session that stands, and the process that it belongs to.
    current: Option<(SessionId, InstanceId)>,
    /// A newer session that waits for its first valid message.
    provisional: Option<(SessionId, Box<Joined>)>,
    replaced: VecDeque<InstanceId>,
}

impl Registry {
    /// Whether a proven name may have a session. Changes nothing.
    pub(crate) fn admit(
        &self,
        config: &ServerConfig,
        ledger: &Ledger,
        name: &Name,
        instance: InstanceId,
    ) -> Result<(), Denied> {
        let denied = |denial, message: &str| Err(Denied::new(denial, message));
        if ledger.is_disabled(name) {
            return denied(
                Denial::Rejected(RejectReason::Disabled),
                "this client is disabled on the server",
            );
        }
        match self.0.get(name) {
            Some(client) if client.replaced.contains(&instance) => denied(
                Denial::Rejected(RejectReason::Replaced),
                "another process has registered with this name since",
            ),
            None if self.0.len() >= config.max_clients => {
                denied(Denial::Busy, "the server is full")
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.0
            .iter()
            .filter_map(|(name, client)| client.current.is_some().then_some(name))
    }

    pub(crate) fn is_live(&self, name: &Name) -> bool {
        self.0.get(name).is_some_and(|it| it.current.is_some())
    }

    fn sessions(&self, name: &Name) -> impl Iterator<Item = SessionId> + use<> {
        let client = self.0.get(name);
        let current = client.and_then(|it| it.current.map(|(session, _)| session));
        let provisional =
            client.and_then(|it| it.provisional.as_ref().map(|(session, _)| *session));
        current.into_iter().chain(provisional)
    }
}

impl Server {
    /// A proven client gets a session, which waits for its first valid message.
    pub(super) fn enter(&mut self, entered: Entered, session: Session) {
        let id = entered.session;
        if !entered.dates_checked {
            self.actions.push_back(ServerAction::DatesUnchecked {
                client: entered.client.clone(),
            });
        }
        let joined = Joined {
            client: entered.client.clone(),
            renewed: false,
            address: entered.address,
            site_info: entered.site_info,
            context: entered.context,
        };
        let client = self.registry.0.entry(entered.client.clone()).or_default();
        if let Some((older, _)) = client.provisional.replace((id, Box::new(joined))) {
            self.sessions.remove(older);
            self.timers.disarm(ServerTimer::Session(older));
        }
        self.sessions.insert(Standing {
            session,
            client: entered.client,
            instance: entered.instance,
            bound_to: entered.bound_to,
            peer: None,
            provisional: true,
            last_seen: self.awake(),
            suspended_until: None,
            expires_at: self.now + Duration::from_secs(entered.lifetime),
            highest_heartbeat: None,
            highest_request: None,
            certificates: entered.certificates,
        });
        let at = self.now + self.config.registration_window;
        self.timers.arm(ServerTimer::Session(id), at);
        self.keep_watch();
        self.counters.registrations += 1;
    }

    /// The first valid message has come in a session: it stands, and the one before ends.
    pub(super) fn stand(&mut self, id: SessionId) {
        let Some(standing) = self.sessions.get_mut(id) else {
            return;
        };
        standing.provisional = false;
        let (name, instance) = (standing.client.clone(), standing.instance);
        let client = self.registry.0.entry(name.clone()).or_default();
        let Some((_, mut joined)) = client.provisional.take_if(|(session, _)| *session == id)
        else {
            return;
        };
        let before = client.current.replace((id, instance));
        let action = match before {
            Some((older, process)) => {
                self.sessions.remove(older);
                self.timers.disarm(ServerTimer::Session(older));
                joined.renewed = process == instance;
                if joined.renewed {
                    ServerAction::ClientJoined(*joined)
                } else {
                    client.replaced.push_back(process);
                    if client.replaced.len() > MAX_REPLACED {
                        client.replaced.pop_front();
                    }
                    // The new process runs none of the jobs that the old one did.
                    self.ledger.forget_reports(&name);
                    ServerAction::ClientReplaced(*joined)
                }
            }
            None => ServerAction::ClientJoined(*joined),
        };
        self.awaited.remove(&name);
        self.actions.push_back(action);
        self.watch(id);
    }

    /// A session may have died, expired, or never begun.
    pub(super) fn session_due(&mut self, id: SessionId) {
        let awake = self.awake();
        let Some(standing) = self.sessions.get(id) else {
            return;
        };
        let (provisional, expired) = (standing.provisional, standing.expires_at <= self.now);
        let dead = self.death_of(standing) <= awake;
        if provisional || expired || dead {
            self.end_session(id, Ending::Dead);
        } else {
            self.watch(id);
        }
    }

    /// Ends a session. If it was the one that stood, the host is told.
    pub(super) fn end_session(&mut self, id: SessionId, ending: Ending) {
        self.timers.disarm(ServerTimer::Session(id));
        let Some(standing) = self.sessions.remove(id) else {
            return;
        };
        let name = standing.client;
        let Some(client) = self.registry.0.get_mut(&name) else {
            return;
        };
        client.provisional.take_if(|(session, _)| *session == id);
        let stood = client
            .current
            .take_if(|(session, _)| *session == id)
            .is_some();
        if client.current.is_none() && client.provisional.is_none() {
            self.registry.0.remove(&name);
        }
        if stood {
            self.ledger.forget_reports(&name);
            self.actions.push_back(match ending {
                Ending::Dead => ServerAction::ClientDead { client: name },
                Ending::Left { reason, context } => ServerAction::ClientLeft {
                    client: name,
                    reason,
                    context,
                },
            });
        }
    }

    /// Ends every session of a name.
    pub(super) fn end_sessions(&mut self, name: &Name, reason: &str) {
        for session in self.registry.sessions(name) {
            let ending = Ending::Left {
                reason: reason.to_owned(),
                context: Properties::new(),
            };
            self.end_session(session, ending);
        }
    }

    /// Ends the sessions that rest on a revoked certificate.
    pub(super) fn end_revoked(&mut self, revoked: &Revoked) {
        let names: Vec<Name> = self.registry.0.keys().cloned().collect();
        for name in names {
            for session in self.registry.sessions(&name) {
                let hit = self.sessions.get(session).is_some_and(|standing| {
                    standing.certificates.iter().any(|it| revoked.contains(it))
                });
                if hit {
                    let ending = Ending::Left {
                        reason: "its certificate was revoked".to_owned(),
                        context: Properties::new(),
                    };
                    self.end_session(session, ending);
                }
            }
        }
    }

    /// Looks at the session again when it could be dead or expired.
    pub(super) fn watch(&mut self, id: SessionId) {
        let awake = self.awake();
        if let Some(standing) = self.sessions.get(id) {
            let left = self.death_of(standing).since(awake);
            let at = (self.now + left).min(standing.expires_at);
            self.timers.arm(ServerTimer::Session(id), at);
        }
    }

    /// When the client counts as dead if nothing comes, in time without sleep.
    fn death_of(&self, standing: &Standing) -> crate::Instant {
        standing
            .last_seen
            .max(standing.suspended_until.unwrap_or_default())
            + self.config.dead_after
    }
}

/// How a session ends.
pub(super) enum Ending {
    Dead,
    Left { reason: String, context: Properties },
}
