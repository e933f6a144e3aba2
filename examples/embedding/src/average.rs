//! The job: a federated average. In each round a site moves the model half of the way to the
//! number that it holds, and the coordinator takes the mean of what comes back.

use fedlink::error::Misuse;
use fedlink::identity::Name;
use fedlink::message::{JobId, Outcome, Payload, Properties};
use fedlink::{Assignee, Client, ClientAction, Instant, NewTask, Server, ServerAction, Sites};

use crate::Error;
use crate::parties::SITES;

const JOB: JobId = JobId::from_bytes(*b"a shared average");
const ROUNDS: u32 = 3;

/// What the model is after all rounds: from 0, three times half of the way to the mean, 3.
pub const EXPECTED: f64 = 2.625;

/// The coordinator's part.
pub struct Coordinator {
    model: f64,
    round: u32,
    results: Vec<f64>,
    left: usize,
}

impl Coordinator {
    /// Starts the job and gives out the first round.
    ///
    /// # Errors
    /// When the server has this job already.
    pub fn start(server: &mut Server, now: Instant) -> Result<Self, Error> {
        let coordinator = Self {
            model: 0.0,
            round: 0,
            results: Vec::new(),
            left: 0,
        };
        server.start_job(now, JOB, Sites::All)?;
        coordinator.give_out(server, now)?;
        Ok(coordinator)
    }

    /// Does what the server asks for.
    ///
    /// # Errors
    /// When a result is no number.
    pub fn act(
        &mut self,
        server: &mut Server,
        now: Instant,
        action: ServerAction,
    ) -> Result<(), Error> {
        match action {
            // Store it first: this example begins anew when it is started again.
            ServerAction::Persist { record, .. } => server.persisted(now, record)?,
            ServerAction::ResultReceived(result) => {
                self.results.push(number(&result.payload)?);
                server.taken(now, result.task)?;
                if self.results.len() == SITES.len() {
                    self.next_round(server, now)?;
                }
            }
            ServerAction::ClientJoined(joined) => println!("{} has joined", joined.client),
            ServerAction::ClientLeft { client, .. } => {
                println!("{client} has left");
                self.left += 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// The model, once all sites have left.
    #[must_use]
    pub fn outcome(&self) -> Option<f64> {
        (self.left == SITES.len()).then_some(self.model)
    }

    fn next_round(&mut self, server: &mut Server, now: Instant) -> Result<(), Error> {
        self.model = self.results.drain(..).sum::<f64>() / SITES.len() as f64;
        self.round += 1;
        println!("round {}: {}", self.round, self.model);
        if self.round == ROUNDS {
            server.end_job(now, JOB)?;
            Ok(())
        } else {
            self.give_out(server, now)
        }
    }

    fn give_out(&self, server: &mut Server, now: Instant) -> Result<(), Error> {
        // Clones share the bytes of a model.
        let model = payload(self.model);
        for (site, _) in SITES {
            let to = Assignee::Site(Name::new(site)?);
            server.assign(now, JOB, to, NewTask::new("train", model.clone()))?;
        }
        Ok(())
    }
}

/// A site's part.
pub struct Site {
    /// What it holds, and tells nobody.
    pub number: f64,
}

impl Site {
    /// Does what the client asks for. False once the client is closed.
    ///
    /// # Errors
    /// When the server refuses the site, or a task is no number.
    pub fn act(
        &self,
        client: &mut Client,
        now: Instant,
        action: ClientAction,
    ) -> Result<bool, Error> {
        match action {
            // Store it first: this example begins anew when it is started again.
            ClientAction::Persist { record, .. } => client.persisted(now, record)?,
            ClientAction::StartJobs(jobs) => {
                for job in jobs {
                    client.job_started(now, job)?;
                    client.pull_task(now, job)?;
                }
            }
            ClientAction::TaskAssigned(task) => {
                let model = number(&task.payload)?;
                let result = payload(model + (self.number - model) / 2.0);
                client.submit(now, task.id, Outcome::Ok, Properties::new(), result)?;
                client.pull_task(now, task.job)?;
            }
            ClientAction::RunEnded { job } => end(client, now, job)?,
            ClientAction::AbortJobs(jobs) => {
                for job in jobs {
                    end(client, now, job)?;
                }
            }
            ClientAction::Rejected(why) => return Err(why.message.into()),
            ClientAction::Closed { .. } => return Ok(false),
            // `Retry` among them: `carrier_wish` says when to connect.
            _ => {}
        }
        Ok(true)
    }
}

/// The job is over, and with it this site's work.
fn end(client: &mut Client, now: Instant, job: JobId) -> Result<(), Misuse> {
    match client.job_ended(now, job) {
        // Told by `RunEnded` and by `AbortJobs` at the same time.
        Ok(()) | Err(Misuse::UnknownJob(_)) => {}
        Err(other) => return Err(other),
    }
    client.quit(now, "the job is over");
    Ok(())
}

fn payload(number: f64) -> Payload {
    Payload::new(number.to_le_bytes().to_vec())
}

fn number(payload: &Payload) -> Result<f64, Error> {
    let bytes = payload.bytes()[..].try_into()?;
    Ok(f64::from_le_bytes(bytes))
}
