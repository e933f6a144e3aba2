//! `trainers.toml`: which programs the operator of a site lets work on which jobs, and what of
//! their results may leave.

mod duration;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Map;
use toml::{Table, Value};

use crate::process::Supervisor;
use crate::program::Launch;
use crate::protocol::{MAX_TEXT, cut, cut_to, end_of};
use crate::task::Failure;

/// The kind that stands for all that are not listed.
const ANY: &str = "*";

/// What in the text of a variable stands for the number of the slot.
const SLOT: &str = "{slot}";

/// The most programs of one kind at a time: a process each.
const MAX_SLOTS: u32 = 1_024;

/// The most restarts for one task: a program that dies so often will not stop to.
const MAX_RESTARTS: u32 = 100;

/// The longest name of a kind, in bytes.
const MAX_KIND: usize = 64;

const KEYS: [&str; 13] = [
    "command",
    "life",
    "format",
    "slots",
    "folder",
    "environment",
    "config",
    "leave",
    "filter",
    "errors",
    "limit",
    "restarts",
    "grace",
];

/// What is wrong with a `trainers.toml`, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// The trainers of a site, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trainers(BTreeMap<String, Trainer>);

/// One trainer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trainer {
    /// The program, then its arguments.
    pub command: Vec<String>,
    /// How long one process of it lives.
    pub life: Life,
    /// How many jobs may run at a time.
    pub slots: u32,
    /// Where it runs. None: where the site does.
    pub folder: Option<PathBuf>,
    /// Beside the environment of the site. `{slot}` is the number of the slot, from 0.
    pub environment: BTreeMap<String, String>,
    /// The keys that the config of a job may have. None: all.
    pub config: Option<Vec<String>>,
    /// What of a result may leave: `params`, `weight`, names of metrics, and `header:NAME`.
    /// None: all.
    pub leave: Option<Vec<String>>,
    /// A program that makes of the arrays of a result what may leave. Empty: none.
    pub filter: Vec<String>,
    /// What the coordinator hears of a failure.
    pub errors: Errors,
    /// How long a task may take. None: as long as it likes.
    pub limit: Option<Duration>,
    /// How often the program is started again for one task.
    pub restarts: u32,
    /// How long it may go on after it was told to stop.
    pub grace: Duration,
}

/// How long one process of a trainer lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// As long as its job; it speaks the trainer protocol.
    Job,
    /// As long as one task, whose arrays are files of this format.
    Task(Format),
}

/// The file format of a program that lives for one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NumPy's.
    Npz,
    /// Hugging Face's.
    Safetensors,
}

/// What the coordinator hears of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// The type of the exception, or how the program died: nothing that it has written.
    Type,
    /// The text of the exception as well.
    Text,
    /// And the end of what the program has printed.
    Tail,
}

impl Trainers {
    /// Reads the text of a `trainers.toml`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| SettingsError(error.to_string()))?;
        let mut trainers = BTreeMap::new();
        for (key, value) in table {
            match (key.as_str(), value) {
                ("trainer", Value::Table(kinds)) => {
                    for (kind, settings) in kinds {
                        let trainer = Section::new(&kind, settings)?.trainer()?;
                        trainers.insert(kind, trainer);
                    }
                }
                ("trainer", _) => {
                    return Err(SettingsError(
                        "`trainer` must be tables: [trainer.KIND] with a `command`".to_owned(),
                    ));
                }
                (unknown, _) => {
                    return Err(SettingsError(format!(
                        "`{unknown}` is no part of trainers.toml: it has tables [trainer.KIND] alone"
                    )));
                }
            }
        }
        Ok(Self(trainers))
    }

    /// The trainer for jobs of this kind: the one that is listed so, else `*`.
    #[must_use]
    pub fn get(&self, kind: &str) -> Option<&Trainer> {
        self.0.get(kind).or_else(|| self.0.get(ANY))
    }

    /// The kinds that are listed.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Trainer {
    /// How to start it in this slot.
    #[must_use]
    pub fn launch(&self, supervisor: Supervisor, slot: u32) -> Launch {
        let command = self.command.iter().map(Into::into).collect();
        let mut launch = Launch::new(supervisor, command);
        let slot = slot.to_string();
        launch.environment = self
            .environment
            .iter()
            .map(|(name, text)| (name.into(), text.replace(SLOT, &slot).into()))
            .collect();
        launch
            .environment
            .push(("FEDLINK_SLOT".into(), slot.into()));
        if let Some(folder) = &self.folder {
            launch.folder.clone_from(folder);
        }
        launch.leave.clone_from(&self.leave);
        launch.filter = self.filter.iter().map(Into::into).collect();
        launch.errors = self.errors;
        launch.limit = self.limit;
        launch.restarts = self.restarts;
        launch.grace = self.grace;
        launch
    }

    /// Refuses the config of a job that has keys which the operator does not admit: leaving
    /// them out would train something else than the job asks for.
    ///
    /// # Errors
    /// Which key it is.
    pub fn admit(&self, config: &Map<String, serde_json::Value>) -> Result<(), SettingsError> {
        let Some(admitted) = &self.config else {
            return Ok(());
        };
        match config.keys().find(|key| !admitted.contains(key)) {
            Some(key) => Err(SettingsError(format!(
                "the job's config has `{key}`, which this trainer does not admit: its operator can add it to `config` in trainers.toml"
            ))),
            None => Ok(()),
        }
    }
}

