//! What a program prints: a log of bounded size, and its end for who asks why it failed.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The longest log, in bytes. What is older is kept once, as `NAME.1`.
const MAX_LOG: u64 = 16 << 20;

/// How much of the end is remembered, in bytes: what the coordinator keeps of a failure.
const MAX_TAIL: usize = 1_024;

/// Where what a program prints goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nowhere, but for its end.
    Nowhere,
    /// To the error output of the site. Its end is not known then.
    Inherited,
    /// To the end of this file, which is renamed to `NAME.1` when it has 16 MiB.
    File(PathBuf),
}

/// The end of what was printed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    fn add(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(bytes);
        let over = tail.len().saturating_sub(MAX_TAIL);
        tail.drain(..over);
    }

    /// As text; what is none is replaced.
    pub(crate) fn text(&self) -> String {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(tail.make_contiguous()).into_owned()
    }
}

/// A log whose size is bounded.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl Log {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::with_limit(path, MAX_LOG)
    }

    fn with_limit(path: &Path, limit: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self {
            path: path.to_owned(),
            size: file.metadata()?.len(),
            file,
            limit,
        })
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        let size = self.size.saturating_add(bytes.len() as u64);
        if self.size > 0 && size > self.limit {
            let mut older = self.path.clone().into_os_string();
            older.push(".1");
            fs::rename(&self.path, older)?;
            *self = Self::with_limit(&self.path, self.limit)?;
        }
        self.file.write_all(bytes)?;
        self.size = self.size.saturating_add(bytes.len() as u64);
        Ok(())
    }
}

/// Reads all that is printed, whatever becomes of the log: a program must not wait because a
/// disk is full.
pub(crate) fn pump(mut from: impl Read, mut log: Option<Log>, tail: &Tail) {
    let mut bytes = [0; 8 << 10];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return,
            Ok(size) => {
                let printed = bytes.get(..size).unwrap_or_default();
                tail.add(printed);
                if log.as_mut().is_some_and(|log| log.add(printed).is_err()) {
                    log = None;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_a_limit_and_keeps_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trainer.log");
        let tail = Tail::default();
        let printed: Vec<u8> = (0..100_000)
            .map(|number| b'a' + (number / 10_000) as u8)
            .collect();
        let log = Log::with_limit(&path, 20_000).unwrap();
        pump(&printed[..], Some(log), &tail);
        let newer = fs::read(&path).unwrap();
        let older = fs::read(folder.path().join("trainer.log.1")).unwrap();
        assert!(newer.len() <= 20_000 && older.len() <= 20_000);
        let end = [older, newer].concat();
        assert_eq!(end, printed[printed.len() - end.len()..]);
        assert_eq!(tail.text(), "j".repeat(MAX_TAIL));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_log_that_cannot_be_written_stops_nobody() {
        let tail = Tail::default();
        // Every write to it fails as on a full disk.
        let log = Log::open(Path::new("/dev/full")).unwrap();
        pump(&b"printed"[..], Some(log), &tail);
        assert_eq!(tail.text(), "printed");
    }

    #[test]
    fn an_end_that_is_no_text_is_replaced() {
        let tail = Tail::default();
        tail.add(b"a\xffb");
        assert_eq!(tail.text(), "a\u{fffd}b");
    }
}
