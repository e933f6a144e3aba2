//! The attacker's moves, and the check after each that it changed nothing of what is somebody
//! else's.

use super::change::{self, Change};
use super::goals::Goal;
use super::knowledge::Seen;
use super::world::{Flight, SITES, STRANGER, World, honest};
use crate::client::Phase;
use crate::error::Dropped;
use crate::link::native::seal::nonces;
use crate::message::{PeerId, RejectReason};
use crate::suite::Suite;
use crate::wire::native::{self, Denial, Denied, Envelope, InvalidSession, TAG};

impl World {
    /// Gives a message that the attacker made to the server. Nothing that the server
    /// keeps of an honest site may change by it.
    pub(super) fn attack_server(&mut self, peer: PeerId, bytes: &[u8]) -> Result<(), Dropped> {
        if self.asleep {
            return Ok(());
        }
        if self.registering() {
            self.tally.tried(Goal::StrangerEvicts);
        }
        let genuine = self.is_genuine(bytes);
        if genuine && matches!(native::parse(bytes), Ok(Envelope::Register { .. })) {
            self.tally.tried(Goal::NonceTwice);
        }
        let taken = self.give_server(peer, bytes, genuine);
        if let Err(Dropped::Unauthentic) = taken {
            self.tally.tried(Goal::ChangedContentAccepted);
            self.tally.tried(Goal::SessionAsSomebodyElse);
        }
        self.drain();
        taken
    }

    /// Gives a message that the attacker made to a site. It may doubt its session, and
    /// has neither another one nor none.
    pub(super) fn attack_site(&mut self, at: usize, bytes: &[u8]) -> Result<(), Dropped> {
        if !self.sites[at].alive {
            return Ok(());
        }
        let now = self.now;
        self.sites[at].client.handle_timeout(now);
        self.drain();
        let original = self.is_genuine(bytes);
        let state = |world: &Self| {
            let client = &world.sites[at].client;
            (client.phase(), client.session_id())
        };
        let before = state(self);
        let taken = self.give_site(at, bytes);
        // Leaving a session for a new one is what a genuine answer does.
        if !original && before != state(self) {
            let what = format!("{:?} made a client {:?}", kind(bytes), state(self));
            self.reached(Goal::ClientStopped, what);
        }
        self.tally.tried(Goal::ClientStopped);
        if let Err(Dropped::Repeated | Dropped::NoSession | Dropped::Unasked) = taken {
            self.tally.tried(Goal::JobsForgedOrUndone);
        }
        if let Err(Dropped::Unauthentic) = taken {
            self.tally.tried(Goal::ChangedContentAccepted);
        }
        self.drain();
        taken
    }

    /// Whether an honest machine wrote exactly these bytes.
    fn is_genuine(&self, bytes: &[u8]) -> bool {
        let mut seen = self.knowledge.seen.iter();
        seen.any(|seen| seen.site.is_some() && seen.bytes == bytes)
    }

    /// Whether this is an honest Register that is not newer than one that the server has
    /// taken in the same name.
    pub(super) fn is_outdated(&self, bytes: &[u8]) -> bool {
        let Ok(Envelope::Register { register, .. }) = native::parse(bytes) else {
            return false;
        };
        let mut seen = self.knowledge.seen.iter();
        let from = seen.find(|seen| seen.bytes == bytes);
        from.and_then(|seen| seen.site).is_some_and(|at| {
            let (newest, _) = self.server.registration_of(&self.sites[at].name);
            let number = self.server.number_of(&register.reply.cookie);
            newest.is_some_and(|newest| number <= newest)
        })
    }

    fn registering(&self) -> bool {
        let mut clients = self.sites.iter().filter(|it| it.alive);
        clients.any(|it| it.client.phase() == Phase::Registering)
    }

    /// All that the server keeps of honest sites.
    pub(super) fn kept_by_server(&self) -> String {
        let mut kept = String::new();
        for name in honest() {
            let sessions = self.server.sessions_of(&name);
            let registration = self.server.registration_of(&name);
            let replaced = self.server.replaced(&name);
            kept += &format!("{sessions:?} {registration:?} {replaced:?}");
        }
        for job in self.server.jobs() {
            for task in self.server.tasks(job) {
                kept += &format!("{:?} {:?} {:?}", task.id, task.client, task.state);
            }
        }
        kept
    }

    /// A message that was seen, changed, at any place where it may do harm.
    pub(super) fn forge(&mut self) {
        let (Some(one), Some(other)) = (self.any_seen(), self.any_seen()) else {
            return;
        };
        let ways: Vec<Change> = change::all().collect();
        let way = ways[self.dice.below(ways.len())];
        let Some(bytes) = way.apply(&one.bytes, &other.bytes) else {
            return;
        };
        let to_server = one.to_server != self.dice.one_in(8);
        self.send_forged(&bytes, to_server, one.site);
    }

    /// One of the latest Registers, once more.
    pub(super) fn repeat_register(&mut self) {
        let back = self.dice.below(4);
        let mut seen = self.knowledge.seen.iter().rev();
        let register = seen
            .by_ref()
            .filter(|seen| matches!(native::parse(&seen.bytes), Ok(Envelope::Register { .. })))
            .nth(back);
        if let Some(register) = register.cloned() {
            self.send_forged(&register.bytes, true, register.site);
        }
    }

