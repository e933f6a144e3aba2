//! The hosts of both machines: they store records, work on tasks, and give commands, sensible
//! or not.

use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{Federation, IN_FLIGHT, INLINE, MEMORY};
use crate::message::{JobId, Outcome, Payload, Progress, Properties};
use crate::testing::fuzzing::script::Script;
use crate::{Assignee, ClientAction, NewTask, ServerAction, Sites, Suite};

/// What the server's host sends in tasks and the client's host in results, over and over.
const TASK: u8 = b't';
const RESULT: u8 = b'r';

/// Lengths of payloads: with the message and by parts.
const LENGTHS: [usize; 3] = [0, INLINE / 2, 3 * INLINE];

impl Federation {
    pub(super) fn client_command(&mut self, script: &mut Script<'_>) {
        let (now, client) = (self.now, &mut self.client);
        let command = script.below(13);
        let job = job(script.below(3));
        // Many of them make no sense now, which is a misuse that changes nothing.
        let _ = match command {
            0 => client.register(now),
            1 => client.job_started(now, job),
            2 => client.job_ended(now, job),
            3 => client.job_failed(now, job, "reason"),
            4 => client.job_abort_failed(now, job),
            5 => client.report_progress(now, job, Progress::from_permille(500)),
            6 => client.heartbeat_ready(now, Some(Properties::new().with("a", "b"))),
            7 => client.suspend(now, Duration::from_secs(script.below(256) as u64)),
            8 => {
                client.pause_heartbeats(now);
                client.resume_heartbeats(now);
                Ok(())
            }
            9 if script.below(4) == 0 => {
                client.quit(now, "reason");
                Ok(())
            }
            10 | 11 => {
                let Some(task) = self.working.pop() else {
                    return;
                };
                let outcome = [Outcome::Ok, Outcome::Failed, Outcome::Aborted][script.below(3)];
                let payload = payload(RESULT, LENGTHS[script.below(3)]);
                client.submit(now, task, outcome, Properties::new(), payload)
            }
            _ => client.pull_task(now, job),
        };
    }

    pub(super) fn server_command(&mut self, script: &mut Script<'_>) {
        let (now, server) = (self.now, &mut self.server);
        let command = script.below(8);
        let job = job(script.below(3));
        let task = match self.assigned.len() {
            0 => None,
            len => self.assigned.get(script.below(len)).copied(),
        };
        let _ = match (command, task) {
            (0, _) => server.start_job(now, job, Sites::All),
            (1, _) => server.end_job(now, job),
            (2, Some(task)) => server.withdraw(now, task),
            (3, Some(task)) => server
                .reassign(now, task, Assignee::Anyone)
                .map(|task| self.assigned.push(task)),
            (4, Some(task)) => server.taken(now, task),
            _ => {
                let task = NewTask {
                    name: "train".to_owned(),
                    headers: Properties::new(),
                    payload: payload(TASK, LENGTHS[script.below(3)]),
                };
                server
                    .assign(now, job, Assignee::Anyone, task)
                    .map(|task| self.assigned.push(task))
            }
        };
    }

    /// Takes all that both machines want.
    pub(super) fn drain(&mut self) {
        while let Some(action) = self.client.poll_action() {
            self.client_action(action);
        }
        while let Some(action) = self.server.poll_action() {
            self.server_action(action);
        }
        while let Some(transmit) = self.client.poll_transmit() {
            assert!(!transmit.is_empty());
            let message = whole(&transmit.header, &transmit.payload);
            self.seen.push_back(message.clone());
            self.to_server.push_back(message);
        }
        while let Some(transmit) = self.server.poll_transmit() {
            assert!(!transmit.is_empty());
            let message = whole(&transmit.header, &transmit.payload);
            self.seen.push_back(message.clone());
            if transmit.peer == self.peer {
                self.to_client.push_back(message);
            }
        }
        self.to_server.truncate(IN_FLIGHT);
        self.to_client.truncate(IN_FLIGHT);
        let forgotten = self.seen.len().saturating_sub(MEMORY);
        self.seen.drain(..forgotten);
    }

    fn client_action(&mut self, action: ClientAction) {
        let _ = format!("{action:?}");
        match action {
            ClientAction::Persist {
                record,
                header,
                payload,
            } => {
                self.client_records.push(whole(&header, &payload).freeze());
                let stored = self.client.persisted(self.now, record);
                assert_eq!(stored, Ok(()));
            }
            ClientAction::TaskAssigned(task) => {
                self.check_content(&task.payload, TASK);
                self.working.push(task.id);
            }
            ClientAction::AbortJobs(jobs) => {
                for job in jobs {
                    let _ = self.client.job_ended(self.now, job);
                }
            }
            ClientAction::StartJobs(jobs) => {
                for job in jobs {
                    let _ = self.client.job_started(self.now, job);
                }
            }
            _ => {}
        }
    }

    fn server_action(&mut self, action: ServerAction) {
        let _ = format!("{action:?}");
        match action {
            ServerAction::Persist {
                record,
                header,
                payload,
            } => {
                self.server_records.push(whole(&header, &payload).freeze());
                let stored = self.server.persisted(self.now, record);
                assert_eq!(stored, Ok(()));
            }
            ServerAction::ResultReceived(result) => {
                self.check_content(&result.payload, RESULT);
                if !result.again {
                    assert!(!self.results.contains(&result.task), "a result came twice");
                    self.results.push(result.task);
                }
            }
            _ => {}
        }
    }

    /// Where seals protect them, payloads are what the other host sent.
    fn check_content(&self, payload: &Payload, content: u8) {
        if self.client_config.suites.contains(Suite::Sealed) {
            assert!(LENGTHS.contains(&(payload.bytes().len())));
            assert!(payload.bytes().iter().all(|byte| *byte == content));
        }
    }
}

pub(super) fn job(number: usize) -> JobId {
    JobId::from_bytes([number as u8; 16])
}

fn payload(content: u8, len: usize) -> Payload {
    Payload::new(vec![content; len])
}

fn whole(header: &Bytes, payload: &Bytes) -> BytesMut {
    [&header[..], payload].concat()[..].into()
}
