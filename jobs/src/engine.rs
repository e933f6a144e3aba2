//! A job as a pure machine: rounds, who is in them, and when they are over.
//!
//! # How a host drives it
//!
//! `handle_*` methods and commands take what has happened and finish all the work;
//! [`Job::poll_command`] returns what the host has to do, one after the other: **it polls the
//! next command when this one is done**. So what must not be forgotten is on the disk before
//! what rests on it is done. [`Job::poll_timeout`] is when [`Job::handle_timeout`] is due.
//!
//! Time is in milliseconds of Unix time, because deadlines outlive restarts. A host reads that
//! clock once, when it starts, and adds what a monotonic clock says since: one that is set an
//! hour ahead meanwhile would end all that is due within the hour.
//!
//! 1. [`Job::new`], or [`Job::restore`] with the records that are on the disk.
//! 2. For each site that is there, [`Job::handle_site`]; when one has left, [`Job::handle_site_gone`].
//! 3. Do what [`Job::poll_command`] returns.
//! 4. A result came: ask [`Job::verdict`] first. If it could count, store its file under a name
//!    with the round, the site **and the attempt**, check it, then [`Job::handle_result`]; if it
//!    cannot be used, [`Job::handle_failure`]. After the commands are done, tell the site that it
//!    was taken: if the host dies before, the result comes again, and [`Verdict::Again`] says so.
//! 5. After a restart, the same from 1: commands that may have been done are there once more.
//!
//! # The loop
//!
//! Three sites that add one in each of three rounds, in one process:
//!
//! ```
//! use std::collections::{BTreeMap, VecDeque};
//!
//! use fedlink_jobs::container::{ArrayOutline, Container, Dtype, Metadata, write};
//! use fedlink_jobs::engine::{Command, Job, Phase, TaskResult, Verdict};
//! use fedlink_jobs::job_file::JobFile;
//! use fedlink_jobs::mean::{Contributor, Kind, Mean, Source, Weight, check, chunks};
//!
//! /// A model file with these numbers.
//! fn file(numbers: &[f32]) -> Vec<u8> {
//!     let outline = ArrayOutline::new("w", Dtype::F32, [numbers.len()]);
//!     let elements: Vec<u8> = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
//!     write([(outline, &elements[..])], Metadata::new()).unwrap()
//! }
//!
//! /// What a trainer does: it adds one to each number.
//! fn train(model: &[u8]) -> Vec<u8> {
//!     let elements = Container::read(model).unwrap().bytes("w").unwrap();
//!     let (numbers, _) = elements.as_chunks();
//!     file(&numbers.iter().map(|it| f32::from_le_bytes(*it) + 1.0).collect::<Vec<_>>())
//! }
//!
//! let mut now = 0;
//! let mut models = BTreeMap::new(); // By number.
//! let mut results = BTreeMap::new(); // By round and site.
//! let mut journal = Vec::new();
//! let mut answers = VecDeque::new();
//! let mut job = Job::new(now, JobFile::parse("name = \"plus\"\nrounds = 3\nmin_sites = 3", &[])?);
//! for site in ["site-1", "site-2", "site-3"] {
//!     job.handle_site(now, site, &["plus"]);
//! }
//! loop {
//!     while let Some(command) = job.poll_command() {
//!         match command {
//!             Command::Record { number, record } => {
//!                 journal.push(serde_json::to_string(&(number, now, record))?);
//!             }
//!             Command::PrepareModel => {
//!                 models.insert(0, file(&[1.0, 2.0, 3.0]));
//!                 job.handle_model_ready(now);
//!             }
//!             Command::Assign(task) => {
//!                 let model = models[&task.model.unwrap()].clone();
//!                 answers.push_back((task, train(&model)));
//!             }
//!             Command::Average { round, model, results: counted } => {
//!                 let base = model.map(|it| Container::read(&models[&it]).unwrap().header().clone());
//!                 let contributor = |it: fedlink_jobs::engine::Counted| {
//!                     let file: &Vec<u8> = &results[&(round, it.site.clone())];
//!                     let header = Container::read(file).unwrap().header().clone();
//!                     Contributor::new(it.site, it.weight, it.form, header)
//!                 };
//!                 let contributors = counted.into_iter().map(contributor).collect();
//!                 let mut mean = Mean::new("project", base, contributors, false)?;
//!                 let mut new = mean.header().bytes().to_vec();
//!                 while let Some(read) = mean.poll_read() {
//!                     let file = match read.source {
//!                         Source::Model => &models[&model.unwrap()],
//!                         Source::Result(site) => &results[&(round, site.to_owned())],
//!                     };
//!                     let bytes = &file[read.range.start as usize..read.range.end as usize];
//!                     mean.handle_read(bytes)?;
//!                     new.extend(mean.poll_write().into_iter().flatten());
//!                 }
//!                 models.insert(round, new);
//!                 job.handle_averaged(now, round);
//!             }
//!             Command::Status(status) => println!("{:?}: {}", status.phase, status.reason),
//!             _ => {} // Withdraw, Publish, Discard…, End: files and tasks are the host's.
//!         }
//!     }
//!     now += 1000;
//!     if let Some((task, result)) = answers.pop_front() {
//!         let model = Container::read(&models[&task.model.unwrap()])?.header().clone();
//!         let header = Container::read(&result)?.header().clone();
//!         check(Some(&model), &header, Kind::Full, false)?;
//!         for chunk in chunks(&header) {
//!             chunk.check(&result[chunk.range().start as usize..chunk.range().end as usize])?;
//!         }
//!         results.insert((task.id.round, task.id.site.clone()), result);
//!         let counts = TaskResult::new(Some(Weight::new(2.0)?), Kind::Full);
//!         assert_eq!(job.handle_result(now, &task.id, counts), Verdict::Counted);
//!     } else if job.poll_timeout().is_some_and(|due| due <= now) {
//!         job.handle_timeout(now);
//!     } else {
//!         break; // A host that serves waits here for a result, a site or the timeout.
//!     }
//! }
//! assert_eq!(job.status().phase, Phase::Done);
//! assert_eq!(models[&3], file(&[4.0, 5.0, 6.0]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod command;
mod machine;
mod record;
mod sample;
mod state;
mod status;

pub use command::{Command, Task, Verdict};
pub use machine::{Job, MAX_METRIC_NAME, MAX_METRICS, MAX_REASON, RestoreError, TaskResult};
pub use record::{Counted, Ended, Outcome, Record, TaskId, TaskKind};
pub use status::{Phase, Status};

#[cfg(test)]
mod tests;
