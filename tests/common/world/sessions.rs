//! What an observer who sees every message knows of sessions, and what must hold of them.

use std::collections::{BTreeMap, BTreeSet};

use fedlink::message::{SessionId, Token};
use fedlink::{Auth, Instant};

use super::network::Towards;
use super::tally::{Claim, Tally};
use super::wire::Stamp;

/// Sessions that servers have granted, and which of them are over.
#[derive(Default)]
pub struct Sessions {
    known: BTreeMap<SessionId, Session>,
    /// The last session that each person was granted, and that each has stood in.
    granted: BTreeMap<usize, SessionId>,
    standing: BTreeMap<usize, SessionId>,
    /// The session that each process uses.
    used: BTreeMap<usize, SessionId>,
    /// Numbers of sealed messages that were accepted.
    numbers: BTreeSet<(SessionId, Towards, u64)>,
    tokens: BTreeSet<[u8; 16]>,
    exchanges: BTreeSet<[u8; 32]>,
    /// The latest moment that the server has seen.
    clock: Instant,
}

struct Session {
    person: usize,
    granted_at: Instant,
    /// The server has accepted a message in it.
    stood: bool,
    /// The server must not accept a message in it any more.
    over: bool,
    /// The process that uses it, and whether it uses a later one by now.
    process: Option<usize>,
    left: bool,
}

impl Sessions {
    /// The server grants a session, perhaps not for the first time.
    pub fn granted(&mut self, id: SessionId, person: usize, clock: Instant) {
        self.clock = self.clock.max(clock);
        if self.known.contains_key(&id) {
            return;
        }
        // A session that nobody has used yet makes way.
        let before = self.granted.insert(person, id);
        if let Some(before) = before.and_then(|before| self.known.get_mut(&before)) {
            before.over |= !before.stood;
        }
        let session = Session {
            person,
            granted_at: self.clock,
            stood: false,
            over: false,
            process: None,
            left: false,
        };
        self.known.insert(id, session);
    }

    /// Registered on the client implies that the server registered it: whatever session a
    /// client uses was granted to its name. It never goes back to one that it has left.
    pub fn a_client_uses_what_was_granted(
        &mut self,
        tally: &mut Tally,
        id: SessionId,
        person: usize,
        process: usize,
    ) {
        let Some(session) = self.known.get_mut(&id) else {
            panic!("site-{process} uses a session that no server has granted");
        };
        assert_eq!(
            session.person, person,
            "site-{process} uses a session of somebody else"
        );
        assert!(
            !session.left,
            "site-{process} goes back to an earlier session"
        );
        if session.process.replace(process).is_none() {
            tally.held(Claim::RegisteredAtBothEnds);
        }
        if let Some(before) = self.used.insert(process, id).filter(|before| *before != id)
            && let Some(before) = self.known.get_mut(&before)
        {
            before.left = true;
        }
    }

    /// A machine took a message of a session, or refused it. No number is accepted twice,
    /// and nothing in a session that is over.
    pub fn a_message_is_accepted_once_and_in_time(
        &mut self,
        tally: &mut Tally,
        towards: Towards,
        stamp: &Stamp,
        person: usize,
        accepted: bool,
    ) {
        let known = (stamp.session, towards, stamp.number);
        if !accepted {
            if stamp.is_sealed && self.numbers.contains(&known) {
                tally.held(Claim::NumbersCountOnce);
            }
            if self
                .known
                .get(&stamp.session)
                .is_some_and(|it| match towards {
                    Towards::Server => it.over,
                    Towards::Site => it.left,
                })
            {
                tally.held(Claim::SessionsEnd);
            }
            return;
        }
        assert!(
            !stamp.is_sealed || self.numbers.insert(known),
            "number {} of a session was accepted twice",
            stamp.number
        );
        let Some(session) = self.known.get_mut(&stamp.session) else {
            panic!("a message was accepted in a session that there never was");
        };
        assert_eq!(session.person, person, "somebody else's message counts");
        match towards {
            Towards::Server => {
                assert!(!session.over, "a message was accepted in an old session");
                session.stood = true;
                let before = self.standing.insert(person, stamp.session);
                if let Some(before) = before.filter(|before| *before != stamp.session)
                    && let Some(before) = self.known.get_mut(&before)
                {
                    before.over = true;
                }
            }
            Towards::Site => assert!(!session.left, "an answer of an old session was accepted"),
        }
    }

    /// No session outlives the time that it was granted for, by the server's clock.
    pub fn a_session_has_an_end(
        &mut self,
        tally: &mut Tally,
        stamp: &Stamp,
        lifetime: core::time::Duration,
        clock: Instant,
        accepted: bool,
    ) {
        self.clock = self.clock.max(clock);
        let late = |session: &Session| session.granted_at + lifetime < self.clock;
        if self.known.get(&stamp.session).is_some_and(late) {
            assert!(
                !accepted,
                "a message was accepted in a session that had expired"
            );
            tally.held(Claim::SessionsEnd);
        }
    }

    /// No client is given a token, or the hash of an exchange, that anybody had before.
    pub fn a_token_is_new(&mut self, tally: &mut Tally, auth: &Auth) {
        let token = auth.token.as_ref().map(Token::expose);
        let new = self.exchanges.insert(auth.session_hash)
            && token.is_none_or(|token| self.tokens.insert(*token));
        assert!(new, "{} was given a token that is not new", auth.name);
        tally.held(Claim::TokensAreNew);
    }

    /// The server has said that this client is gone.
    pub fn gone(&mut self, person: usize) {
        let stood = self.standing.remove(&person);
        if let Some(session) = stood.and_then(|stood| self.known.get_mut(&stood)) {
            session.over = true;
        }
    }

    /// The process of the server is gone, with all that it had in its memory.
    pub fn server_dies(&mut self) {
        self.known
            .values_mut()
            .for_each(|session| session.over = true);
        self.standing.clear();
        self.granted.clear();
        self.clock = Instant::default();
    }
}
