//! The table against what it stands for: a list of sessions.

use super::*;
use crate::Instant;
use crate::entropy::Entropy;
use crate::error::Dropped;

/// A session as anybody would keep it.
#[derive(Clone)]
struct Plain {
    id: SessionId,
    session: Handle,
    name: Name,
    stands: bool,
    peer: Option<PeerId>,
    look: Option<Instant>,
    leaf: CertificateId,
    issuer: CertificateId,
}

struct Two {
    entropy: Entropy,
    now: Instant,
    sessions: Sessions,
    list: Vec<Plain>,
}

impl Two {
    fn new() -> Self {
        let mut entropy = Entropy::new(&mut [7; 32]);
        let now = Instant::from_micros(u64::from(u32::MAX) - 50_000_000);
        Self {
            sessions: Sessions::new(now, &mut entropy),
            entropy,
            now,
            list: Vec::new(),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.entropy.between(0, bound as u64 - 1) as usize
    }

    fn certificate(&mut self, of: usize) -> CertificateId {
        let serial = self.below(of) as u8;
        CertificateId::new(b"issuer", &[serial])
    }

    fn begin(&mut self) -> SessionId {
        let id = self.sessions.draw_id(&mut self.entropy);
        let name = Name::new(&format!("site-{}", self.below(40))).unwrap();
        let (leaf, issuer) = (self.certificate(200), self.certificate(4));
        let begun = self.sessions.insert(Beginning {
            id,
            protection: Protection::Plain,
            client: name.clone(),
            instance: InstanceId::from_bytes([1; 16]),
            bound_to: ChannelBinding::None,
            certificates: [leaf, issuer].into(),
            alive_at: self.now,
            expires_at: self.now + Duration::from_secs(1_000),
        });
        self.list.push(Plain {
            id,
            session: begun.unwrap(),
            name,
            stands: false,
            peer: None,
            look: None,
            leaf,
            issuer,
        });
        id
    }

    fn remove(&mut self, at: usize) {
        let gone = self.list.swap_remove(at);
        let removed = self.sessions.remove(gone.session).unwrap();
        assert_eq!(removed.client, gone.name);
        assert!(self.sessions.remove(gone.session).is_none());
    }

    fn step(&mut self) {
        let choice = self.below(100);
        if choice < 25 {
            self.begin();
            return;
        }
        if self.list.is_empty() {
            return;
        }
        let at = self.below(self.list.len());
        let session = self.list[at].session;
        match choice {
            0..60 => {
                if self.list[at].stands {
                    return;
                }
                let name = self.list[at].name.clone();
                let before = self.list.iter().position(|it| it.stands && it.name == name);
                let expected = before.map(|it| self.list[it].session);
                assert_eq!(self.sessions.confirm(session), expected);
                self.list[at].stands = true;
                if let Some(before) = before {
                    self.remove(before);
                }
            }
            60..75 => {
                let peer = PeerId(self.below(6) as u64);
                self.sessions.heard_on(peer, session);
                self.list[at].peer = Some(peer);
            }
            75..78 => {
                let peer = PeerId(self.below(6) as u64);
                self.sessions.disconnected(peer);
                for plain in self.list.iter_mut().filter(|it| it.peer == Some(peer)) {
                    plain.peer = None;
                }
            }
            78..90 => {
                let look = self.now + Duration::from_millis(self.below(100_000) as u64);
                self.sessions.look_at(session, look);
                self.list[at].look = Some(look);
            }
            90..94 => {
                if let Some(first) = self.sessions.take_look() {
                    let plain = self.list.iter_mut().find(|it| it.session == first);
                    plain.unwrap().look = None;
                }
            }
            _ => self.remove(at),
        }
        self.now = self.now + Duration::from_millis(20);
    }

    fn compare(&self) {
        let sessions = &self.sessions;
        assert_eq!(sessions.len(), self.list.len());
        for plain in &self.list {
            let standing = sessions.find(plain.id).unwrap();
            assert_eq!(standing.client, plain.name);
            assert_eq!(standing.peer(), plain.peer);
            assert_eq!(standing.is_provisional(), !plain.stands);
            if plain.stands {
                assert_eq!(sessions.of(&plain.name), Some(plain.session));
            }
        }
        let stand = self.list.iter().filter(|it| it.stands);
        assert_eq!(sessions.clients(), stand.clone().count());
        let mut names: Vec<&Name> = sessions.names().collect();
        let mut expected: Vec<&Name> = stand.map(|it| &it.name).collect();
        names.sort();
        expected.sort();
        assert_eq!(names, expected);
        let first = self.list.iter().filter_map(|it| it.look).min();
        assert_eq!(sessions.next_look(), first);
    }

    fn compare_revoked(&mut self) {
        let (leaf, issuer) = (self.certificate(200), self.certificate(4));
        for revoked in [leaf, issuer] {
            let mut set = Revoked::new();
            set.insert_id(revoked);
            let mut hit = self.sessions.hit_by(&set);
            let rests = |it: &&Plain| it.leaf == revoked || it.issuer == revoked;
            let expected = self.list.iter().filter(rests);
            let mut expected: Vec<Handle> = expected.map(|it| it.session).collect();
            hit.sort();
            expected.sort();
            assert_eq!(hit, expected);
        }
    }
}

#[test]
fn the_table_agrees_with_a_list() {
    let mut two = Two::new();
    for round in 0..10_000 {
        two.step();
        if round % 7 == 0 {
            two.compare();
        }
        if round % 50 == 0 {
            two.compare_revoked();
        }
    }
    while !two.list.is_empty() {
        two.remove(0);
    }
    two.compare();
    assert_eq!(two.sessions.next_look(), None);
}

#[test]
fn a_session_is_found_by_all_of_its_id_and_no_other() {
    let mut two = Two::new();
    for id in [two.begin(), two.begin()] {
        for byte in 0..16 {
            let mut bytes = *id.as_bytes();
            bytes[byte] ^= 1;
            assert!(two.sessions.find(SessionId::from_bytes(bytes)).is_none());
        }
    }
}

// spec: P-72
#[test]
fn a_session_is_over_when_its_time_is_up() {
    let mut two = Two::new();
    let id = two.begin();
    let end = two.sessions.end_of(two.sessions.find(id).unwrap());
    assert_eq!(end, two.now + Duration::from_secs(1_000));
    let open = |sessions: &mut Sessions, now| {
        let message = BytesMut::from(&b"body"[..]);
        let opened = sessions.open_clear(
            (now, &ChannelBinding::None),
            id,
            RequestId(1),
            None,
            message,
            0,
        );
        opened.map(|(_, it)| it.body.len())
    };
    let last = end - Duration::from_micros(1);
    assert_eq!(open(&mut two.sessions, last), Ok(4));
    assert_eq!(open(&mut two.sessions, end), Err(Dropped::NoSession));
}
