//! The clients of a server by name: who is registered, who may register, and who was replaced.

#[cfg(test)]
mod inspect;

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::time::Duration;

use super::ledger::Ledger;
use super::{Joined, Server, ServerAction, ServerConfig};
use crate::Instant;
use crate::identity::{Name, Revoked};
use crate::link::native::server::{Beginning, Handle, Process, Registrant, Sessions, Standing};
use crate::link::native::session::Session;
use crate::message::{InstanceId, Properties, RejectReason};
use crate::time::left_until;
use crate::wire::native::{Denial, Denied};

/// Instances that were replaced, for each name: two processes that both restart often
/// are told apart for as long as they could fight.
const MAX_REPLACED: usize = 8;

/// What only a few clients have beside their session.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Registry {
    /// Newer sessions that wait for their first valid message.
    joining: BTreeMap<Name, (Handle, Box<Joined>)>,
    /// How many of these are of clients that have a session that stands, too.
    renewing: usize,
    /// The processes whose place another one of this name has taken.
    replaced: BTreeMap<Name, VecDeque<Process>>,
    /// Whose certificate ends soon, and when, if the host was told: this server's and those
    /// of clients that have a session.
    ends_told: BTreeMap<Name, u64>,
}

impl Registry {
    /// Whether a proven name may have a session. Changes nothing.
    // spec: P-55, P-56
    pub(crate) fn admit(
        &self,
        config: &ServerConfig,
        (ledger, sessions): (&Ledger, &Sessions),
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
        let replaced = self.replaced.get(name);
        if replaced.is_some_and(|all| all.contains(&Process::of(instance))) {
            return denied(
                Denial::Rejected(RejectReason::Replaced),
                "another process has registered with this name since",
            );
        }
        let clients = sessions.clients() + self.joining.len() - self.renewing;
        if clients >= config.max_clients && !self.knows(sessions, name) {
            return denied(Denial::Busy, "the server is full");
        }
        Ok(())
    }

    /// Whether a name has a session, if only one that waits to begin.
    fn knows(&self, sessions: &Sessions, name: &Name) -> bool {
        self.joining.contains_key(name) || sessions.of(name).is_some()
    }

    fn is_renewing(&self, sessions: &Sessions, name: &Name) -> bool {
        self.joining.contains_key(name) && sessions.of(name).is_some()
    }
}

impl Server {
    /// A proven client gets a session, which waits for its first valid message.
    // spec: P-62
    pub(super) fn enter(&mut self, entered: Registrant, session: Session) {
        let name = entered.client.clone();
        self.tell_of_own_end();
        if !entered.dates_checked {
            self.actions.push_back(ServerAction::DatesUnchecked {
                client: name.clone(),
            });
        }
        self.tell_of_end(&name, entered.not_after);
        let begun = self.sessions.insert(Beginning {
            id: session.id,
            protection: session.protection,
            client: entered.client.clone(),
            instance: entered.instance,
            bound_to: entered.bound_to,
            certificates: entered.certificates,
            alive_at: self.awake(),
            expires_at: self.now + Duration::from_secs(entered.lifetime),
        });
        let Some(session) = begun else {
            return;
        };
        let joined = Box::new(Joined {
            client: entered.client,
            renewed: false,
            address: entered.address,
            site_info: entered.site_info,
            context: entered.context,
        });
        let older = self.change_of(&name, |server| {
            let joining = &mut server.registry.joining;
            joining.insert(name.clone(), (session, joined))
        });
        if let Some((older, _)) = older {
            self.sessions.remove(older);
        }
        self.look_at(session, self.now + self.config.registration_window);
        self.keep_watch();
        self.counters.registrations += 1;
    }

    /// Tells the host, once, if the certificate of `owner` ends soon.
    pub(super) fn tell_of_end(&mut self, owner: &Name, not_after: Option<u64>) {
        let wall = self.wall.map(|wall| wall.unix_time(self.now));
        let Some((not_after, wall)) = not_after.zip(wall) else {
            return;
        };
        let Some(left) = left_until(not_after, wall, self.config.certificate_notice) else {
            return;
        };
        let told = &mut self.registry.ends_told;
        if told.insert(owner.clone(), not_after) != Some(not_after) {
            self.actions.push_back(ServerAction::CertificateEnds {
                owner: owner.clone(),
                not_after,
                left,
            });
        }
    }

    /// As [`Self::tell_of_end`], of this server's own.
    pub(super) fn tell_of_own_end(&mut self) {
        let (name, not_after) = (self.identity.name().clone(), self.identity.not_after());
        self.tell_of_end(&name, not_after);
    }

