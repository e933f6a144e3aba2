//! Stand-ins: clients of a few bytes that prove nothing, for simulations of a million of them
//! before one server.
//!
//! For simulations and benchmarks: a [`StandIn`] speaks the native protocol, but proves
//! nothing, believes everything, and leaves it to its host to repeat what was lost. It comes
//! in by a handshake of the plain suite, or is seated without one in any suite. How long a
//! client waits before it repeats something is said in [`waits`].

mod buffer;
pub mod waits;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

pub use buffer::MessageBuffer;

use crate::error::Dropped;
use crate::identity::Name;
use crate::link::native::session::{Opened, Protection, Session};
use crate::link::native::transcript;
use crate::message::{
    Heartbeat, InstanceId, JobId, JobReport, Outcome, Payload, Properties, PullReply, PullTask,
    Reply, Request, RequestId, SessionId, Ssid, SubmitReply, SubmitResult, TaskId,
};
use crate::suite::Suite;
use crate::wire::native::{
    self, Applicant, BindingKind, Challenge, Denied, Envelope, Grant, MAX_MESSAGE, RefusalSeal,
    lp_pair,
};

/// A client, as far as a server can tell.
pub struct StandIn(Registration);

enum Registration {
    /// With the nonce of its latest challenge.
    Outside([u8; 16]),
    Inside {
        session: Session,
        latest: RequestId,
    },
}

/// Who a stand-in says it is.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The federation.
    pub project: Name,
    /// Its own name.
    pub client: Name,
    /// Its process.
    pub instance: InstanceId,
}

/// What a server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a challenge; the message goes back.
    Register(Bytes),
    /// The stand-in is in.
    Registered,
    /// To a heartbeat.
    Heartbeat {
        /// The number of the heartbeat.
        request: u64,
        /// How long until the next one.
        interval: Duration,
    },
    /// To a pull: a task.
    Task {
        /// Its id.
        task: TaskId,
        /// The service session that it was given under.
        ssid: Ssid,
        /// Its payload, if that is not larger than what goes into a message.
        payload: Bytes,
    },
    /// To a pull: nothing yet; how long to wait.
    Nothing(Duration),
    /// To a result: it has arrived.
    Accepted,
    /// To a challenge: not now; how long to wait.
    Busy(Duration),
    /// The server says that it does not know the session. The stand-in keeps it.
    SessionUnknown,
    /// A refusal of any kind.
    Refused,
}

impl Default for StandIn {
    fn default() -> Self {
        Self(Registration::Outside([0; 16]))
    }
}

