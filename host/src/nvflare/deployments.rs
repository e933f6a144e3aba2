//! Trainers that keep to what the apps of their jobs ask of results.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fedlink::Task;
use fedlink::message::{JobId, Payload};
use fedlink::nvflare::{Decision, Model};
use glob::Pattern;
use serde::{Deserialize, Serialize};

use super::app::{App, Executor};
use super::difference::difference;
use super::outline::{Outline, outlines};
use crate::trainer::{Failure, Stop, Trainer, Update};

/// The argument of executors that says whether full models or differences go back.
const TRANSFER: &str = "params_transfer_type";

/// Executors of NVFlare that run a script by its Client API, of all releases; what that
/// sends is up to the script and their arguments.
const CLIENT_API: [&str; 7] = [
    "nvflare.app_common.executors.client_api_executor.ClientAPIExecutor",
    "nvflare.app_common.executors.in_process_client_api_executor.InProcessClientAPIExecutor",
    "nvflare.app_common.executors.client_api_launcher_executor.ClientAPILauncherExecutor",
    "nvflare.app_opt.pt.in_process_client_api_executor.PTInProcessClientAPIExecutor",
    "nvflare.app_opt.pt.client_api_launcher_executor.PTClientAPILauncherExecutor",
    "nvflare.app_opt.tf.in_process_client_api_executor.TFInProcessClientAPIExecutor",
    "nvflare.app_opt.tf.client_api_launcher_executor.TFClientAPILauncherExecutor",
];

/// Executors of NVFlare that send full models, or metrics.
const FULL: [&str; 2] = [
    "nvflare.app_common.np.np_trainer.NPTrainer",
    "nvflare.app_common.np.np_validator.NPValidator",
];

/// Arguments that name a component which changes what comes or goes.
const CONVERTERS: [&str; 2] = ["from_nvflare_converter_id", "to_nvflare_converter_id"];

/// What the operator of a site says that its trainers do by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Classes of executors in whose place the trainers work, with or without the path of
    /// their module. They send back what the job expects of these.
    pub executors: BTreeSet<String>,
    /// Classes of filters that the trainers apply themselves.
    pub filters: BTreeSet<String>,
    /// Arrays may change their type or shape, if the job takes full models.
    pub changed_arrays: bool,
}

/// The jobs that were deployed to a site. What their apps say is kept to: nothing is taken
/// for a default that a job does not say.
///
/// Ask it about each [`Deploy`](fedlink::ClientAction::Deploy), answer with what it says,
/// and let it put its own trainer around each of yours. The settings of the client must say
/// that [the host decides](fedlink::nvflare::Settings::host_decides).
#[derive(Debug)]
pub struct Deployments {
    accepted: Accepted,
    /// Where terms outlive this process.
    folder: Option<PathBuf>,
    known: Mutex<BTreeMap<JobId, Terms>>,
}

/// Jobs whose terms are kept at a time: more than a site ever runs.
const MAX_JOBS: usize = 1024;

/// What goes back to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Transfer {
    /// The model.
    Full,
    /// The difference from the model that came.
    Difference,
}

/// What a job asks of results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Terms {
    /// By names of tasks or patterns of them, in the order of the app.
    tasks: Vec<(String, Transfer)>,
}

impl Deployments {
    /// Of a site whose operator says this of its trainers. What jobs ask for is kept in
    /// `folder`, if there is one, for the process that goes on after this one.
    #[must_use]
    pub fn new(accepted: Accepted, folder: Option<PathBuf>) -> Self {
        Self {
            accepted,
            folder,
            known: Mutex::default(),
        }
    }

    /// Reads the app of a job. It is refused, with a reason that the administrator sees, if
    /// the job asks for something that neither fedlink nor, as far as is known, the trainer
    /// does.
    #[must_use]
    pub fn deployed(&self, job: JobId, app: &Payload) -> Decision {
        let terms = match self.terms(app) {
            Ok(terms) => terms,
            Err(reason) => return Decision::Refuse(reason),
        };
        let known = self.known();
        if known.len() >= MAX_JOBS && !known.contains_key(&job) {
            return Decision::Refuse(format!(
                "{MAX_JOBS} jobs were deployed to this site and have not ended: abort some, or start the site again"
            ));
        }
        drop(known);
        if let Err(error) = self.keep(job, &terms) {
            return Decision::Refuse(format!(
                "this site cannot keep what the job asks for ({error}): check the space and the rights of its folder for state"
            ));
        }
        self.known().insert(job, terms);
        Decision::Accept
    }

    /// A trainer that gives back what the job asks for, around one that trains.
    #[must_use]
    pub fn trainer(&self, job: JobId, inner: Box<dyn Trainer>) -> Box<dyn Trainer> {
        let known = self.known().get(&job).cloned();
        let terms = known.map_or_else(|| self.recall(job), Ok);
        Box::new(Bound {
            inner,
            terms,
            changed_arrays: self.accepted.changed_arrays,
            told: BTreeSet::new(),
        })
    }