    /// The first valid message has come in a session: it stands, and the one before ends.
    // spec: P-62, P-63
    pub(super) fn stand(&mut self, session: Handle) {
        let Some(standing) = self.sessions.get(session) else {
            return;
        };
        let (name, process) = (standing.client.clone(), standing.process);
        let known = self.registry.joining.get(&name);
        if known.is_none_or(|(joining, _)| *joining != session) {
            return;
        }
        let (joined, before) = self.change_of(&name, |server| {
            let joined = server.registry.joining.remove(&name);
            let before = server.sessions.confirm(session);
            (joined, before.and_then(|it| server.sessions.remove(it)))
        });
        let Some((_, mut joined)) = joined else {
            return;
        };
        let action = match before {
            Some(before) if before.process == process => {
                joined.renewed = true;
                ServerAction::ClientJoined(*joined)
            }
            Some(before) => {
                let replaced = self.registry.replaced.entry(name.clone()).or_default();
                replaced.push_back(before.process);
                if replaced.len() > MAX_REPLACED {
                    replaced.pop_front();
                }
                // The new process runs none of the jobs that the old one did.
                self.ledger.forget_reports(&name);
                ServerAction::ClientReplaced(*joined)
            }
            None => ServerAction::ClientJoined(*joined),
        };
        self.awaited.remove(&name);
        self.actions.push_back(action);
        self.watch(session);
    }

    /// A session may have died, expired, or never begun.
    // spec: P-123
    pub(super) fn session_due(&mut self, session: Handle) {
        let awake = self.awake();
        let Some(standing) = self.sessions.get(session) else {
            return;
        };
        let expired = self.sessions.end_of(standing) <= self.now;
        let dead = self.death_of(standing) <= awake;
        if standing.is_provisional() || expired || dead {
            self.end_session(session, Ending::Dead);
        } else {
            self.watch(session);
        }
    }

    /// Ends a session. If it was the one that stood, the host is told.
    pub(super) fn end_session(&mut self, session: Handle, ending: Ending) {
        let Some(name) = self.sessions.get(session).map(|it| it.client.clone()) else {
            return;
        };
        let ended = self.change_of(&name, |server| {
            if let Some((joining, _)) = server.registry.joining.get(&name)
                && *joining == session
            {
                server.registry.joining.remove(&name);
            }
            server.sessions.remove(session)
        });
        if !self.registry.knows(&self.sessions, &name) {
            self.registry.replaced.remove(&name);
            self.registry.ends_told.remove(&name);
        }
        if ended.is_some_and(|it| !it.is_provisional()) {
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
    // spec: P-64
    pub(super) fn end_sessions(&mut self, name: &Name, reason: &str) {
        let joining = self.registry.joining.get(name).map(|(session, _)| *session);
        for session in self.sessions.of(name).into_iter().chain(joining) {
            self.end_session(session, Ending::by_word(reason));
        }
    }

    /// Ends the sessions that rest on a revoked certificate.
    // spec: P-64
    pub(super) fn end_revoked(&mut self, revoked: &Revoked) {
        for session in self.sessions.hit_by(revoked) {
            self.end_session(session, Ending::by_word("its certificate was revoked"));
        }
    }

    /// Looks at the session again when it could be dead or expired.
    pub(super) fn watch(&mut self, session: Handle) {
        if let Some(standing) = self.sessions.get(session) {
            let left = self.death_of(standing).since(self.awake());
            let at = (self.now + left).min(self.sessions.end_of(standing));
            self.look_at(session, at);
        }
    }

    /// Sets when to look at a session next: later than now, so that one look follows another.
    fn look_at(&mut self, session: Handle, at: Instant) {
        self.sessions.look_at(session, at.max(self.now.next()));
    }

    /// When the client counts as dead if nothing comes, in time without sleep.
    fn death_of(&self, standing: &Standing) -> Instant {
        standing.alive_at() + self.config.dead_after
    }

    /// Changes something about the sessions of a name, and keeps count of who renews.
    fn change_of<T>(&mut self, name: &Name, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.registry.is_renewing(&self.sessions, name);
        let out = change(self);
        let after = self.registry.is_renewing(&self.sessions, name);
        let renewing = &mut self.registry.renewing;
        *renewing = *renewing + usize::from(after) - usize::from(before);
        out
    }
}

/// How a session ends.
pub(super) enum Ending {
    Dead,
    Left { reason: String, context: Properties },
}

impl Ending {
    /// By the word of the operator.
    fn by_word(reason: &str) -> Self {
        Self::Left {
            reason: reason.to_owned(),
            context: Properties::new(),
        }
    }
}
