//! What the server's machine takes by itself: messages of stand-ins, handled in a loop.

use std::time::Duration;

use bytes::BytesMut;
use fedlink::identity::Name;
use fedlink::message::{InstanceId, Payload, PeerId};
use fedlink::stand_in::{Answer, Claim, MessageBuffer, StandIn};
use fedlink::{Assignee, Instant, NewTask, Server, ServerAction, ServerTransmit, Suite};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::{Failure, JOB, payload};

/// Clients; each has one message in a turn.
const CLIENTS: u64 = 16;

/// Seconds of CPU for a heartbeat of so many, and for what a task takes of a tenth as many,
/// with so many bytes in each direction.
///
/// # Errors
/// When an answer is not the one that was wanted.
pub fn measure(
    server: &mut Server,
    now: Instant,
    times: u64,
    bytes: usize,
) -> Result<Value, Failure> {
    let seated: Result<_, Failure> = (0..CLIENTS)
        .map(|number| {
            let name = Name::new(&format!("alone-{number}"))?;
            let stand_in = server.unproven_session(now, name.clone(), Suite::Bearer);
            Ok((name, stand_in))
        })
        .collect();
    let mut federation = Federation {
        server,
        now,
        clients: seated?,
        buffer: MessageBuffer::default(),
    };
    let input = payload(bytes);
    let mut heartbeats = Duration::ZERO;
    let [mut polls, mut fetches, mut submits] = [Duration::ZERO; 3];
    let (turns, rounds) = (times / CLIENTS, times / CLIENTS / 10);
    for _ in 0..turns {
        let (took, _) = federation.turn(|_, client, buffer| client.heartbeat(&[JOB], buffer))?;
        heartbeats += took;
    }
    for _ in 0..rounds {
        let (took, answers) =
            federation.turn(|_, client, buffer| client.pull(JOB, None, buffer))?;
        polls += took;
        wanted(answers.iter().all(|it| matches!(it, Answer::Nothing(_))))?;

        federation.assign(&input)?;
        let (took, answers) =
            federation.turn(|_, client, buffer| client.pull(JOB, None, buffer))?;
        fetches += took;
        let tasks: Vec<_> = answers
            .into_iter()
            .filter_map(|answer| match answer {
                Answer::Task { task, ssid, .. } => Some((JOB, task, ssid)),
                _ => None,
            })
            .collect();
        wanted(tasks.len() as u64 == CLIENTS)?;

        let (took, answers) = federation.turn(|number, client, buffer| {
            client.submit(*tasks.get(number)?, input.bytes(), buffer)
        })?;
        submits += took;
        wanted(answers.iter().all(|it| matches!(it, Answer::Accepted)))?;
    }
    let each = |took: Duration, turns: u64| took.as_secs_f64() / (turns * CLIENTS) as f64;
    Ok(json!({
        "heartbeat": each(heartbeats, turns),
        "poll": each(polls, rounds),
        "fetch": each(fetches, rounds),
        "submit": each(submits, rounds),
    }))
}

fn wanted(answered: bool) -> Result<(), Failure> {
    if answered {
        return Ok(());
    }
    Err("the server has answered something else".into())
}

struct Federation<'a> {
    server: &'a mut Server,
    now: Instant,
    clients: Vec<(Name, StandIn)>,
    buffer: MessageBuffer,
}

impl Federation<'_> {
    /// Each client asks for something. What the server took for it, and its answers.
    fn turn(
        &mut self,
        mut ask: impl FnMut(usize, &mut StandIn, &mut MessageBuffer) -> Option<BytesMut>,
    ) -> Result<(Duration, Vec<Answer>), Failure> {
        let mut asked = Vec::new();
        for (number, (_, client)) in self.clients.iter_mut().enumerate() {
            let message = ask(number, client, &mut self.buffer).ok_or("nothing to ask")?;
            asked.push((PeerId(number as u64), message));
        }
        let mut answers = Vec::with_capacity(asked.len());
        let begun = cpu();
        for (peer, message) in asked {
            self.server.handle_message(self.now, peer, message)?;
            settle(self.server, self.now)?;
            answers.extend(std::iter::from_fn(|| self.server.poll_transmit()));
        }
        let took = cpu().saturating_sub(begun);
        Ok((took, self.heard(&answers)?))
    }

    fn heard(&mut self, answers: &[ServerTransmit]) -> Result<Vec<Answer>, Failure> {
        if answers.len() != self.clients.len() {
            return Err("the server has not answered each".into());
        }
        let heard = self.clients.iter_mut().zip(answers).map(|(it, answer)| {
            let (name, client) = it;
            let claim = Claim {
                project: name.clone(),
                client: name.clone(),
                instance: InstanceId::from_bytes([0; 16]),
            };
            let message = self.buffer.join(&answer.header, &answer.payload);
            Ok(client.handle(&claim, message)?)
        });
        heard.collect()
    }

    /// Makes a task for each client.
    fn assign(&mut self, input: &Payload) -> Result<(), Failure> {
        for (name, _) in &self.clients {
            let task = NewTask::new("train", input.clone());
            let to = Assignee::Site(name.clone());
            self.server.assign(self.now, JOB, to, task)?;
        }
        settle(self.server, self.now)
    }
}

/// Does what the server asks of its host.
fn settle(server: &mut Server, now: Instant) -> Result<(), Failure> {
    while let Some(action) = server.poll_action() {
        match action {
            ServerAction::Persist { record, .. } => server.persisted(now, record)?,
            ServerAction::ResultReceived(result) => server.taken(now, result.task)?,
            _ => {}
        }
    }
    Ok(())
}

/// What this thread has used of a processor.
fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(used).unwrap_or_default()
}