impl Errors {
    /// What the coordinator hears. `tail` is the end of what the program has printed.
    #[must_use]
    pub fn tell(self, failure: &Failure, tail: &str) -> String {
        match self {
            Self::Type => failure.type_alone(),
            Self::Text => cut(failure.to_string()),
            Self::Tail if tail.is_empty() => cut(failure.to_string()),
            Self::Tail => {
                // Both have their half; what one leaves is the other's.
                let printed = tail.len().min(MAX_TEXT / 2);
                let failure = cut_to(failure.to_string(), MAX_TEXT - 1 - printed);
                let printed = end_of(tail, MAX_TEXT - 1 - failure.len());
                format!("{failure}\n{printed}")
            }
        }
    }
}

/// One table of the file, whose keys are taken out one by one.
struct Section {
    name: String,
    table: Table,
}

impl Section {
    fn new(kind: &str, settings: Value) -> Result<Self, SettingsError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_kind = kind == ANY
            || (1..=MAX_KIND).contains(&kind.len())
                && kind.bytes().all(plain)
                && !kind.starts_with('.');
        let name = format!("[trainer.{}]", if kind == ANY { "\"*\"" } else { kind });
        if !is_kind {
            return Err(SettingsError(format!(
                "{name:.100}: a kind has 1 to {MAX_KIND} letters, digits, `-`, `_` and `.`, or is `*`"
            )));
        }
        let Value::Table(table) = settings else {
            return Err(SettingsError(format!("{name} must be a table")));
        };
        let section = Self { name, table };
        match section
            .table
            .keys()
            .find(|key| !KEYS.contains(&key.as_str()))
        {
            Some(unknown) => Err(section.wrong(unknown, &not_a_key(unknown))),
            None => Ok(section),
        }
    }

    fn trainer(mut self) -> Result<Trainer, SettingsError> {
        let command = self.texts("command")?.unwrap_or_default();
        if command.first().is_none_or(String::is_empty) {
            return Err(self.wrong(
                "command",
                "is missing: give the program and its arguments, as in [\"python3\", \"train.py\"]",
            ));
        }
        let format = self.word(
            "format",
            &[("npz", Format::Npz), ("safetensors", Format::Safetensors)],
        )?;
        let lives = [
            ("job", Life::Job),
            ("task", Life::Task(format.unwrap_or(Format::Npz))),
        ];
        let life = self.word("life", &lives)?.unwrap_or(Life::Job);
        if format.is_some() && life == Life::Job {
            return Err(self.wrong(
                "format",
                "is for `life = \"task\"`: a program that lives as long as its job gets safetensors",
            ));
        }
        let errors = [
            ("type", Errors::Type),
            ("text", Errors::Text),
            ("tail", Errors::Tail),
        ];
        let filter = self.texts("filter")?.unwrap_or_default();
        if filter.first().is_some_and(String::is_empty) {
            return Err(self.wrong("filter", "must begin with a program: [] is none"));
        }
        Ok(Trainer {
            command,
            life,
            slots: self.number("slots", 1, MAX_SLOTS)?.unwrap_or(1),
            folder: self.text("folder")?.map(PathBuf::from),
            environment: self.environment()?,
            config: self.texts("config")?,
            leave: self.texts("leave")?,
            filter,
            errors: self.word("errors", &errors)?.unwrap_or(Errors::Type),
            limit: self.limit()?,
            restarts: self.number("restarts", 0, MAX_RESTARTS)?.unwrap_or(1),
            grace: self.duration("grace")?.unwrap_or(Duration::from_secs(10)),
        })
    }

    fn wrong(&self, key: &str, problem: &str) -> SettingsError {
        SettingsError(format!("{}: `{key}` {problem}", self.name))
    }

    fn text(&mut self, key: &str) -> Result<Option<String>, SettingsError> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() && !text.contains('\0') => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "must be a text")),
        }
    }

    fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>, SettingsError> {
        let Some(value) = self.table.remove(key) else {
            return Ok(None);
        };
        let text = |value: &Value| {
            value
                .as_str()
                .filter(|text| !text.contains('\0'))
                .map(str::to_owned)
        };
        let texts = value
            .as_array()
            .and_then(|list| list.iter().map(text).collect());
        texts
            .map(Some)
            .ok_or_else(|| self.wrong(key, "must be a list of texts"))
    }

    fn word<T: Copy>(
        &mut self,
        key: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, SettingsError> {
        let Some(value) = self.table.remove(key) else {
            return Ok(None);
        };
        let chosen = value
            .as_str()
            .and_then(|text| words.iter().find(|(word, _)| *word == text));
        match chosen {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let known: Vec<String> = words
                    .iter()
                    .map(|(word, _)| format!("\"{word}\""))
                    .collect();
                Err(self.wrong(key, &format!("must be {}", known.join(" or "))))
            }
        }
    }

    fn number(&mut self, key: &str, least: u32, most: u32) -> Result<Option<u32>, SettingsError> {
        let Some(value) = self.table.remove(key) else {
            return Ok(None);
        };
        let number = value
            .as_integer()
            .and_then(|number| u32::try_from(number).ok());
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(key, &format!("must be a number from {least} to {most}"))),
        }
    }

    fn duration(&mut self, key: &str) -> Result<Option<Duration>, SettingsError> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let duration = duration::parse(&text);
        duration
            .map(Some)
            .ok_or_else(|| self.wrong(key, duration::EXPECTED))
    }

    fn limit(&mut self) -> Result<Option<Duration>, SettingsError> {
        if self.table.get("limit").and_then(Value::as_str) == Some("none") {
            self.table.remove("limit");
            return Ok(None);
        }
        let limit = self.duration("limit")?;
        match limit.is_some_and(|limit| limit.is_zero()) {
            true => Err(self.wrong(
                "limit",
                "is 0, and no task would ever end: give \"none\" for no limit",
            )),
            false => Ok(limit),
        }
    }

    fn environment(&mut self) -> Result<BTreeMap<String, String>, SettingsError> {
        let table = match self.table.remove("environment") {
            None => return Ok(BTreeMap::new()),
            Some(Value::Table(table)) => table,
            Some(_) => return Err(self.wrong("environment", "must be a table of texts")),
        };
        let variable = |(name, value): (String, Value)| {
            let is_name = !name.is_empty() && !name.contains(['=', '\0']);
            if name.starts_with("FEDLINK_") {
                return Err(self.wrong(
                    "environment",
                    "has a name that begins with FEDLINK_: these are the site's own",
                ));
            }
            match value {
                Value::String(text) if is_name && !text.contains('\0') => Ok((name, text)),
                _ => Err(self.wrong("environment", "must be a table of texts")),
            }
        };
        table.into_iter().map(variable).collect()
    }
}

/// What to say of a key that there is not.
fn not_a_key(unknown: &str) -> String {
    /// How unlike two names may be for one to be a slip of the other.
    const LIKE: usize = 3;
    let distance = |key: &&str| strsim::damerau_levenshtein(key, unknown);
    let nearest = KEYS.into_iter().min_by_key(distance);
    match nearest.filter(|key| unknown.len() <= MAX_KIND && distance(key) <= LIKE) {
        Some(key) => format!("is not known: did you mean `{key}`?"),
        None => format!("is not known; these are: {}", KEYS.join(", ")),
    }
}

#[cfg(test)]
mod tests;
