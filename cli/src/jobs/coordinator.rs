//! Drives one job beside a server: does what the job's machine wants, and tells it what comes.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use fedlink::identity::Name;
use fedlink::message::{JobId, Outcome, Payload, TaskId};
use fedlink::{Assignee, Joined, NewTask, ResultReceived, ServerAction, Sites};
use fedlink_host::CallError;
use fedlink_host::tokio::ServerHandle;
use fedlink_jobs::engine::{
    self, Command, Counted, Ended, Job, Record, Status, Task, TaskKind, TaskResult, Verdict,
};
use fedlink_jobs::job_file::JobFile;
use fedlink_jobs::mean::{Contributor, Mean, Source};
use serde::Serialize;
use tokio::task::JoinHandle;

use super::arrays::ArrayFile;
use super::folder::whole;
use super::{JobError, JobFolder, Model, headers};

/// The longest wait for a timer: the system's clock may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_secs(60);

/// A line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// Counted from 1, without gaps.
    pub number: u64,
    /// When, in milliseconds of Unix time.
    pub at: u64,
    /// What has happened.
    #[serde(flatten)]
    pub record: Record,
}

/// One job, its folder, and its tasks at the server.
#[derive(Debug)]
pub struct Coordinator {
    server: ServerHandle,
    project: String,
    id: JobId,
    folder: Arc<JobFolder>,
    model: Model,
    job: Job,
    /// Tasks whose result was not taken.
    tasks: BTreeMap<TaskId, engine::TaskId>,
    /// The model that tasks bring, and its number: read once for all sites.
    payload: Option<(u32, Payload)>,
    /// The model that is being made.
    making: Option<Making>,
    /// What came of it.
    made: Option<(Made, Result<(), JobError>)>,
    entries: VecDeque<Entry>,
}

/// A model that a thread makes.
#[derive(Debug)]
struct Making {
    what: Made,
    thread: JoinHandle<Result<(), JobError>>,
}

#[derive(Clone, Copy, Debug)]
enum Made {
    Initial,
    Round(u32),
}

impl Coordinator {
    /// Starts a new job, whose folder has just been made.
    ///
    /// # Errors
    /// When the server refuses the job, or the folder cannot be written.
    pub async fn start(
        server: ServerHandle,
        project: &Name,
        id: JobId,
        folder: JobFolder,
        file: JobFile,
        model: Model,
    ) -> Result<Self, JobError> {
        server.start_job(id, Sites::All).await?;
        let mut coordinator = Self {
            server,
            project: project.to_string(),
            id,
            folder: Arc::new(folder),
            model,
            job: Job::new(now(), file),
            tasks: BTreeMap::new(),
            payload: None,
            making: None,
            made: None,
            entries: VecDeque::new(),
        };
        coordinator.work().await?;
        Ok(coordinator)
    }