    pub(super) fn send_forged(&mut self, bytes: &[u8], to_server: bool, site: Option<usize>) {
        self.note(|| format!("forges {:?}, to the server: {to_server}", kind(bytes)));
        let trusted = self.nature.suite != Suite::Sealed;
        if to_server {
            let peer = match site.and_then(|at| self.sites[at].peer) {
                Some(peer) if !trusted && self.dice.one_in(2) => peer,
                _ => self.own_peer(),
            };
            self.count_twin(bytes);
            let _ = self.attack_server(peer, bytes);
        } else if !trusted {
            let at = match site {
                Some(at) if !self.dice.one_in(3) => at,
                _ => self.dice.below(self.sites.len()),
            };
            let _ = self.attack_site(at, bytes);
        }
    }

    /// A Register of one process while another of its name stands.
    pub(super) fn count_twin(&mut self, bytes: &[u8]) {
        let twins = self.sites.iter().filter(|it| it.name == self.sites[0].name);
        if twins.count() > 1 && matches!(native::parse(bytes), Ok(Envelope::Register { .. })) {
            self.tally.tried(Goal::ProcessesEvictEachOther);
        }
    }

    pub(super) fn any_seen(&mut self) -> Option<Seen> {
        let len = self.knowledge.seen.len();
        // What is new is often more useful.
        let recent = if self.dice.one_in(2) { 24 } else { len };
        let back = self.dice.below(recent.min(len));
        self.knowledge.seen.get(len.checked_sub(back + 1)?).cloned()
    }

    pub(super) fn own_peer(&mut self) -> PeerId {
        let at = self.dice.below(self.own_peers.len());
        self.own_peers[at]
    }

    /// What a server without keys could say: a refusal, a doubt, other versions.
    pub(super) fn control(&mut self) {
        let Some(seen) = self.any_seen() else { return };
        let Some(at) = seen.site else { return };
        let bytes = match native::parse(&seen.bytes) {
            Ok(Envelope::Challenge(challenge)) => self.refusal(&challenge.client_nonce),
            Ok(Envelope::ChallengeReply { reply, .. }) => self.refusal(&reply.client_nonce),
            Ok(Envelope::Register { register, .. }) => {
                self.refusal(&register.challenge.client_nonce)
            }
            Ok(Envelope::Sealed { session, number }) => native::invalid_session(InvalidSession {
                session,
                number,
                tag: seen.bytes.last_chunk::<TAG>().copied().unwrap_or_default(),
            })
            .to_vec(),
            _ => vec![0, 1, 7],
        };
        self.send_forged(&bytes, false, Some(at));
    }

    fn refusal(&mut self, nonce: &[u8; 16]) -> Vec<u8> {
        let denials = [
            Denial::Rejected(RejectReason::Replaced),
            Denial::Rejected(RejectReason::Unauthenticated),
            Denial::Busy,
            Denial::NoCommonSuite,
            Denial::TooShort(2_000),
        ];
        let denied = Denied {
            retry_after: Some(u64::MAX >> self.dice.below(64)),
            ..Denied::new(denials[self.dice.below(denials.len())], "no")
        };
        native::refusal(nonce, &denied)
    }

    /// Takes over the number of a connection that has ended.
    pub(super) fn cut_and_take_over(&mut self) {
        let living = self.living();
        let Some(at) = living.get(self.dice.below(living.len())).copied() else {
            return;
        };
        self.note(|| format!("cuts site {at}"));
        let Some(peer) = self.cut(at) else { return };
        if !self.dice.one_in(4) {
            self.server.handle_connected(self.now, peer, None);
            self.own_peers.push(peer);
            self.tally.tried(Goal::SecretRead);
        }
        if self.dice.one_in(2) {
            self.connect(at);
        }
    }

    /// One of the attacker's connections ends; none of an honest site has its number.
    pub(super) fn hang_up(&mut self) {
        if self.own_peers.len() > 3 {
            let peer = self.own_peers.pop().unwrap_or(STRANGER);
            self.server.handle_disconnected(self.now, peer);
        }
    }

    /// One message of those under way, in any order.
    pub(super) fn take_flight(&mut self) -> Option<Flight> {
        let len = self.flights.len();
        let at = self.dice.below(len);
        (at < len).then(|| self.flights.remove(at))
    }

    /// All that the attacker knows holds nothing that it should not.
    pub(super) fn no_secret_is_read(&mut self) {
        for key in nonces::keys() {
            self.truth.secrets.push(("a key", key.to_vec()));
        }
        // Names are no secret, but nobody can tell from an honest message whose it is.
        let mut honest = self.knowledge.seen.iter().filter(|it| it.site.is_some());
        let named = honest.any(|seen| {
            let mut names = SITES.iter().map(|name| name.as_bytes());
            names.any(|name| seen.bytes.windows(name.len()).any(|it| it == name))
        });
        if named {
            self.reached(Goal::SecretRead, "a name was read");
        }
        if let Some(what) = self.knowledge.finds(&self.truth.secrets) {
            self.reached(Goal::SecretRead, format!("{what} was read"));
        }
        self.tally
            .tried_times(Goal::SecretRead, self.knowledge.closed);
    }
}

/// What a message is, for the trace.
pub(super) fn kind(bytes: &[u8]) -> String {
    match native::parse(bytes) {
        Ok(envelope) => {
            let shown = format!("{envelope:?}");
            shown
                .split([' ', '(', '{'])
                .next()
                .unwrap_or_default()
                .to_owned()
        }
        Err(_) => format!("{} bytes of noise", bytes.len()),
    }
}
