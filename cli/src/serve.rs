//! `fedlink serve`: the coordinator of a project, in a process of its own.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use fedlink::ServerAction;
use fedlink::identity::Name;
use fedlink::message::JobId;
use fedlink_host::kit::{KitError, ServerKit};
use fedlink_host::tls::ServerTls;
use fedlink_host::{CallError, HostError, random_id};
use tokio::time::Instant;

use crate::certificates::{self, Whose};
use crate::federation::purpose;
use crate::federation::{Coordinator, HostedCoordinator, News, Plan, names};
use crate::interrupt::{Hangup, Interrupt, SignalError};
use crate::options::{ServeOptions, Span};
use crate::output;
use crate::parties::{self, PartyError};
use crate::reload::{self, Asked, Reloading};
use crate::training::{Dataset, Evaluation, Model};

/// Why a coordinator cannot run, or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The kit cannot be used.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// The kit cannot be put to work.
    #[error(transparent)]
    Party(#[from] PartyError),
    /// The server has failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The server has stopped, or refused a command.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The stored job is another program's.
    #[error(
        "the stored job {0} is none of `fedlink serve`: give the kit another folder for state, or move this one away"
    )]
    ForeignJob(JobId),
    /// No round could ever end.
    #[error(
        "--min-results {minimum} can never be reached by {sites} sites: give at most --min-results {sites}"
    )]
    Minimum {
        /// Results that each round needs.
        minimum: usize,
        /// Sites that take part.
        sites: usize,
    },
    /// Ctrl-C cannot be caught.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// There are no threads.
    #[error("the process cannot start ({0}): close some programs and try again")]
    Runtime(#[source] io::Error),
}

/// How long sites have to say goodbye when a run is over: two heartbeats of the usual
/// length, by which the last of them has heard of it.
const FAREWELL: Duration = Duration::from_secs(20);

/// How long sites have to come back to a coordinator that was started again, before a round
/// goes on without them: their longest wait between two tries.
const RETURN_TIME: Duration = Duration::from_secs(60);

/// Runs a coordinator until its run is over, or until Ctrl-C.
///
/// # Errors
/// When it cannot start or go on.
pub fn run(options: &ServeOptions) -> Result<(), ServeError> {
    reachable(options, options.sites)?;
    let interrupt = Interrupt::listen(Hangup::Reloads)?;
    let kit = ServerKit::load(&options.kit)?;
    if options.repair {
        parties::repair(&kit.state, &parties::owner(&kit)).map_err(PartyError::Store)?;
    }
    let runtime = tokio::runtime::Runtime::new().map_err(ServeError::Runtime)?;
    runtime.block_on(async {
        let mut service = Service::open(options, &kit, interrupt.clone()).await?;
        let ended = service.work(interrupt).await;
        // Why the server itself has stopped says more than that it has.
        service.process.stop().await?;
        ended
    })
}

/// The coordinator, and what people are told of it.
struct Service<'a> {
    options: &'a ServeOptions,
    name: &'a str,
    process: HostedCoordinator,
    tls: Option<ServerTls>,
    reloading: Reloading<'a, ServerKit>,
    /// Whether the training has begun.
    begun: bool,
    present: BTreeSet<Name>,
    /// The latest round, and when its deadline passes, if that is still to come.
    round: u32,
    deadline: Option<Instant>,
    /// When sites that were there before this process must have come back.
    returned: Option<Instant>,
    result: Option<Model>,
}

impl<'a> Service<'a> {
    async fn open(
        options: &'a ServeOptions,
        kit: &'a ServerKit,
        signals: Interrupt,
    ) -> Result<Self, ServeError> {
        tracing::info!(target: "fedlink", "fedlink {} starts", env!("CARGO_PKG_VERSION"));
        let (host, tls) = parties::server_host(kit).await?;
        let state = kit.state.display();
        tracing::info!(target: "fedlink", "what outlives this process is stored in {state}");
        let mut service = Self {
            options,
            name: &kit.config.name,
            process: HostedCoordinator::start(host)?,
            tls,
            reloading: Reloading::new(kit, signals, options.quiet),
            begun: false,
            present: BTreeSet::new(),
            round: 0,
            deadline: None,
            returned: None,
            result: None,
        };
        service.say(format!(
            "{} of {} listens at {}",
            kit.config.name,
            kit.config.project,
            kit.config.listen.join(", ")
        ));
        service.resume().await?;
        service.set_deadline();
        if !service.begun {
            service.say(format!("waits for {} sites", options.sites));
        }
        Ok(service)
    }

