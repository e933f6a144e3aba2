//! A site that joins an NVFlare federation.

use std::sync::Arc;
use std::time::Duration;

use fedlink::message::JobId;
use fedlink::nvflare::{ControlId, Decision};
use fedlink::{Binding, ClientAction, RejectReason};
use fedlink_host::nvflare::{Accepted, Deployments, Kit};
use fedlink_host::store::FileStore;
use fedlink_host::tokio::{ClientHost, Redial};
use fedlink_host::trainer::{SiteEvent, TrainingSite};
use fedlink_host::{CallError, HostError, Proxies, explain, unix_time};
use tokio::time::{Instant, sleep_until};

use super::ending::{Peer, ending};
use super::news::News;
use super::wines::Wines;
use super::words::Cause;
use super::{JoinError, may_be_mended};
use crate::exec::Program;
use crate::interrupt::Interrupt;
use crate::options::JoinOptions;
use crate::output;
use crate::parties::{self, PartyError};
use crate::reload::{self, Asked, Reloading};

const SERVER: Peer = Peer {
    who: "server",
    hint,
};

/// How long a site that only looks waits to be let in: several tries, also at a server
/// that is about to start.
const ONCE_PATIENCE: Duration = Duration::from_secs(60);

/// What is wrong if nothing else is known.
const SILENCE: &str = "the server does not answer";

/// Runs the site until Ctrl-C, or until it has looked.
pub(super) async fn run(
    options: &JoinOptions,
    kit: &Kit,
    interrupt: Interrupt,
) -> Result<(), JoinError> {
    let mut process = SiteProcess::open(options, kit, interrupt.clone()).await?;
    let worked = process.work(interrupt).await;
    if worked.is_err() {
        // There is nobody to say goodbye to.
        let _ = process.site.client().stop().await;
    }
    let finished = process.site.finish().await;
    worked?;
    Ok(finished?)
}

/// The site, and what people are told of it.
struct SiteProcess<'a> {
    options: &'a JoinOptions,
    kit: &'a Kit,
    deployments: Arc<Deployments>,
    site: TrainingSite,
    cause: Cause,
    way: Redial,
    proxies: Proxies,
    reloading: Reloading<'a, Kit>,
    /// What went wrong last, until the server answers.
    failure: Option<String>,
    leaving: bool,
}

impl<'a> SiteProcess<'a> {
    async fn open(
        options: &'a JoinOptions,
        kit: &'a Kit,
        signals: Interrupt,
    ) -> Result<Self, JoinError> {
        if let Some(program) = program(options, kit) {
            program.find()?;
        }
        let proxies = parties::proxies(
            options.proxy.as_ref(),
            None,
            kit.tls().is_some(),
            [&kit.address],
        )
        .map_err(PartyError::from)?;
        let way = Redial::new(kit.dial_through(proxies.clone())?);
        let host = host(options, kit, way.clone())?;
        let cause = Cause::new(SERVER.who, host.connectivity());
        let deployments = Arc::new(deployments(options, kit)?);
        let process = Self {
            options,
            kit,
            site: start(options, kit, host, Arc::clone(&deployments)).await?,
            deployments,
            cause,
            way,
            proxies,
            reloading: Reloading::new(kit, signals, options.quiet || options.json),
            failure: None,
            leaving: false,
        };
        process.tell(&News::Calls {
            site: kit.name.to_string(),
            project: kit.project.to_string(),
            server: kit.server.to_string(),
            address: kit.address.clone(),
        });
        let said = parties::proxy_on_the_way(&process.proxies, kit.tls().is_some(), &kit.address);
        if let Some(said) = said.filter(|_| !options.json) {
            output::tell(options.quiet, said);
        }
        Ok(process)
    }

    async fn work(&mut self, mut interrupt: Interrupt) -> Result<(), JoinError> {
        let patience = Instant::now() + ONCE_PATIENCE;
        loop {
            let event = tokio::select! {
                event = self.site.next() => event,
                () = interrupt.wait(), if !self.leaving => {
                    self.leave("its operator has stopped it").await?;
                    continue;
                }
                asked = self.reloading.due() => {
                    self.reload(asked).await;
                    continue;
                }
                () = sleep_until(patience), if self.options.once && !self.leaving => {
                    return Err(JoinError::NotRegistered {
                        waited: ONCE_PATIENCE,
                        last: self.failure.take().unwrap_or_else(|| SILENCE.to_owned()),
                    });
                }
            };
            match event {
                Some(SiteEvent::Action(action)) => self.action(action).await?,
                Some(event) => self.event(event),
                None => return Ok(()),
            }
        }
    }