impl StandIn {
    /// Whether it has a session.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        matches!(self.0, Registration::Inside { .. })
    }

    /// The number of its latest request, from 1. `None` outside.
    #[must_use]
    pub fn latest(&self) -> Option<u64> {
        match &self.0 {
            Registration::Inside { latest, .. } => Some(latest.0),
            Registration::Outside(_) => None,
        }
    }

    /// Asks to come in; whoever was inside is outside. Use a nonce once.
    pub fn challenge(&mut self, claim: &Claim, nonce: [u8; 16]) -> Bytes {
        self.0 = Registration::Outside(nonce);
        hello(claim, nonce).into()
    }

    /// Takes a message of the server.
    ///
    /// # Errors
    /// When it is nothing that this stand-in waits for, or nothing that it understands.
    pub fn handle(&mut self, claim: &Claim, message: BytesMut) -> Result<Answer, Dropped> {
        let envelope = native::parse(&message).map_err(|_| Dropped::Malformed)?;
        match (&mut self.0, envelope) {
            (Registration::Outside(nonce), Envelope::ChallengeReply { reply, hello })
                if reply.client_nonce == *nonce =>
            {
                let hello_s = message.get(..hello).ok_or(Dropped::Malformed)?;
                Ok(Answer::Register(register(claim, *nonce, hello_s)))
            }
            (
                Registration::Outside(nonce),
                Envelope::RegisterReply {
                    client_nonce,
                    session,
                    clear,
                },
            ) if client_nonce == *nonce => {
                let grant = message.get(clear..).and_then(native::decode_all::<Grant>);
                grant.ok_or(Dropped::Malformed)?;
                *self = Self::inside(session, Protection::Plain);
                Ok(Answer::Registered)
            }
            (
                Registration::Outside(nonce),
                Envelope::Refusal {
                    client_nonce,
                    seal: RefusalSeal::Clear,
                    clear,
                },
            ) if client_nonce == *nonce => {
                let denied = message.get(clear..).and_then(native::decode_all::<Denied>);
                let wait = denied.ok_or(Dropped::Malformed)?.retry_after;
                let busy = |wait| Answer::Busy(Duration::from_millis(wait));
                Ok(wait.map_or(Answer::Refused, busy))
            }
            (_, Envelope::Refusal { .. }) => Ok(Answer::Refused),
            (Registration::Inside { session, .. }, Envelope::InvalidSession(invalid))
                if invalid.session == session.id =>
            {
                Ok(Answer::SessionUnknown)
            }
            (Registration::Inside { session, .. }, Envelope::Sealed { number, .. }) => {
                understand(session.open_sealed(number, message)?)
            }
            (
                Registration::Inside { session, .. },
                Envelope::Clear {
                    request,
                    token,
                    clear,
                    ..
                },
            ) => understand(session.open_clear(request, token, message, clear)?),
            _ => Err(Dropped::Unasked),
        }
    }

    /// A heartbeat that reports these jobs. `None` outside.
    pub fn heartbeat(&mut self, jobs: &[JobId], buffer: &mut MessageBuffer) -> Option<BytesMut> {
        let report = |job: &JobId| JobReport {
            job: *job,
            progress: None,
        };
        let heartbeat = Heartbeat {
            jobs: jobs.iter().map(report).collect(),
            suspending: None,
            context: Properties::new(),
        };
        self.request(&Request::Heartbeat(heartbeat), &Bytes::new(), buffer)
    }

    /// Asks for a task of a job. `last_task` is the one that it had before. `None` outside.
    pub fn pull(
        &mut self,
        job: JobId,
        last_task: Option<TaskId>,
        buffer: &mut MessageBuffer,
    ) -> Option<BytesMut> {
        let pull = Request::PullTask(PullTask {
            job,
            last_task,
            context: Properties::new(),
        });
        self.request(&pull, &Bytes::new(), buffer)
    }

    /// Hands in a result, whose payload goes inside the message. `None` outside.
    pub fn submit(
        &mut self,
        (job, task, ssid): (JobId, TaskId, Ssid),
        payload: &Bytes,
        buffer: &mut MessageBuffer,
    ) -> Option<BytesMut> {
        let head = Payload::new(payload.clone()).head(MAX_MESSAGE);
        let submit = Request::SubmitResult(SubmitResult {
            job,
            task,
            ssid,
            outcome: Outcome::Ok,
            ticket: Vec::new(),
            headers: Properties::new(),
            payload: head,
            context: Properties::new(),
        });
        self.request(&submit, payload, buffer)
    }

    pub(crate) fn inside(id: SessionId, protection: Protection) -> Self {
        Self(Registration::Inside {
            session: Session::new(id, protection),
            latest: RequestId::default(),
        })
    }

    fn request(
        &mut self,
        request: &Request,
        payload: &Bytes,
        buffer: &mut MessageBuffer,
    ) -> Option<BytesMut> {
        let Registration::Inside { session, latest } = &mut self.0 else {
            return None;
        };
        latest.0 += 1;
        let written = session.write(*latest, request, payload, &mut buffer.room)?;
        Some(buffer.join(&written.header, &written.payload))
    }
}

fn hello(claim: &Claim, nonce: [u8; 16]) -> Vec<u8> {
    native::challenge(&Challenge {
        suites: vec![Suite::Plain],
        project: transcript::project(&nonce, &claim.project),
        binding: BindingKind::None,
        client_nonce: nonce,
        client_share: None,
        padding: Vec::new(),
    })
}

fn register(claim: &Claim, nonce: [u8; 16], hello_s: &[u8]) -> Bytes {
    let applicant = Applicant {
        name: claim.client.clone(),
        instance: claim.instance,
        chain: Vec::new(),
        want_token: false,
        address: String::new(),
        site_info: Properties::new(),
        context: Properties::new(),
    };
    let mut register = native::register(&hello(claim, nonce), hello_s);
    register.extend_from_slice(&lp_pair(&native::encode(&applicant, Vec::new()), &[]));
    register.into()
}