    /// Goes on with a job that an earlier process has begun.
    async fn resume(&mut self) -> Result<(), ServeError> {
        let server = self.process.server();
        let stored = server.call(|server, _| server.jobs().next()).await;
        let Some(job) = stored.map_err(CallError::from)? else {
            return Ok(());
        };
        let minimum = self.minimum();
        self.begun = self
            .process
            .begin(move |server, now| Coordinator::resume(server, now, job, minimum))
            .await?;
        let server = self.process.server();
        let runs = server.call(move |server, _| server.sites(job).is_some());
        if !self.begun && runs.await.map_err(CallError::from)? {
            return Err(ServeError::ForeignJob(job));
        }
        if let Some((round, rounds)) = self.process.round() {
            let members = self.process.members().unwrap_or_default();
            reachable(self.options, members.len())?;
            self.returned = Some(Instant::now() + RETURN_TIME);
            let plan = self.process.plan();
            if plan
                .is_some_and(|it| it.rounds != self.options.rounds || it.seed != self.options.seed)
            {
                self.say("the stored run keeps its own --rounds and --seed: to begin another one, let it end or give the kit another folder for state");
            }
            self.say(format!(
                "goes on in round {round} of {rounds} with {}",
                names(&members)
            ));
        }
        Ok(())
    }

    async fn work(&mut self, mut interrupt: Interrupt) -> Result<(), ServeError> {
        while self.result.is_none() {
            let action = tokio::select! {
                action = self.process.next() => action,
                () = reached(self.returned) => {
                    self.returned = None;
                    self.process.return_time_passed().await?;
                    self.take_news();
                    continue;
                }
                () = reached(self.deadline) => {
                    self.deadline = None;
                    self.process.deadline_passed().await?;
                    self.take_news();
                    continue;
                }
                () = interrupt.wait() => {
                    self.say("stops; started again, it goes on where it was");
                    return Ok(());
                }
                asked = self.reloading.due() => {
                    self.reload(asked).await;
                    continue;
                }
            };
            let Some(action) = action else {
                return Ok(());
            };
            self.take(action).await?;
        }
        self.see_sites_off(interrupt).await
    }

    /// Waits until all sites have heard that the run is over.
    async fn see_sites_off(&mut self, mut interrupt: Interrupt) -> Result<(), ServeError> {
        let late = tokio::time::sleep(FAREWELL);
        tokio::pin!(late);
        while !self.present.is_empty() {
            let action = tokio::select! {
                action = self.process.next() => action,
                () = &mut late => return Ok(()),
                () = interrupt.wait() => return Ok(()),
                asked = self.reloading.due() => {
                    self.reload(asked).await;
                    continue;
                }
            };
            let Some(action) = action else {
                return Ok(());
            };
            self.take(action).await?;
        }
        Ok(())
    }

    /// Takes up certificates, key and what is revoked, if they were replaced.
    async fn reload(&mut self, asked: Asked) {
        let Some(kit) = self.reloading.look(asked) else {
            return;
        };
        match parties::renew_server(self.process.server(), self.tls.as_ref(), &kit).await {
            Ok(()) => {
                if let Some(changes) = reload::changes(self.reloading.in_use(), &kit) {
                    self.say(changes);
                }
                self.reloading.take_up(kit);
            }
            Err(error) => reload::refused(&error),
        }
    }

    async fn take(&mut self, action: ServerAction) -> Result<(), ServeError> {
        if self.tell_of_check(&action) {
            return Ok(());
        }
        self.tell(&action);
        self.process.handle(action).await?;
        if !self.begun && self.present.len() >= self.options.sites {
            self.begin().await?;
        }
        self.take_news();
        Ok(())
    }

    fn take_news(&mut self) {
        while let Some(news) = self.process.poll_news() {
            self.news(news);
        }
        self.set_deadline();
    }

    /// A round that has just begun has all its time before it.
    fn set_deadline(&mut self) {
        let Some((round, _)) = self.process.round().filter(|(it, _)| *it != self.round) else {
            return;
        };
        self.round = round;
        let span = self.options.deadline;
        self.deadline = span.and_then(|Span(span)| Instant::now().checked_add(span));
    }