    /// Where the job is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.job.status()
    }

    /// How the job has ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<&Ended> {
        self.job.ended()
    }

    /// Whether it waits for ever, unless sites are mended or others come.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.job.is_stalled()
    }

    /// Where the job lies on the disk.
    #[must_use]
    pub fn folder(&self) -> &JobFolder {
        &self.folder
    }

    /// What has happened since.
    pub fn poll_entry(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    /// Takes an action of the server. What concerns other jobs is left alone.
    ///
    /// # Errors
    /// When the server has stopped, or the folder cannot be written.
    pub async fn handle(&mut self, action: ServerAction) -> Result<(), JobError> {
        match action {
            ServerAction::ClientJoined(joined) | ServerAction::ClientReplaced(joined) => {
                self.joined(&joined).await
            }
            ServerAction::ClientLeft { client, .. } | ServerAction::ClientDead { client } => {
                self.job.handle_site_gone(now(), client.as_str());
                self.work().await
            }
            ServerAction::ResultReceived(result) if result.job == self.id => {
                self.result(result).await
            }
            _ => Ok(()),
        }
    }

    /// A site is there.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn joined(&mut self, joined: &Joined) -> Result<(), JobError> {
        let kinds = headers::offered(&joined.site_info);
        self.job.handle_site(now(), joined.client.as_str(), &kinds);
        self.work().await
    }

    /// Ends the job because somebody wants it.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn abort(&mut self, by: &str) -> Result<(), JobError> {
        // One that has ended stays as it is.
        let _ = self.job.abort(now(), by);
        self.work().await
    }

    /// Waits until there is something for [`proceed`](Self::proceed). Nothing is lost if the
    /// future is dropped.
    pub async fn due(&mut self) {
        let sleep = self.job.poll_timeout().map(|at| {
            let left = Duration::from_millis(at.saturating_sub(now()));
            tokio::time::sleep(left.min(MAX_SLEEP))
        });
        let timer = async {
            match sleep {
                Some(sleep) => sleep.await,
                None => std::future::pending().await,
            }
        };
        let Some(making) = &mut self.making else {
            return timer.await;
        };
        tokio::select! {
            ended = &mut making.thread => {
                let outcome = ended.unwrap_or(Err(JobError::Panicked));
                self.made = Some((making.what, outcome));
                self.making = None;
            }
            () = timer => {}
        }
    }

    /// Goes on with what is due.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn proceed(&mut self) -> Result<(), JobError> {
        match self.made.take() {
            Some((Made::Initial, Ok(()))) => self.job.handle_model_ready(now()),
            Some((Made::Initial, Err(error))) => {
                self.job.handle_model_failed(now(), &error.to_string());
            }
            Some((Made::Round(round), Ok(()))) => self.job.handle_averaged(now(), round),
            Some((Made::Round(round), Err(error))) => {
                let reason = error.to_string();
                self.job.handle_average_failed(now(), round, &reason);
            }
            None => self.job.handle_timeout(now()),
        }
        self.work().await
    }

    async fn result(&mut self, result: ResultReceived) -> Result<(), JobError> {
        let id = result.task;
        // A task that was withdrawn has no place any more.
        if let Some(task) = self.tasks.get(&id).cloned() {
            match self.judge(&task, result).await? {
                Ok(counts) => {
                    let verdict = self.job.handle_result(now(), &task, counts);
                    if let Verdict::Refused(reason) = verdict {
                        tracing::debug!(site = %task.site, "a result is refused: {reason}");
                    }
                }
                Err(reason) => self.job.handle_failure(now(), &task, &reason),
            }
            self.work().await?;
        }
        self.tasks.remove(&id);
        unless_over(self.server.taken(id).await)
    }

    /// Stores what came and checks it; gives what counts of it, or why it cannot be used.
    async fn judge(
        &self,
        task: &engine::TaskId,
        result: ResultReceived,
    ) -> Result<Result<TaskResult, String>, JobError> {
        if result.outcome != Outcome::Ok {
            return Ok(Err(headers::error(&result.headers).to_owned()));
        }
        let counts = match headers::result(&result.headers) {
            Ok(counts) => counts,
            Err(reason) => return Ok(Err(reason)),
        };
        let wants_arrays = task.kind != TaskKind::Validate;
        if !wants_arrays || !self.is_open(task) {
            return Ok(Ok(counts));
        }
        let base = self.brought(task);
        let partial = self.job.file().partial;
        let form = counts.form;
        let path = self.folder.result(task.round, &task.site);
        let folder = Arc::clone(&self.folder);
        let checked = blocking(move || {
            folder.keep(&path, &result.payload)?;
            let checked = ArrayFile::open(&path).and_then(|file| {
                let base = base
                    .map(|it| ArrayFile::open(&folder.model(it)))
                    .transpose()?;
                file.check(base.as_ref().map(ArrayFile::header), form, partial)
            });
            match checked {
                Ok(()) => Ok(None),
                Err(JobError::Arrays { source, .. }) => {
                    folder.discard(&path)?;
                    Ok(Some(source.to_string()))
                }
                Err(JobError::Container { source, .. }) => {
                    folder.discard(&path)?;
                    Ok(Some(source.to_string()))
                }
                Err(other) => Err(other),
            }
        });
        Ok(match checked.await? {
            None => Ok(counts),
            Some(reason) => Err(reason),
        })
    }

    /// Whether a result of this task could still count.
    fn is_open(&self, task: &engine::TaskId) -> bool {
        let status = self.job.status();
        (status.round, status.kind) == (task.round, Some(task.kind))
            && status.pending.contains(&task.site)
    }

    /// The number of the model that a task of training brought, if it brought any.
    fn brought(&self, task: &engine::TaskId) -> Option<u32> {
        let before = task.round.checked_sub(1)?;
        self.folder.model(before).exists().then_some(before)
    }

    /// Does all that the job wants.
    async fn work(&mut self) -> Result<(), JobError> {
        while let Some(command) = self.job.poll_command() {
            match command {
                Command::Record { number, record } => self.record(number, record).await?,
                Command::PrepareModel => {
                    let model = self.model.clone();
                    self.make(Made::Initial, move |folder| model.prepare(folder));
                }
                Command::AdoptModel(task) => {
                    self.make(Made::Initial, move |folder| {
                        let result = folder.result(task.round, &task.site);
                        folder.link(&result, &folder.model(0))
                    });
                }
                Command::Assign(task) => self.assign(task).await?,
                Command::Withdraw { task, .. } => self.withdraw(&task).await?,
                Command::Average {
                    round,
                    model,
                    results,
                } => {
                    let project = self.project.clone();
                    let partial = self.job.file().partial;
                    self.make(Made::Round(round), move |folder| {
                        average(folder, &project, round, model, results, partial)
                    });
                }
                Command::Publish { best, last } => {
                    self.on_disk(move |folder| folder.publish(best, last))
                        .await?;
                }
                Command::DiscardResults { round } => {
                    self.on_disk(move |folder| folder.discard_results(round))
                        .await?;
                }
                Command::DiscardModel { model } => {
                    self.on_disk(move |folder| folder.discard(&folder.model(model)))
                        .await?;
                }
                Command::Status(status) => {
                    self.on_disk(move |folder| folder.show(&status)).await?;
                }
                Command::End { .. } => self.end().await?,
                // A machine of a later version wants more than this host can do.
                other => tracing::warn!(?other, "the job wants what this program cannot do"),
            }
        }
        Ok(())
    }

    async fn record(&mut self, number: u64, record: Record) -> Result<(), JobError> {
        let entry = Entry {
            number,
            at: now(),
            record,
        };
        self.entries.push_back(entry.clone());
        self.on_disk(move |folder| folder.append(&entry)).await
    }

    /// Makes a model in a thread of its own: meanwhile sites are heard.
    fn make(
        &mut self,
        what: Made,
        make: impl FnOnce(&JobFolder) -> Result<(), JobError> + Send + 'static,
    ) {
        let folder = Arc::clone(&self.folder);
        let thread = tokio::task::spawn_blocking(move || make(&folder));
        self.making = Some(Making { what, thread });
    }

    async fn on_disk(
        &self,
        work: impl FnOnce(&JobFolder) -> Result<(), JobError> + Send + 'static,
    ) -> Result<(), JobError> {
        let folder = Arc::clone(&self.folder);
        blocking(move || work(&folder)).await
    }

    async fn assign(&mut self, task: Task) -> Result<(), JobError> {
        if self.tasks.values().any(|it| *it == task.id) {
            return Ok(());
        }
        let payload = match task.model {
            Some(model) => self.payload(model).await?,
            None => Payload::new(Bytes::new()),
        };
        let headers = headers::of_task(self.folder.name(), self.job.file(), &task);
        let site = Assignee::Site(Name::new(&task.id.site)?);
        let new = NewTask::new(task.id.kind.to_string(), payload).with_headers(headers);
        match self.server.assign(self.id, site, new).await {
            Ok(id) => drop(self.tasks.insert(id, task.id)),
            Err(CallError::Misuse(misuse)) => {
                self.job
                    .handle_failure(now(), &task.id, &misuse.to_string());
            }
            Err(stopped) => return Err(stopped.into()),
        }
        Ok(())
    }

    /// The model with this number, to be sent.
    async fn payload(&mut self, number: u32) -> Result<Payload, JobError> {
        if let Some((_, payload)) = self.payload.as_ref().filter(|(it, _)| *it == number) {
            return Ok(payload.clone());
        }
        // The one before is not needed any more.
        self.payload = None;
        let path = self.folder.model(number);
        let bytes = blocking(move || std::fs::read(&path).map_err(JobError::file(&path))).await?;
        let payload = Payload::new(bytes);
        self.payload = Some((number, payload.clone()));
        Ok(payload)
    }

    async fn withdraw(&mut self, task: &engine::TaskId) -> Result<(), JobError> {
        let known = self.tasks.iter().find(|(_, it)| *it == task);
        let Some(id) = known.map(|(id, _)| *id) else {
            return Ok(());
        };
        self.tasks.remove(&id);
        unless_over(self.server.withdraw(id).await)
    }

    async fn end(&mut self) -> Result<(), JobError> {
        self.payload = None;
        self.tasks.clear();
        unless_over(self.server.end_job(self.id).await)
    }
}