    /// A job is over.
    pub fn ended(&self, job: JobId) {
        self.known().remove(&job);
        if let Some(path) = self.path(job) {
            // At worst it lies there.
            let _ = fs::remove_file(path);
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<JobId, Terms>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn terms(&self, app: &Payload) -> Result<Terms, String> {
        let app = App::read(app.bytes())
            .map_err(|error| format!("this site cannot tell what the job asks for: {error}"))?;
        if let Some(filter) = self.accepted.missing_filter(&app.filters) {
            return Err(format!(
                "the job prescribes the filter {filter}, which this site does not run: its operator must apply it in the training program, and say so with --accept-filters {}",
                last_name(filter)
            ));
        }
        let mut tasks = Vec::new();
        for executor in &app.executors {
            let transfer = self.transfer(executor)?;
            tasks.extend(executor.tasks.iter().map(|task| (task.clone(), transfer)));
        }
        Ok(Terms { tasks })
    }

    fn transfer(&self, executor: &Executor) -> Result<Transfer, String> {
        let class = &executor.class;
        let is_one_of = |known: &[&str]| {
            known
                .iter()
                .any(|known| known == class || last_name(known) == class)
        };
        let accepted = is_among(&self.accepted.executors, class);
        if !accepted {
            if is_one_of(&FULL) {
                return Ok(Transfer::Full);
            }
            if !is_one_of(&CLIENT_API) {
                return Err(format!(
                    "this site does not know the executor {class}: its operator must check that the training program does what it does, and say so with --accept-executors {}",
                    last_name(class)
                ));
            }
            for converter in CONVERTERS {
                let argument = executor.arguments.get(converter);
                if argument.is_some_and(|it| !it.is_null() && it != "") {
                    return Err(format!(
                        "the job converts models by {converter} = {}, which this site does not run: its operator must do so in the training program, and say so with --accept-executors {}",
                        argument.unwrap_or_default(),
                        last_name(class)
                    ));
                }
            }
        }
        match executor.arguments.get(TRANSFER) {
            None | Some(serde_json::Value::Null) => Ok(Transfer::Full),
            Some(transfer) if transfer == "FULL" => Ok(Transfer::Full),
            Some(transfer) if transfer == "DIFF" => Ok(Transfer::Difference),
            Some(other) => Err(format!(
                "this site does not know the {TRANSFER} {other} of the executor {class}"
            )),
        }
    }

    fn path(&self, job: JobId) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("job-{job}.json")))
    }

    fn keep(&self, job: JobId, terms: &Terms) -> io::Result<()> {
        let Some(path) = self.path(job) else {
            return Ok(());
        };
        let next = path.with_extension("next");
        let mut file = File::create(&next)?;
        file.write_all(&serde_json::to_vec(terms)?)?;
        file.sync_all()?;
        fs::rename(next, &path)?;
        sync_folder(&path)
    }

    /// What an earlier process was told of a job, or why that is not known.
    fn recall(&self, job: JobId) -> Result<Terms, String> {
        let read = |path| -> io::Result<Terms> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
        match self.path(job).map(read) {
            Some(Ok(terms)) => Ok(terms),
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(format!(
                "what job {job} asks for cannot be read ({error}): deploy it again"
            )),
            Some(Err(_)) | None => Err(format!(
                "job {job} was deployed to another process of this site, and what it asks for is not known here: deploy it again, and let the site keep its state"
            )),
        }
    }
}

impl Terms {
    fn transfer_of(&self, task: &str) -> Option<Transfer> {
        let (_, transfer) = self
            .tasks
            .iter()
            .find(|(name, _)| name == task)
            .or_else(|| {
                self.tasks
                    .iter()
                    .find(|(name, _)| Pattern::new(name).is_ok_and(|pattern| pattern.matches(task)))
            })?;
        Some(*transfer)
    }
}

/// A trainer bound to what its job asks for.
struct Bound {
    inner: Box<dyn Trainer>,
    terms: Result<Terms, String>,
    changed_arrays: bool,
    /// Arrays that were told to be missing or new.
    told: BTreeSet<String>,
}

impl Trainer for Bound {
    fn train(&mut self, task: Task, stop: &Stop) -> Result<Update, Failure> {
        let terms = self.terms.as_ref().map_err(Clone::clone)?;
        let transfer = terms
            .transfer_of(&task.name)
            .ok_or_else(|| format!("the job has no executor for the task `{}`", task.name))?;
        let before = Before::of(&task, transfer)?;
        let mut update = self.inner.train(task, stop)?;
        if update.payload.is_empty() || !is_of_weights(&update) {
            return Ok(update);
        }
        let after = Model::read(update.payload.bytes())?;
        self.tell_names(&before, &after);
        let differs = update.headers.get(KIND) == Some(WEIGHT_DIFF);
        if !self.changed_arrays || (transfer == Transfer::Difference && !differs) {
            before.check(&after)?;
        }
        if transfer == Transfer::Difference && !differs {
            let model = before.model.unwrap_or_default();
            if before.arrays.is_empty() {
                return Err("the job takes differences, and the task has no model".into());
            }
            update.payload = difference(&after, &model)?.to_payload()?;
            update.headers.insert(KIND, WEIGHT_DIFF);
        }
        Ok(update)
    }
}