    /// Results that a round needs: one of each site unless told otherwise.
    fn minimum(&self) -> usize {
        self.options.min_results.unwrap_or(usize::MAX)
    }

    async fn begin(&mut self) -> Result<(), ServeError> {
        let plan = Plan {
            job: new_job()?,
            rounds: self.options.rounds,
            seed: self.options.seed,
            padding: self.options.payload_mib << 20,
        };
        let (members, minimum) = (self.present.clone(), self.minimum());
        self.say(format!("begins with {} sites", members.len()));
        self.begun = self
            .process
            .begin(move |server, now| {
                Coordinator::start(server, now, plan, members, minimum).map(Some)
            })
            .await?;
        Ok(())
    }

    /// Whether somebody has come who does not stay: `fedlink check`, which takes no part.
    fn tell_of_check(&mut self, action: &ServerAction) -> bool {
        let (ServerAction::ClientJoined(joined) | ServerAction::ClientReplaced(joined)) = action
        else {
            return false;
        };
        if !purpose::is_check(joined) {
            return false;
        }
        let client = &joined.client;
        self.say(match action {
            ServerAction::ClientReplaced(_) => {
                format!("{client} is replaced: its operator checks the way here")
            }
            _ => format!("{client} checks the way here, and takes no part"),
        });
        self.present.remove(client);
        true
    }

    fn tell(&mut self, action: &ServerAction) {
        match action {
            ServerAction::ClientJoined(joined) if joined.renewed => {}
            ServerAction::ClientJoined(joined) => {
                let (client, address) = (&joined.client, &joined.address);
                self.say(format!("{client} has joined from {address}"));
                self.present.insert(client.clone());
            }
            ServerAction::ClientReplaced(joined) => {
                let (client, address) = (&joined.client, &joined.address);
                self.say(format!(
                    "{client} is replaced: another process of that name has joined from {address}"
                ));
                self.present.insert(client.clone());
            }
            ServerAction::ResultReceived(result) => {
                tracing::info!(target: "fedlink", "a result of {} is stored", result.client);
            }
            ServerAction::ClientLeft { client, reason, .. } => {
                self.say(format!("{client} has left: {reason}"));
                self.present.remove(client);
            }
            ServerAction::CertificateEnds { owner, left, .. } => {
                let whose = match owner.as_str() == self.name {
                    true => Whose::Coordinator,
                    false => Whose::Site,
                };
                tracing::warn!("{}", certificates::ends(owner.as_str(), *left, whose));
            }
            ServerAction::ClientDead { client } => {
                self.say(format!("{client} has not been heard of for too long"));
                self.present.remove(client);
            }
            _ => {}
        }
    }

    fn news(&mut self, news: News) {
        match news {
            News::Round {
                round,
                evaluation,
                results,
            } => {
                let shown = show(evaluation);
                self.say(format!("round {round:>3}   {shown}   {results} results"));
            }
            News::Failed { site, error } => {
                tracing::warn!(%site, "a site could not train: {error}");
            }
            News::Waiting {
                round,
                results,
                minimum,
                missing,
            } => {
                let missing = names(&missing);
                self.say(format!(
                    "round {round} waits for {missing}: it has {results} of the {minimum} results that it needs"
                ));
            }
            News::Skipped { site, round } => {
                self.say(format!("round {round} goes on without {site}"));
            }
            News::Finished(model) => {
                let holdout = Dataset::load(self.options.seed).holdout;
                let shown = show(model.evaluate(&holdout));
                output::output(&format!("the federation's model: {shown}"));
                self.result = Some(model);
            }
        }
    }

    fn say(&self, line: impl AsRef<str>) {
        output::tell(self.options.quiet, line);
    }
}

/// When this is reached; never if it is none.
async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Whether each round can have as many results as it needs.
fn reachable(options: &ServeOptions, sites: usize) -> Result<(), ServeError> {
    match options.min_results {
        Some(minimum) if minimum > sites => Err(ServeError::Minimum { minimum, sites }),
        Some(_) | None => Ok(()),
    }
}

fn new_job() -> Result<JobId, HostError> {
    Ok(JobId::from_bytes(random_id()?))
}

fn show(evaluation: Evaluation) -> String {
    let Evaluation { loss, accuracy } = evaluation;
    format!("loss {loss:.4}   accuracy {:.1} %", 100.0 * accuracy)
}
