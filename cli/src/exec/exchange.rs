//! The folder through which a task goes to a program and its result comes back.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fedlink::message::{Payload, Properties};
use fedlink::nvflare::npz;
use fedlink_host::trainer::Update;
use tempfile::TempDir;

use super::{ExecError, headers};

/// Beside the result; the program may write it.
pub(super) const OUTPUT_HEADERS: &str = "output.json";

const INPUT: &str = "input.npz";
const OUTPUT: &str = "output.npz";

/// What results are said to be.
const CONTENT_TYPE: &str = "application/x-npz";

/// The largest result, in bytes: what a machine takes by default.
const MAX_OUTPUT: u64 = 4 << 30;

/// The largest file of headers, in bytes: what headers may take in a message.
const MAX_HEADERS: u64 = 64 << 10;

/// How headers begin that are a result by themselves.
const METRICS: &str = "metrics.";

/// A folder that only this user can read, for one task. It is removed when dropped.
pub(super) struct Exchange(TempDir);

impl Exchange {
    /// A new one, with the arrays of a task.
    pub(super) fn new(payload: &Payload) -> Result<Self, ExecError> {
        let folder = private_folder().map_err(files("there is no temporary folder"))?;
        let exchange = Self(folder);
        write(&exchange.input(), payload).map_err(files("the task's arrays cannot be written"))?;
        Ok(exchange)
    }

    /// Where the program finds the arrays of the task.
    pub(super) fn input(&self) -> PathBuf {
        self.0.path().join(INPUT)
    }

    /// Where the program leaves the arrays of the result.
    pub(super) fn output(&self) -> PathBuf {
        self.0.path().join(OUTPUT)
    }

    /// What the program left. The file is read once.
    pub(super) fn update(self) -> Result<Update, ExecError> {
        let headers = self.headers()?;
        let metrics = headers.iter().any(|(key, _)| key.starts_with(METRICS));
        let payload = match self.payload()? {
            Some(payload) => payload,
            None if metrics => Payload::new(Vec::new()),
            None => return Err(ExecError::NoOutput),
        };
        Ok(Update { headers, payload })
    }

    fn payload(&self) -> Result<Option<Payload>, ExecError> {
        let failed = files("the program's result cannot be read");
        let file = match File::open(self.output()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let size = file.metadata().map_err(failed)?.len();
        if size > MAX_OUTPUT {
            return Err(ExecError::TooLarge {
                size,
                limit: MAX_OUTPUT,
            });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        // Somebody may still write.
        file.take(size).read_to_end(&mut bytes).map_err(failed)?;
        let bytes = Bytes::from(bytes);
        npz::read(&bytes).map_err(ExecError::NotNpz)?;
        Ok(Some(Payload::labelled(bytes, CONTENT_TYPE, "")))
    }

    fn headers(&self) -> Result<Properties, ExecError> {
        let unusable = |problem| ExecError::Headers { problem };
        let file = match File::open(self.0.path().join(OUTPUT_HEADERS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Properties::new()),
            opened => opened.map_err(|error| unusable(error.to_string()))?,
        };
        let mut text = String::new();
        let read = file.take(MAX_HEADERS + 1).read_to_string(&mut text);
        read.map_err(|error| unusable(error.to_string()))?;
        if text.len() as u64 > MAX_HEADERS {
            return Err(unusable(format!("it has more than {MAX_HEADERS} bytes")));
        }
        headers::from_json(&text).map_err(unusable)
    }
}

fn private_folder() -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("fedlink-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir()
}

fn write(path: &Path, payload: &Payload) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    for part in payload.parts() {
        file.write_all(part)?;
    }
    Ok(())
}

fn files(what: &'static str) -> impl Fn(io::Error) -> ExecError + Copy {
    move |source| ExecError::Files { what, source }
}