/// A server that does not know a task or a job any more has done with it.
fn unless_over(told: Result<(), CallError>) -> Result<(), JobError> {
    match told {
        Err(CallError::Misuse(_)) | Ok(()) => Ok(()),
        Err(stopped) => Err(stopped.into()),
    }
}

/// Writes the mean of these results as the model of the round.
fn average(
    folder: &JobFolder,
    project: &str,
    round: u32,
    model: Option<u32>,
    results: Vec<Counted>,
    partial: bool,
) -> Result<(), JobError> {
    let model = model
        .map(|it| ArrayFile::open(&folder.model(it)))
        .transpose()?;
    let mut files = BTreeMap::new();
    let mut contributors = Vec::new();
    for Counted {
        site, weight, form, ..
    } in results
    {
        let file = ArrayFile::open(&folder.result(round, &site))?;
        let header = file.header().clone();
        contributors.push(Contributor::new(site.clone(), weight, form, header));
        files.insert(site, file);
    }
    let base = model.as_ref().map(|it| it.header().clone());
    let mut mean = Mean::new(project, base, contributors, partial)?;
    whole(&folder.model(round), |out| {
        out.write_all(mean.header().bytes())?;
        while let Some(read) = mean.poll_read() {
            let file = match read.source {
                Source::Model => model.as_ref(),
                Source::Result(site) => files.get(site),
            };
            let bytes = file.map_or(Ok(Vec::new()), |it| it.read(read.range.clone()))?;
            mean.handle_read(&bytes)?;
            while let Some(written) = mean.poll_write() {
                out.write_all(&written)?;
            }
        }
        Ok(())
    })
}

/// Works on files, where nobody else has to wait for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JobError> + Send + 'static,
) -> Result<T, JobError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or(Err(JobError::Panicked))
}

/// Milliseconds of Unix time.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX)
}