/// The header that says what a result is.
const KIND: &str = "kind";
const WEIGHTS: &str = "WEIGHTS";
const WEIGHT_DIFF: &str = "WEIGHT_DIFF";

fn is_of_weights(update: &Update) -> bool {
    matches!(update.headers.get(KIND), None | Some(WEIGHTS | WEIGHT_DIFF))
}

impl Bound {
    /// Says once which arrays are in the task or the result alone.
    fn tell_names(&mut self, before: &Before, after: &Model) {
        if before.arrays.is_empty() {
            return;
        }
        let names: BTreeSet<&str> = names(after).collect();
        let missing = before.arrays.keys().map(String::as_str);
        let missing = missing.filter(|name| !names.contains(name));
        let new = names
            .iter()
            .filter(|name| !before.arrays.contains_key(**name));
        for (name, what) in missing
            .map(|name| (name, "the result lacks an array of the task"))
            .chain(new.map(|name| (*name, "the result has an array that the task has not")))
        {
            if self.told.len() < MAX_TOLD && self.told.insert(name.to_owned()) {
                tracing::warn!(array = name, "{what}");
            }
        }
    }
}

/// Arrays of one job that are told of, at most.
const MAX_TOLD: usize = 100;

/// What the task has.
struct Before {
    /// Type and shape of each array, by name.
    arrays: BTreeMap<String, (String, Vec<usize>)>,
    /// The arrays themselves, if they are needed later.
    model: Option<Model>,
}

impl Before {
    fn of(task: &Task, transfer: Transfer) -> Result<Self, Failure> {
        if task.payload.is_empty() {
            return Ok(Self {
                arrays: BTreeMap::new(),
                model: None,
            });
        }
        let arrays = outlines(&task.payload)?.into_iter();
        let arrays = arrays.map(|(name, outline)| match outline {
            Outline::Array(descr, shape) => (name, (kind(&descr).to_owned(), shape)),
            Outline::Tensor => (name, (TENSOR.to_owned(), Vec::new())),
        });
        Ok(Self {
            arrays: arrays.collect(),
            // Whatever is subtracted has to lie in one piece.
            model: match transfer {
                Transfer::Full => None,
                Transfer::Difference => Some(Model::read(task.payload.bytes())?),
            },
        })
    }

    /// Fails if an array has not the type or shape that it came with.
    fn check(&self, after: &Model) -> Result<(), String> {
        for (name, found) in shapes(after) {
            match self.arrays.get(&name) {
                Some(came) if came.0 != TENSOR && *came != found => {
                    return Err(format!(
                        "array `{name}` came as {} of shape {:?} and goes back as {} of shape {:?}: give it back as it came, or start this site with --accept-changed-arrays if the job takes full models of any kind",
                        came.0, came.1, found.0, found.1
                    ));
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

/// What stands for the type of a tensor, which is not looked into.
const TENSOR: &str = "tensor";

/// Name, type without the order of its bytes, and shape of each array.
fn shapes(model: &Model) -> impl Iterator<Item = (String, (String, Vec<usize>))> {
    model.arrays().map(|(name, array)| {
        let kind = kind(array.descr()).to_owned();
        (name.to_owned(), (kind, array.shape().to_vec()))
    })
}

/// A type of numpy without the order of its bytes.
fn kind(descr: &str) -> &str {
    descr.trim_start_matches(['<', '>', '|', '='])
}

fn names(model: &Model) -> impl Iterator<Item = &str> {
    let tensors = model.tensors().map(|(name, _)| name);
    model.arrays().map(|(name, _)| name).chain(tensors)
}

/// Makes the name of a file durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

impl Accepted {
    /// The first of these filters that the trainers do not apply.
    #[must_use]
    pub fn missing_filter<'a>(
        &self,
        filters: impl IntoIterator<Item = &'a String>,
    ) -> Option<&'a str> {
        let mut filters = filters.into_iter().map(String::as_str);
        filters.find(|class| !is_among(&self.filters, class))
    }
}

/// Whether a class is named, in full or by its last name.
fn is_among(names: &BTreeSet<String>, class: &str) -> bool {
    names.contains(class) || names.contains(last_name(class))
}

/// The name of a class without that of its module.
fn last_name(class: &str) -> &str {
    class.rsplit('.').next().unwrap_or(class)
}

#[cfg(test)]
mod tests;