    /// Takes up certificates and key, if they were replaced; returns whether they were.
    async fn reload(&mut self, asked: Asked) -> bool {
        let Some(kit) = self.reloading.look(asked) else {
            return false;
        };
        let dial = match kit.dial_through(self.proxies.clone()) {
            Ok(dial) => dial,
            Err(error) => {
                reload::refused(&error);
                return false;
            }
        };
        let identity = kit.identity();
        let renewed = self.site.client().call(move |client, now| {
            client.set_wall_clock(now, unix_time());
            client.set_identity(now, identity)
        });
        // Whoever has stopped needs nothing more.
        if let Err(error) = renewed.await.unwrap_or(Ok(())) {
            reload::refused(&error);
            return false;
        }
        self.way.replace(dial);
        self.reloading.take_up(kit);
        self.cause.connectivity().start_over();
        self.tell(&News::Renewed);
        true
    }

    async fn action(&mut self, action: ClientAction) -> Result<(), JoinError> {
        self.cause.learn(&action);
        if let Some(error) = ending(SERVER, &action, self.cause.connectivity()) {
            if !may_be_mended(&error) || !self.reload(Asked::ByNeed).await {
                return Err(error);
            }
            // It may be trying already.
            let _ = self.site.client().register().await;
            return Ok(());
        }
        match action {
            ClientAction::SetAuth(_) => {
                self.failure = None;
                if !self.options.once {
                    self.tell(&self.registration());
                }
            }
            ClientAction::ClearAuth if !self.leaving => self.tell(&News::RegistersAnew),
            ClientAction::HeartbeatAnswered { .. } if self.options.once && !self.leaving => {
                self.checked();
                self.leave("it was only to be checked").await?;
            }
            ClientAction::HeartbeatAnswered { .. } if self.failure.is_some() => {
                self.failure = None;
                self.tell(&News::Answers);
            }
            ClientAction::CertificateEnds { owner, left, .. } => {
                self.tell(&News::CertificateEnds {
                    owner: owner.to_string(),
                    seconds: left.as_secs(),
                });
            }
            ClientAction::Suspect { suspicion, .. } => {
                let what = explain(&suspicion);
                self.tell(&News::Suspects { what: what.clone() });
                self.failure = Some(what);
            }
            ClientAction::Retry {
                at,
                attempt,
                reason,
            } => {
                let why = self.cause.why(reason);
                self.failure = Some(why.clone());
                let wait = self.site.client().call(move |_, now| at.since(now));
                let wait = wait.await.map_err(CallError::from)?;
                self.tell(&News::Retries {
                    why,
                    seconds: wait.as_secs_f64(),
                    attempt,
                });
            }
            ClientAction::ResourcesWanted { request, .. } => {
                self.decide(request, Decision::Accept).await?;
            }
            ClientAction::Deploy {
                request, job, app, ..
            } => {
                let decision = self.deployments.deployed(job, &app);
                if let Decision::Refuse(why) = &decision {
                    self.tell(&News::JobRefused {
                        job: job.into(),
                        why: why.clone(),
                    });
                }
                self.decide(request, decision).await?;
            }
            ClientAction::AbortJobs(jobs) => {
                self.each(&jobs, |job| News::JobAborted { job: job.into() })
            }
            ClientAction::RunEnded { job } => self.tell(&News::JobOver { job: job.into() }),
            ClientAction::ResultAccepted {
                job,
                task,
                bytes,
                elapsed,
            } => self.tell(&News::Accepted {
                job: job.into(),
                task: task.into(),
                bytes,
                seconds: elapsed.as_secs_f64(),
            }),
            ClientAction::ResultRefused { job, task, refusal } => self.tell(&News::Refused {
                job: job.into(),
                task: task.into(),
                why: refusal.to_string(),
            }),
            ClientAction::Closed {
                answered, message, ..
            } => self.tell(&News::Left { answered, message }),
            _ => {}
        }
        Ok(())
    }

    fn event(&self, event: SiteEvent) {
        self.tell(&match event {
            SiteEvent::JobStarted(job) => News::JobStarted { job: job.into() },
            SiteEvent::JobNotStarted { job, reason } => News::JobNotStarted {
                job: job.into(),
                why: reason,
            },
            SiteEvent::JobEnded(job) => {
                self.deployments.ended(job);
                News::JobEnded { job: job.into() }
            }
            SiteEvent::Assigned {
                job,
                task,
                name,
                round,
                bytes,
            } => News::Assigned {
                job: job.into(),
                task: task.into(),
                name,
                round,
                bytes,
            },
            SiteEvent::Trained {
                job,
                task,
                round,
                bytes,
                elapsed,
            } => News::Trained {
                job: job.into(),
                task: task.into(),
                round,
                bytes,
                seconds: elapsed.as_secs_f64(),
            },
            SiteEvent::Failed {
                job,
                task,
                round,
                reason,
            } => News::Failed {
                job: job.into(),
                task: task.into(),
                round,
                why: reason,
            },
            SiteEvent::GivenUp { job, task, round } => News::GivenUp {
                job: job.into(),
                task: task.into(),
                round,
            },
            _ => return,
        });
    }

