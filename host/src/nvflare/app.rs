//! The app of an NVFlare job, as it is deployed to a site: its configuration says what results
//! are to be.
//!
//! It is read as data. Nothing of it is run, and nothing is unpacked to disk.

use std::io::{Cursor, Read};

use serde_json::{Map, Value};
use zip::ZipArchive;
use zip::result::ZipError;

/// Where NVFlare looks for the configuration of a site's part.
const CONFIGURATION: &str = "config/config_fed_client.json";
/// The other forms in which NVFlare takes it.
const OTHER_FORMS: [&str; 4] = ["json.default", "conf", "yml", "yaml"];

/// The longest configuration that is read, in bytes: genuine ones have a few KiB.
const MAX_CONFIGURATION: u64 = 1 << 20;
/// The most files in an app that is looked into.
const MAX_FILES: usize = 10_000;

/// What the deployed app says of a site's work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct App {
    pub(super) executors: Vec<Executor>,
    /// Filters of what comes and of what goes.
    pub(super) filters: Vec<String>,
}

/// Who does which tasks in a Python site.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Executor {
    /// Names of tasks, or patterns of them.
    pub(super) tasks: Vec<String>,
    /// Its class, with the path of its module if that is given.
    pub(super) class: String,
    pub(super) arguments: Map<String, Value>,
}

/// Why nobody can tell what an app asks for.
#[derive(Debug, thiserror::Error)]
pub(super) enum AppError {
    #[error("the app is no zip archive that can be read: {0}")]
    Zip(#[from] ZipError),
    #[error("the app has {0} files, more than the {MAX_FILES} that are looked into")]
    Files(usize),
    #[error("the app has no {CONFIGURATION}")]
    Missing,
    #[error("the app's configuration is {0}: this site reads config_fed_client.json alone")]
    Form(String),
    #[error("{CONFIGURATION} has more than {MAX_CONFIGURATION} bytes")]
    TooLarge,
    #[error("{CONFIGURATION} cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("{CONFIGURATION} is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{CONFIGURATION}: {0}")]
    Content(String),
}

impl App {
    pub(super) fn read(zip: &[u8]) -> Result<Self, AppError> {
        let mut archive = ZipArchive::new(Cursor::new(zip))?;
        if archive.len() > MAX_FILES {
            return Err(AppError::Files(archive.len()));
        }
        let Some(place) = archive.index_for_name(CONFIGURATION) else {
            let stem = CONFIGURATION.trim_end_matches("json");
            let is_it = |name: &str| {
                let form = name.strip_prefix(stem);
                form.is_some_and(|form| OTHER_FORMS.contains(&form))
            };
            let mut names = archive.file_names().flatten();
            let other = names.find(|name| is_it(name)).map(Into::into);
            return Err(other.map_or(AppError::Missing, AppError::Form));
        };
        let file = archive.by_index(place)?;
        // What it says of its size may be a lie.
        let mut text = Vec::new();
        file.take(MAX_CONFIGURATION + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_CONFIGURATION {
            return Err(AppError::TooLarge);
        }
        Configuration(serde_json::from_slice(&text)?).app()
    }
}

/// Any bytes, as an app and as the configuration in one: run by the fuzzer.
#[cfg(fuzzing)]
pub fn fuzz(data: &[u8]) {
    let _ = App::read(data);
    if let Ok(configuration) = serde_json::from_slice(data) {
        let _ = Configuration(configuration).app();
    }
}

/// The whole configuration.
struct Configuration(Map<String, Value>);

impl Configuration {
    fn app(&self) -> Result<App, AppError> {
        let executors = self.list("executors")?.iter().map(|it| self.executor(it));
        let executors: Vec<Executor> = executors.collect::<Result<_, _>>()?;
        if executors.is_empty() {
            return Err(AppError::Content("there are no executors".to_owned()));
        }
        let mut filters = Vec::new();
        for key in ["task_data_filters", "task_result_filters"] {
            for chain in self.list(key)? {
                let of_chain = chain.get("filters").and_then(Value::as_array);
                let of_chain = of_chain.ok_or_else(|| content(key, "has no list of filters"))?;
                for filter in of_chain {
                    filters.push(self.class(key, filter)?);
                }
            }
        }
        Ok(App { executors, filters })
    }

    fn executor(&self, entry: &Value) -> Result<Executor, AppError> {
        const KEY: &str = "executors";
        let tasks = entry.get("tasks").and_then(Value::as_array);
        let tasks = tasks.ok_or_else(|| content(KEY, "has no list of tasks"))?;
        let tasks = tasks.iter().map(|task| self.text(KEY, task));
        let component = entry.get("executor");
        let component = component.ok_or_else(|| content(KEY, "has no executor"))?;
        let mut arguments = match component.get("args") {
            Some(Value::Object(arguments)) => arguments.clone(),
            None | Some(Value::Null) => Map::new(),
            Some(_) => return Err(content(KEY, "has arguments that are no object")),
        };
        for argument in arguments.values_mut().filter(|it| it.is_string()) {
            if let Ok(text) = self.text(KEY, argument) {
                *argument = text.into();
            }
        }
        Ok(Executor {
            tasks: tasks.collect::<Result<_, _>>()?,
            class: self.class(KEY, component)?,
            arguments,
        })
    }

