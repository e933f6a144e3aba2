//! What the attacker does with messages, and how each of its own is watched: whatever it
//! makes must change nothing of what is somebody else's.

use bytes::BytesMut;

use super::change::{self, Change};
use super::goals::Goal;
use super::knowledge::Seen;
use super::mallory::{Heard, Mallory};
use super::world::{Flight, MALLORY, SITES, STRANGER, World, honest};
use crate::client::Phase;
use crate::error::Dropped;
use crate::identity::Signer;
use crate::link::native::transcript;
use crate::message::{
    Fetch, Heartbeat, InstanceId, JobReport, Outcome, PeerId, Place, Properties, PullTask, Push,
    Quit, RejectReason, Request, SessionId, SubmitResult,
};
use crate::suite::Suite;
use crate::wire::native::{self, Denial, Denied, Envelope, InvalidSession, TAG};

impl World {
    /// Gives a message that the attacker made to the server. Nothing that the server
    /// keeps of an honest site may change by it.
    pub(super) fn attack_server(&mut self, peer: PeerId, bytes: &[u8]) -> Result<(), Dropped> {
        if self.asleep {
            return Ok(());
        }
        // Time alone may end things: let it do so before.
        self.server.handle_timeout(self.now);
        self.drain();
        let original = self.is_genuine(bytes);
        let before = (!original).then(|| self.kept_by_server());
        if self.registering() {
            self.tally.tried(Goal::StrangerEvicts);
        }
        let taken = self
            .server
            .handle_message(self.now, peer, BytesMut::from(bytes));
        if before.is_some_and(|before| before != self.kept_by_server()) {
            let what = format!("{:?} changed what is somebody else's", kind(bytes));
            self.reached(Goal::StrangerEvicts, what);
        }
        match taken {
            Err(Dropped::Unauthentic) => {
                self.tally.tried(Goal::ChangedContentAccepted);
                self.tally.tried(Goal::SessionAsSomebodyElse);
            }
            Err(Dropped::Repeated) => self.tally.tried(Goal::NonceTwice),
            _ => {}
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
        let taken = self.sites[at]
            .client
            .handle_message(now, BytesMut::from(bytes));
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

    fn registering(&self) -> bool {
        let mut clients = self.sites.iter().filter(|it| it.alive);
        clients.any(|it| it.client.phase() == Phase::Registering)
    }

    /// All that the server keeps of honest sites.
    fn kept_by_server(&self) -> String {
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

    fn any_seen(&mut self) -> Option<Seen> {
        let len = self.knowledge.seen.len();
        // What is new is often more useful.
        let recent = if self.dice.one_in(2) { 24 } else { len };
        let back = self.dice.below(recent.min(len));
        self.knowledge.seen.get(len.checked_sub(back + 1)?).cloned()
    }

    fn own_peer(&mut self) -> PeerId {
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
        ];
        let denied = Denied {
            retry_after: Some(u64::MAX >> self.dice.below(64)),
            ..Denied::new(denials[self.dice.below(denials.len())], "no")
        };
        native::refusal(nonce, &denied)
    }

    /// Answers a site's Challenge in the server's place, and goes on if it is believed.
    pub(super) fn pose(&mut self) {
        let challenges = self.knowledge.seen.iter().rev().take(40);
        let newest = challenges
            .filter(|seen| matches!(native::parse(&seen.bytes), Ok(Envelope::Challenge(_))))
            .find_map(|seen| Some((seen.bytes.clone(), seen.site?)));
        let Some((challenge, at)) = newest else {
            return;
        };
        let mut chains = self.knowledge.chains.clone();
        chains.push(self.mallory.chain.clone());
        let chain = chains[self.dice.below(chains.len())].clone();
        let stolen = self.stolen_signature();
        let which = self.dice.below(4);
        let reply = self
            .mallory
            .pose(&challenge, &chain, |key, th1| match which {
                0 => key.sign(&transcript::server_proof(th1)).to_vec(),
                1 => key.sign(&transcript::client_proof(th1)).to_vec(),
                2 => stolen.to_vec(),
                _ => Vec::new(),
            });
        let Some(reply) = reply else { return };
        self.note(|| format!("poses as the server to site {at}"));
        let _ = self.attack_site(at, &reply);
        let register = self.knowledge.seen.last().map(|seen| seen.bytes.clone());
        if let Some(grant) = register.and_then(|it| self.mallory.grant(&it)) {
            let _ = self.attack_site(at, &grant);
        }
    }

    fn stolen_signature(&mut self) -> [u8; 64] {
        let stolen = &self.knowledge.signatures;
        let at = self.dice.below(stolen.len());
        stolen.get(at).copied().unwrap_or([5; 64])
    }

    /// Begins an exchange with the server, as the attacker's site or under the nonce of
    /// somebody else's.
    pub(super) fn knock(&mut self) {
        let mut nonce = self.dice.bytes();
        if self.dice.one_in(4)
            && let Some(seen) = self.any_seen()
            && let Ok(Envelope::Challenge(theirs)) = native::parse(&seen.bytes)
        {
            nonce = theirs.client_nonce;
        }
        let challenge = self.mallory.challenge(nonce);
        let peer = self.own_peer();
        let _ = self.attack_server(peer, &challenge);
    }

    /// A Register in an own exchange: honest, or in the name of somebody else.
    pub(super) fn enrol(&mut self) {
        let proven = self.mallory.proven();
        let Some(nonce) = proven.get(self.dice.below(proven.len())) else {
            return;
        };
        let honest = self.dice.one_in(3);
        let claimed = match honest {
            true => MALLORY,
            false => Mallory::victim(self.dice.below(SITES.len())),
        };
        let mut chain = self.mallory.chain.clone();
        if !honest && self.dice.one_in(2) {
            let chains = &self.knowledge.chains;
            chain = chains[self.dice.below(chains.len())].clone();
        }
        let mut instance = InstanceId::from_bytes([0x6d; 16]);
        if !honest {
            let at = self.dice.below(self.sites.len());
            instance = self.sites[at].instance;
        }
        let identity = self.mallory.identity(claimed, instance, &chain);
        let Some(to_prove) = self.mallory.to_prove(nonce, &identity) else {
            return;
        };
        let way = if honest { 0 } else { self.dice.below(4) };
        let proof = match way {
            0 | 1 => self.mallory.key.sign(&to_prove),
            2 => {
                // The right hash under the label of another purpose.
                let hash = to_prove.last_chunk::<32>().copied().unwrap_or_default();
                self.mallory.key.sign(&transcript::server_proof(&hash))
            }
            _ => self.stolen_signature(),
        };
        let register = self
            .mallory
            .register(nonce, claimed, &identity, &proof, way >= 2);
        if let Some(register) = register {
            self.note(|| format!("registers as {claimed}, proof {way}"));
            let peer = self.own_peer();
            let _ = self.attack_server(peer, &register);
        }
    }

    /// What the server sent to one of the attacker's connections.
    pub(super) fn mallory_hears(&mut self, message: &[u8]) {
        let mut keys = Vec::new();
        let heard = self.mallory.hear(message, &mut keys);
        for key in keys {
            self.knowledge.learn_key(key);
        }
        match heard {
            Heard::Proven { chain, signature } => {
                if !self.knowledge.chains.contains(&chain) {
                    self.knowledge.chains.push(chain);
                }
                if let Ok(signature) = signature.try_into() {
                    self.knowledge.signatures.push(signature);
                }
            }
            Heard::Session(MALLORY) => {}
            Heard::Session(name) => {
                let what = format!("the attacker has a session as {name}");
                self.reached(Goal::SessionAsSomebodyElse, what);
            }
            Heard::Refused { name, misused } => {
                if name != MALLORY {
                    self.tally.tried(Goal::SessionAsSomebodyElse);
                }
                if misused {
                    self.tally.tried(Goal::SignatureOfAnotherPurpose);
                }
            }
            Heard::Reply(body) => {
                if Mallory::is_refusal(&body) {
                    self.tally.tried(Goal::WorkOfSomebodyElse);
                }
                self.knowledge.opened(&body);
            }
            Heard::Nothing => {}
        }
    }

    /// The attacker's own session is used to ask for what is somebody else's.
    pub(super) fn covet(&mut self) {
        let theirs: Vec<_> = self.truth.tasks.keys().copied().collect();
        let Some(task) = theirs.get(self.dice.below(theirs.len())).copied() else {
            return;
        };
        let jobs: Vec<_> = self.truth.started.iter().copied().collect();
        let job = jobs[self.dice.below(jobs.len())];
        let ssid = self.server.ssid();
        let context = Properties::new();
        let request = match self.dice.below(7) {
            0 => Request::PullTask(PullTask {
                job,
                last_task: Some(task),
                context,
            }),
            1 | 2 => Request::Fetch(Fetch {
                job,
                task,
                offset: 32,
                len: 1 << 20,
            }),
            3 => Request::Push(Push {
                job,
                task,
                offset: 0,
            }),
            4 => Request::SubmitResult(SubmitResult {
                job,
                task,
                ssid,
                outcome: Outcome::Ok,
                ticket: Vec::new(),
                headers: Properties::new(),
                payload: crate::message::Payload::new("not theirs").head(usize::MAX),
                context,
            }),
            5 => Request::Heartbeat(Heartbeat {
                jobs: vec![JobReport {
                    job,
                    progress: None,
                }],
                suspending: None,
                context,
            }),
            _ => Request::Quit(Quit {
                reason: String::new(),
                context,
            }),
        };
        let payload: &[u8] = match &request {
            Request::SubmitResult(it) if it.payload.place == Place::Inline => b"not theirs",
            Request::Push(_) => &[7; 40],
            _ => &[],
        };
        let quits = matches!(request, Request::Quit(_));
        let message = self.mallory.request(&request, payload);
        if let Some(message) = message.filter(|_| !quits) {
            let peer = self.own_peer();
            let _ = self.attack_server(peer, &message);
        }
        // The same in a session of somebody else, with the attacker's keys or token.
        let victims = honest().map(|name| self.server.sessions_of(&name));
        let victims: Vec<SessionId> = victims.iter().flatten().map(|it| it.id).collect();
        if let Some(victim) = victims.get(self.dice.below(victims.len()))
            && let Some(message) = self.mallory.request_as(*victim, &request)
        {
            let peer = self.own_peer();
            let _ = self.attack_server(peer, &message);
        }
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
        for key in crate::link::native::seal::nonces::keys() {
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
