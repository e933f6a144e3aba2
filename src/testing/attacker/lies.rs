//! Messages that the attacker makes up: as a server, as a site, and as somebody else's.

use super::goals::Goal;
use super::mallory::{Heard, Mallory};
use super::world::{MALLORY, SITES, World, honest};
use crate::identity::Signer;
use crate::link::native::transcript;
use crate::message::{
    Fetch, Heartbeat, InstanceId, JobReport, Outcome, Payload, Place, Properties, PullTask, Push,
    Quit, Request, SessionId, SubmitResult,
};
use crate::wire::native::{self, Envelope};

impl World {
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
    pub(super) fn handshake(&mut self) {
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
                payload: Payload::new("not theirs").head(usize::MAX),
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
}