    async fn decide(&self, request: ControlId, decision: Decision) -> Result<(), JoinError> {
        let decided = self.site.client().call(move |client, now| {
            // After some seconds nobody waits for it any more.
            let _ = client.decide(now, request, &decision);
        });
        Ok(decided.await.map_err(CallError::from)?)
    }

    async fn leave(&mut self, reason: &str) -> Result<(), JoinError> {
        self.leaving = true;
        if !self.options.once {
            self.tell(&News::Leaves {
                why: reason.to_owned(),
            });
        }
        let client = self.site.client();
        Ok(client.quit(reason).await.map_err(CallError::from)?)
    }

    fn registration(&self) -> News {
        News::Registered {
            site: self.kit.name.to_string(),
            project: self.kit.project.to_string(),
        }
    }

    /// What whoever asked for a check gets, whether quiet or not.
    fn checked(&self) {
        let registration = self.registration();
        if self.options.json {
            self.tell(&registration);
        } else {
            output::output(&registration.to_string());
        }
    }

    fn each(&self, jobs: &[JobId], news: impl Fn(JobId) -> News) {
        jobs.iter().for_each(|job| self.tell(&news(*job)));
    }

    fn tell(&self, news: &News) {
        if self.options.json {
            output::event(news);
        } else if news.is_warning() {
            output::say(news.to_string());
        } else {
            output::tell(self.options.quiet, news.to_string());
        }
    }
}

/// The client's host, as kit and options say.
fn host(options: &JoinOptions, kit: &Kit, way: Redial) -> Result<ClientHost, JoinError> {
    let mut config = kit.client_config();
    if let Binding::Nvflare(settings) = &mut config.binding {
        settings.on_replaced = options.on_replaced.into();
        settings.host_decides = true;
    }
    let host = ClientHost::new(Arc::new(config), kit.identity(), way);
    Ok(match &options.state {
        Some(folder) => {
            let (store, records) = FileStore::open_for(folder, &parties::nvflare_owner(kit))?;
            host.storage(store, records)
        }
        None => host,
    })
}

/// What jobs may ask for, as the options say. The site's own policy is kept to as well.
fn deployments(options: &JoinOptions, kit: &Kit) -> Result<Deployments, JoinError> {
    let accepted = Accepted {
        executors: options.accept_executors.iter().cloned().collect(),
        filters: options.accept_filters.iter().cloned().collect(),
        changed_arrays: options.accept_changed_arrays,
    };
    match accepted.missing_filter(&kit.privacy_filters) {
        Some(filter) if !options.once => Err(JoinError::PrivacyFilter(filter.to_owned())),
        Some(_) | None => Ok(Deployments::new(accepted, options.state.clone())),
    }
}

/// The program that is to train, if one is.
fn program(options: &JoinOptions, kit: &Kit) -> Option<Program> {
    options.exec.as_ref().map(|program| Program {
        command: program.iter().chain(&options.arguments).cloned().collect(),
        site: kit.name.to_string(),
    })
}

/// Starts the host with the trainers that the options ask for.
async fn start(
    options: &JoinOptions,
    kit: &Kit,
    host: ClientHost,
    deployments: Arc<Deployments>,
) -> Result<TrainingSite, HostError> {
    match program(options, kit) {
        Some(program) => {
            let trainers = move |job| deployments.trainer(job, Box::new(program.clone()));
            TrainingSite::start(host, trainers).await
        }
        None => {
            let wines = Wines(Arc::new(super::share(options)));
            let trainers = move |job| deployments.trainer(job, Box::new(wines.clone()));
            TrainingSite::start(host, trainers).await
        }
    }
}

fn hint(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::Unauthenticated => {
            "ask whoever runs the project whether this kit still counts and its server is a secure one"
        }
        RejectReason::Disabled => "ask whoever runs the project to enable this site again",
        RejectReason::WrongProject => {
            "this kit is for another project: check project and address in startup/fed_client.json"
        }
        RejectReason::Replaced => {
            "another process uses this kit, here or elsewhere: stop one of the two"
        }
        _ => "ask whoever runs the project why",
    }
}
