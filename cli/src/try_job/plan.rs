//! What is to be run, checked as far as it can be before anything starts.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use fedlink_jobs::job_file::{JobFile, MAX_JOB_FILE, ModelSource, SiteChoice};

use super::TryError;
use crate::exec::{ExecError, Program};
use crate::jobs::Model;
use crate::options::TryOptions;

/// A job that can begin.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) file: JobFile,
    pub(super) model: Model,
    /// Their names.
    pub(super) sites: Vec<String>,
}

impl Plan {
    pub(super) fn read(options: &TryOptions) -> Result<Self, TryError> {
        let path = &options.file;
        let text = read(path).map_err(|source| TryError::Read {
            path: path.clone(),
            source,
        })?;
        let settings: Vec<&str> = options.settings.iter().map(String::as_str).collect();
        let file = JobFile::parse(&text, &settings).map_err(|source| TryError::File {
            path: path.clone(),
            source,
        })?;
        let model = Model::new(&file, path.parent().unwrap_or(Path::new(".")));
        let sites = (1..=options.sites).map(|it| format!("site-{it}"));
        let plan = Self {
            sites: sites.collect(),
            file,
            model,
        };
        plan.check_sites()?;
        plan.model.check()?;
        find(options)?;
        Ok(plan)
    }

    fn check_sites(&self) -> Result<(), TryError> {
        let mut named = Vec::new();
        if let SiteChoice::Named(names) = &self.file.sites {
            named.extend(names);
        }
        if let ModelSource::Ask(name) = &self.file.model {
            named.push(name);
        }
        named.extend(self.file.site_config.keys());
        if let Some(name) = named.into_iter().find(|it| !self.sites.contains(it)) {
            return Err(TryError::NoSite {
                name: name.clone(),
                sites: self.sites.len(),
            });
        }
        let there = self.sites.iter().filter(|it| self.file.admits(it)).count();
        let wanted = [
            ("min_sites", self.file.min_sites),
            ("min_results", self.file.min_results),
            ("sample", self.file.sample),
        ];
        match wanted.into_iter().find(|(_, wanted)| *wanted > there) {
            Some((key, wanted)) => Err(TryError::Few { key, wanted, there }),
            None => Ok(()),
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // One byte more than may be shows that it is too long.
    let file = File::open(path)?.take(MAX_JOB_FILE as u64 + 1);
    io::BufReader::new(file).read_to_string(&mut text)?;
    Ok(text)
}

/// Whether there is such a program.
fn find(options: &TryOptions) -> Result<(), TryError> {
    let program = Program {
        command: options.command.clone(),
        site: String::new(),
    };
    match program.find() {
        Err(ExecError::Start { program, source }) => Err(TryError::Program { program, source }),
        Err(_) | Ok(()) => Ok(()),
    }
}