    fn class(&self, key: &str, component: &Value) -> Result<String, AppError> {
        let name = ["path", "class_path", "name"]
            .into_iter()
            .find_map(|it| component.get(it));
        let name = name.ok_or_else(|| content(key, "has a component without a class"))?;
        self.text(key, name)
    }

    fn list(&self, key: &str) -> Result<&[Value], AppError> {
        match self.0.get(key) {
            Some(Value::Array(list)) => Ok(list),
            None | Some(Value::Null) => Ok(&[]),
            Some(_) => Err(content(key, "is no list")),
        }
    }

    /// A text, which may be the name of a variable in braces.
    fn text(&self, key: &str, value: &Value) -> Result<String, AppError> {
        let text = value.as_str();
        let text = text.ok_or_else(|| content(key, "has something where a text should be"))?;
        let variable = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'));
        match variable.map(|name| self.0.get(name)) {
            Some(Some(Value::String(text))) => Ok(text.clone()),
            None if !text.contains('{') => Ok(text.to_owned()),
            _ => Err(content(key, &format!("has a variable, `{text}`"))),
        }
    }
}

fn content(key: &str, what: &str) -> AppError {
    AppError::Content(format!("`{key}` {what}"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// An app with these files.
    pub(in crate::nvflare) fn app(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            let options = SimpleFileOptions::default();
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn read(configuration: &str) -> Result<App, String> {
        let zip = app(&[
            ("custom/train.py", b"import os"),
            (CONFIGURATION, configuration.as_bytes()),
        ]);
        App::read(&zip).map_err(|error| error.to_string())
    }

    #[test]
    fn executors_and_filters_are_read_with_their_variables() {
        let app = read(
            r#"{
                "transfer": "DIFF",
                "executors": [{
                    "tasks": ["train", "swarm_*"],
                    "executor": {
                        "path": "a.b.Executor",
                        "args": {"params_transfer_type": "{transfer}", "rounds": 3, "script": "x{y}"}
                    }
                }],
                "task_result_filters": [{"tasks": ["train"], "filters": [{"name": "Noise"}]}],
                "task_data_filters": null
            }"#,
        )
        .unwrap();
        let [executor] = &app.executors[..] else {
            panic!("{app:?}")
        };
        assert_eq!(executor.tasks, ["train", "swarm_*"]);
        assert_eq!(executor.class, "a.b.Executor");
        assert_eq!(executor.arguments["params_transfer_type"], "DIFF");
        assert_eq!(executor.arguments["script"], "x{y}");
        assert_eq!(app.filters, ["Noise"]);
    }

    #[test]
    fn what_cannot_be_told_is_an_error_with_its_place() {
        for (configuration, told) in [
            ("[]", "is no JSON"),
            ("{", "is no JSON"),
            ("{}", "no executors"),
            (r#"{"executors": {}}"#, "`executors` is no list"),
            (r#"{"executors": [{}]}"#, "no list of tasks"),
            (r#"{"executors": [{"tasks": []}]}"#, "has no executor"),
            (
                r#"{"executors": [{"tasks": [1], "executor": {"path": "A"}}]}"#,
                "where a text",
            ),
            (
                r#"{"executors": [{"tasks": [], "executor": {}}]}"#,
                "without a class",
            ),
            (
                r#"{"executors": [{"tasks": [], "executor": {"path": "{x}"}}]}"#,
                "a variable",
            ),
            (
                r#"{"executors": [{"tasks": [], "executor": {"path": "A", "args": []}}]}"#,
                "no object",
            ),
            (
                r#"{"executors": [{"tasks": [], "executor": {"path": "A"}}], "task_result_filters": [{}]}"#,
                "no list of filters",
            ),
        ] {
            let error = read(configuration).unwrap_err();
            assert!(error.contains(told), "{configuration}: {error}");
        }
    }

    #[test]
    fn an_archive_that_lies_or_is_none_is_refused_within_bounds() {
        let refused = |zip: &[u8]| App::read(zip).unwrap_err().to_string();
        assert!(refused(b"").contains("no zip archive"));
        assert!(refused(b"junk").contains("no zip archive"));
        assert!(refused(&app(&[])).contains("has no config"));
        assert!(refused(&app(&[("config/config_fed_client.conf", b"")])).contains("alone"));
        let bomb = vec![b' '; 64 << 20];
        let zip = app(&[(CONFIGURATION, &bomb)]);
        assert!(zip.len() < 1 << 20);
        assert!(refused(&zip).contains("more than 1048576 bytes"));
        // A name that leads out of the archive is a name like any other: nothing is unpacked.
        let zip = app(&[("../../etc/passwd", b""), (CONFIGURATION, b"{}")]);
        assert!(refused(&zip).contains("no executors"));
        let whole = app(&[(CONFIGURATION, br#"{"executors": []}"#)]);
        for end in 0..whole.len() {
            assert!(App::read(&whole[..end]).is_err());
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            let _ = App::read(&changed);
        }
    }
}
