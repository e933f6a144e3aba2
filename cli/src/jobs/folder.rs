//! The folder of a job, which a person can read:
//!
//! ```text
//! job.toml                 as submitted, with the defaults
//! status.json              where the job is, and why
//! events.jsonl             what has happened, numbered, each on the disk before it counts
//! rounds/0007/results/site-1.safetensors
//!             model.safetensors
//! initial.safetensors  best.safetensors  last.safetensors
//! ```
//!
//! Whatever ends this process, and whenever: each file is whole or not there; only the last
//! line of `events.jsonl` may be cut, and counts for nothing then.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use fedlink::message::{JobId, Payload};
use fedlink_host::{HostError, random_id};
use fedlink_jobs::engine::Status;
use fedlink_jobs::job_file::JobFile;
use fedlink_jobs::mean::MeanError;
use serde::Serialize;

use super::JobError;

const JOB: &str = "job.toml";
const STATUS: &str = "status.json";
const EVENTS: &str = "events.jsonl";
const ROUNDS: &str = "rounds";
const RESULTS: &str = "results";
const INITIAL: &str = "initial.safetensors";
const BEST: &str = "best.safetensors";
const LAST: &str = "last.safetensors";
const MODEL: &str = "model.safetensors";

/// What a file is called until it is whole.
const PART: &str = "part";

/// How often a new id is drawn where there is a folder of that name.
const DRAWS: usize = 100;

/// The folder of one job.
#[derive(Clone, Debug)]
pub struct JobFolder {
    path: PathBuf,
    name: String,
}

impl JobFolder {
    /// Makes the folder of a new job in `place`, which is made too.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(place: &Path, file: &JobFile) -> Result<(Self, JobId), JobError> {
        fs::create_dir_all(place).map_err(JobError::file(place))?;
        let mut draws = 0;
        let (folder, id) = loop {
            let id = random_id().map_err(HostError::Entropy)?;
            let [first, second, ..] = id;
            let name = format!("{}-{first:02x}{second:02x}", file.name);
            // People read it: `plus-7f3a`, not `./plus-7f3a`.
            let path = match place == Path::new(".") {
                true => PathBuf::from(&name),
                false => place.join(&name),
            };
            match fs::create_dir(&path) {
                Ok(()) => break (Self { path, name }, JobId::from_bytes(id)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && draws < DRAWS => {
                    draws += 1;
                }
                Err(error) => return Err(JobError::file(&path)(error)),
            }
        };
        let job = folder.path.join(JOB);
        whole(&job, |out| Ok(out.write_all(file.to_toml().as_bytes())?))?;
        sync(place)?;
        Ok((folder, id))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name, which is the job's for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file of the best model, if there is one.
    #[must_use]
    pub fn best(&self) -> Option<PathBuf> {
        Some(self.path.join(BEST)).filter(|it| it.exists())
    }

    /// The file of the last model, if there is one.
    #[must_use]
    pub fn last(&self) -> Option<PathBuf> {
        Some(self.path.join(LAST)).filter(|it| it.exists())
    }

    /// The file of another job's model, best or last, whose folder is beside this one.
    pub(super) fn of_other(&self, job: &str, best: bool) -> PathBuf {
        let beside = self.path.with_file_name(job);
        beside.join(if best { BEST } else { LAST })
    }

    /// Where the model with this number is.
    pub(super) fn model(&self, number: u32) -> PathBuf {
        match number {
            0 => self.path.join(INITIAL),
            number => self.round(number).join(MODEL),
        }
    }

    /// Where the result of a site is.
    pub(super) fn result(&self, round: u32, site: &str) -> PathBuf {
        let results = self.round(round).join(RESULTS);
        results.join(format!("{site}.safetensors"))
    }

    fn round(&self, number: u32) -> PathBuf {
        self.path.join(ROUNDS).join(format!("{number:04}"))
    }

    /// Writes one line to the end of `events.jsonl`.
    pub(super) fn append(&self, entry: &impl Serialize) -> Result<(), JobError> {
        let path = self.path.join(EVENTS);
        let append = || {
            let mut line = serde_json::to_vec(entry)?;
            line.push(b'\n');
            let new = !path.exists();
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(&line)?;
            file.sync_data()?;
            Ok(new)
        };
        if append().map_err(JobError::file(&path))? {
            sync(&self.path)?;
        }
        Ok(())
    }

    pub(super) fn show(&self, status: &Status) -> Result<(), JobError> {
        whole(&self.path.join(STATUS), |out| {
            serde_json::to_writer_pretty(&mut *out, status).map_err(io::Error::from)?;
            Ok(out.write_all(b"\n")?)
        })
    }

    /// Writes the result of a site.
    pub(super) fn keep(&self, path: &Path, payload: &Payload) -> Result<(), JobError> {
        whole(path, |out| {
            for part in payload.parts() {
                out.write_all(part)?;
            }
            Ok(())
        })
    }

    /// Gives these models the names of the best and the last one.
    pub(super) fn publish(&self, best: Option<u32>, last: u32) -> Result<(), JobError> {
        self.name_model(last, LAST)?;
        best.map_or(Ok(()), |best| self.name_model(best, BEST))
    }

    fn name_model(&self, number: u32, name: &str) -> Result<(), JobError> {
        let model = self.model(number);
        if !model.exists() {
            // Its own file went when it had the name.
            return Ok(());
        }
        self.link(&model, &self.path.join(name))
    }

    /// Has the file under another name as well, by a copy where the file system has no links.
    pub(super) fn link(&self, from: &Path, to: &Path) -> Result<(), JobError> {
        let part = part_of(to);
        let link = || {
            remove(&part)?;
            if fs::hard_link(from, &part).is_err() {
                fs::copy(from, &part)?;
                File::open(&part)?.sync_all()?;
            }
            fs::rename(&part, to)?;
            // To rename one name of a file to another one of it does nothing.
            remove(&part)
        };
        link().map_err(JobError::file(to))?;
        sync(&self.path)
    }

    pub(super) fn discard_results(&self, round: u32) -> Result<(), JobError> {
        let results = self.round(round).join(RESULTS);
        match fs::remove_dir_all(&results) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(JobError::file(&results)(error))
            }
            _ => Ok(()),
        }
    }

    /// Deletes a file that may be gone.
    pub(super) fn discard(&self, path: &Path) -> Result<(), JobError> {
        remove(path).map_err(JobError::file(path))
    }
}

/// Writes a file so that it is there whole or not at all, and its folders with it.
pub(super) fn whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), WriteError>,
) -> Result<(), JobError> {
    let failed = || JobError::file(path);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed())?;
    let part = part_of(path);
    let mut out = BufWriter::new(File::create(&part).map_err(failed())?);
    let written = write(&mut out).and_then(|()| {
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(fs::rename(&part, path)?)
    });
    match written {
        Ok(()) => sync(folder),
        Err(error) => {
            let _ = remove(&part);
            Err(match error {
                WriteError::Io(error) => failed()(error),
                WriteError::Job(error) => error,
            })
        }
    }
}

/// Why a file was not written: its own fault, or that of what was to be written.
pub(super) enum WriteError {
    Io(io::Error),
    Job(JobError),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<JobError> for WriteError {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

impl From<MeanError> for WriteError {
    fn from(error: MeanError) -> Self {
        Self::Job(error.into())
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(PART);
    path.with_file_name(name)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Has the names in a folder on the disk.
fn sync(folder: &Path) -> Result<(), JobError> {
    let synced = File::open(folder).and_then(|it| it.sync_all());
    synced.map_err(JobError::file(folder))
}