fn understand(opened: Opened) -> Result<Answer, Dropped> {
    let body = opened.body.freeze();
    let (reply, rest) = native::decode(&body).ok_or(Dropped::Malformed)?;
    let payload = body.slice(body.len() - rest.len()..);
    Ok(match reply {
        Reply::Heartbeat(reply) => Answer::Heartbeat {
            request: opened.request.0,
            interval: Duration::from_millis(reply.interval),
        },
        Reply::PullTask(PullReply::Task(head)) => Answer::Task {
            task: head.task,
            ssid: head.ssid,
            payload,
        },
        Reply::PullTask(PullReply::TryAgain { after, .. }) => {
            Answer::Nothing(Duration::from_millis(after))
        }
        Reply::SubmitResult(SubmitReply::Accepted) => Answer::Accepted,
        Reply::PullTask(PullReply::RunEnded)
        | Reply::SubmitResult(_)
        | Reply::Fetch(_)
        | Reply::Push(_)
        | Reply::Quit(_)
        | Reply::Failed(_) => Answer::Refused,
    })
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;

    use super::*;
    use crate::identity::Identity;
    use crate::message::PeerId;
    use crate::suite::Suites;
    use crate::{Assignee, Instant, NewTask, Server, ServerAction, ServerConfig, Sites};

    const PEER: PeerId = PeerId(1);

    fn claim() -> Claim {
        Claim {
            project: Name::new("wine").unwrap(),
            client: Name::new("site-1").unwrap(),
            instance: InstanceId::from_bytes([1; 16]),
        }
    }

    fn server() -> Server {
        let mut config = ServerConfig::new(claim().project);
        config.suites = Suites::new([Suite::Plain]).unwrap();
        let identity = Identity::unproven(Name::new("server").unwrap());
        Server::new(Arc::new(config), identity, [7; 32], Instant::default()).unwrap()
    }

    /// What a stand-in hears of the server's answer to a message.
    fn ask(server: &mut Server, stand_in: &mut StandIn, message: &[u8]) -> Answer {
        let now = Instant::default();
        // Of a session that it does not know a server only says so.
        let _ = server.handle_message(now, PEER, message.into());
        while let Some(action) = server.poll_action() {
            if let ServerAction::Persist { record, .. } = action {
                server.persisted(now, record).unwrap();
            }
        }
        let answer = server.poll_transmit().unwrap();
        let answer = MessageBuffer::default().join(&answer.header, &answer.payload);
        stand_in.handle(&claim(), answer).unwrap()
    }

    #[test]
    fn a_stand_in_comes_in_and_works() {
        let mut server = server();
        let mut stand_in = StandIn::default();
        let challenge = stand_in.challenge(&claim(), [3; 16]);
        let Answer::Register(register) = ask(&mut server, &mut stand_in, &challenge) else {
            panic!("no register");
        };
        let answer = ask(&mut server, &mut stand_in, &register);
        assert_eq!(answer, Answer::Registered);
        works(&mut server, &mut stand_in);
    }

    #[test]
    fn one_that_is_seated_works_in_every_suite() {
        for suite in [Suite::Plain, Suite::Bearer, Suite::Sealed] {
            let mut server = server();
            let mut stand_in = server.unproven_session(Instant::default(), claim().client, suite);
            works(&mut server, &mut stand_in);
        }
    }

    #[test]
    fn a_busy_server_says_for_how_long() {
        let mut server = server();
        let mut stand_in = StandIn::default();
        let now = Instant::default();
        let challenge = stand_in.challenge(&claim(), [3; 16]);
        for peer in 0..1000 {
            let taken = server.handle_message(now, PeerId(peer), (&challenge[..]).into());
            assert_eq!(taken, Ok(crate::message::MessageKind::Challenge));
            server.poll_transmit().unwrap();
        }
        let busy = Answer::Busy(Duration::from_millis(1));
        assert_eq!(ask(&mut server, &mut stand_in, &challenge), busy);
        // Not what it has asked.
        let _ = server.handle_message(now, PEER, (&challenge[..]).into());
        let answer = server.poll_transmit().unwrap().header.into_bytes();
        stand_in.challenge(&claim(), [4; 16]);
        let heard = stand_in.handle(&claim(), answer.into());
        assert_eq!(heard, Ok(Answer::Refused));
    }

    /// The server's two answers on a stand-in's way in.
    fn answers(server: &mut Server, stand_in: &mut StandIn, nonce: [u8; 16]) -> [BytesMut; 2] {
        let mut message = stand_in.challenge(&claim(), nonce);
        [(); 2].map(|()| {
            let now = Instant::default();
            server
                .handle_message(now, PEER, (&message[..]).into())
                .unwrap();
            let answer = server.poll_transmit().unwrap();
            let answer = MessageBuffer::default().join(&answer.header, &answer.payload);
            if let Ok(Answer::Register(register)) = stand_in.handle(&claim(), answer.clone()) {
                message = register;
            }
            answer
        })
    }

    #[test]
    fn what_was_not_asked_for_is_dropped() {
        let mut stand_in = StandIn::default();
        assert!(!stand_in.is_inside());
        let others = answers(&mut server(), &mut StandIn::default(), [4; 16]);
        stand_in.challenge(&claim(), [3; 16]);
        for message in others {
            assert_eq!(stand_in.handle(&claim(), message), Err(Dropped::Unasked));
        }
        assert!(!stand_in.is_inside());
        answers(&mut server(), &mut stand_in, [3; 16]);
        assert!(stand_in.is_inside());

        let mut server = server();
        let stranger = heartbeat_of(&mut server.unproven_session(
            Instant::default(),
            claim().client,
            Suite::Plain,
        ));
        let mut other = self::server();
        let _ = other.handle_message(Instant::default(), PEER, stranger);
        let unknown = other.poll_transmit().unwrap();
        let unknown = MessageBuffer::default().join(&unknown.header, &unknown.payload);
        assert_eq!(stand_in.handle(&claim(), unknown), Err(Dropped::Unasked));
    }

    #[test]
    fn requests_are_numbered_and_a_refusal_is_understood() {
        let mut stand_in =
            server().unproven_session(Instant::default(), claim().client, Suite::Plain);
        for number in 1..4 {
            heartbeat_of(&mut stand_in);
            assert_eq!(stand_in.latest(), Some(number));
        }
        let mut server = server();
        server.disable(Instant::default(), &claim().client);
        let [_, refusal] = answers(&mut server, &mut stand_in, [3; 16]);
        assert_eq!(stand_in.handle(&claim(), refusal), Ok(Answer::Refused));
    }

    fn works(server: &mut Server, stand_in: &mut StandIn) {
        let now = Instant::default();
        let buffer = &mut MessageBuffer::default();
        let job = JobId::from_bytes([5; 16]);
        server.start_job(now, job, Sites::All).unwrap();
        let heartbeat = stand_in.heartbeat(&[job], buffer).unwrap();
        let answer = ask(server, stand_in, &heartbeat);
        let Answer::Heartbeat { request, .. } = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(stand_in.latest(), Some(request));
        assert!(server.is_registered(&claim().client));

        let pull = stand_in.pull(job, None, buffer).unwrap();
        assert!(matches!(ask(server, stand_in, &pull), Answer::Nothing(_)));
        let work = NewTask {
            name: "train".to_owned(),
            headers: Properties::new(),
            payload: Payload::new(&b"a model"[..]),
        };
        let to = Assignee::Site(claim().client);
        server.assign(now, job, to, work).unwrap();
        let pull = stand_in.pull(job, None, buffer).unwrap();
        let Answer::Task {
            task,
            ssid,
            payload,
        } = ask(server, stand_in, &pull)
        else {
            panic!("no task");
        };
        assert_eq!(payload, &b"a model"[..]);
        let result = Bytes::from_static(b"a better model");
        let submit = stand_in.submit((job, task, ssid), &result, buffer).unwrap();
        assert_eq!(ask(server, stand_in, &submit), Answer::Accepted);

        // Another server knows nothing of it.
        let heartbeat = stand_in.heartbeat(&[], buffer).unwrap();
        let answer = ask(&mut self::server(), stand_in, &heartbeat);
        assert_eq!(answer, Answer::SessionUnknown);
        let heartbeat = heartbeat_of(stand_in);
        let answer = ask(server, stand_in, &heartbeat);
        assert!(matches!(answer, Answer::Heartbeat { .. }), "{answer:?}");
        stand_in.challenge(&claim(), [4; 16]);
        assert_eq!(
            (stand_in.heartbeat(&[], buffer), stand_in.latest()),
            (None, None)
        );
    }

    fn heartbeat_of(stand_in: &mut StandIn) -> BytesMut {
        stand_in
            .heartbeat(&[], &mut MessageBuffer::default())
            .unwrap()
    }

    #[test]
    fn a_server_answers_a_heartbeat_without_an_allocation() {
        let now = Instant::default();
        for suite in [Suite::Plain, Suite::Bearer, Suite::Sealed] {
            let mut server = server();
            let mut stand_in = server.unproven_session(now, claim().client, suite);
            let heartbeat = heartbeat_of(&mut stand_in);
            ask(&mut server, &mut stand_in, &heartbeat);
            let heartbeats: Vec<BytesMut> =
                (0..1000).map(|_| heartbeat_of(&mut stand_in)).collect();
            let counted = allocation_counter::measure(|| {
                for heartbeat in heartbeats {
                    server.handle_message(now, PEER, heartbeat).unwrap();
                    assert!(server.poll_transmit().is_some());
                    assert!(server.poll_action().is_none());
                }
            });
            assert_eq!(counted.count_total, 0, "{suite}");
        }
    }
}
