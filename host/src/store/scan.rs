//! Reading the files of a store, each byte once.

use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::error::Damage;
use super::format::{Headers, NoHeader, RECORDS, RecordHeader};

/// What a file holds.
#[derive(Debug)]
pub(super) struct Scanned {
    /// What its headers promise, if all of that is there.
    pub(super) promised: Result<Headers, Damage>,
    /// The records before the first that is not whole.
    pub(super) records: Vec<Bytes>,
    /// Where they end.
    pub(super) end: usize,
    /// All of the file.
    pub(super) content: Bytes,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub(super) enum Unread {
    Io(io::Error),
    Version(u8),
}

/// What stands before the records of a file, or as much of it as there is.
pub(super) fn head(file: impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(RECORDS);
    file.take(RECORDS as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Reads a file of this length.
pub(super) fn scan(
    file: impl Read,
    length: u64,
    progress: &mut Progress,
) -> Result<Scanned, Unread> {
    let content = read(file, length, progress).map_err(Unread::Io)?;
    let headers = match Headers::decode(&content) {
        Ok(headers) => headers,
        Err(NoHeader::Version(found)) => return Err(Unread::Version(found)),
        Err(NoHeader::Damaged(damage)) => {
            return Ok(Scanned {
                promised: Err(damage),
                records: Vec::new(),
                end: 0,
                content,
            });
        }
    };
    let mut records = Vec::new();
    let mut end = RECORDS.min(content.len());
    while let Some(record) = record(&content, &headers, end, progress) {
        end += RecordHeader::LENGTH + record.len();
        records.push(record);
    }
    Ok(Scanned {
        promised: check(headers, end as u64, length),
        records,
        end,
        content,
    })
}

/// Whether all that was stored is in a file of the length `found` whose whole records end
/// at `end`.
fn check(headers: Headers, end: u64, found: u64) -> Result<Headers, Damage> {
    let promised = headers.newest.synced;
    if found < promised {
        Err(Damage::Short { promised, found })
    } else if end < promised {
        Err(Damage::Record(end))
    } else if end < found && !headers.both_whole {
        Err(Damage::HeaderAndRecord(end))
    } else {
        Ok(headers)
    }
}

/// The record at `at`, if there is a whole one.
fn record(file: &Bytes, headers: &Headers, at: usize, progress: &mut Progress) -> Option<Bytes> {
    let rest = file.get(at..)?;
    let header = RecordHeader::decode(rest, &headers.newest, at as u64)?;
    let content = rest
        .get(RecordHeader::LENGTH..)?
        .get(..usize::try_from(header.length).ok()?)?;
    let mut checksum = crc32fast::Hasher::new();
    for step in content.chunks(STEP) {
        checksum.update(step);
        progress.checked(step.len());
    }
    (checksum.finalize() == header.checksum).then(|| file.slice_ref(content))
}

/// How many bytes go by between two looks at the clock.
const STEP: usize = 1 << 20;

fn read(mut file: impl Read, length: u64, progress: &mut Progress) -> io::Result<Bytes> {
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut content = Vec::new();
    content.try_reserve_exact(length)?;
    while content.len() < length {
        let step = STEP.min(length - content.len());
        let read = file.by_ref().take(step as u64).read_to_end(&mut content)?;
        if read < step {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        progress.read(read);
    }
    Ok(content.into())
}

/// Tells how far a long reading has come.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    path: &'a Path,
    length: u64,
    read: u64,
    checked: u64,
    began: Instant,
    /// When the next line is due, after the beginning.
    due: Duration,
}

impl<'a> Progress<'a> {
    /// How long a reading may take in silence.
    const INTERVAL: Duration = Duration::from_secs(2);

    pub(super) fn new(path: &'a Path, length: u64) -> Self {
        Self {
            path,
            length,
            read: 0,
            checked: 0,
            began: Instant::now(),
            due: Self::INTERVAL,
        }
    }

    fn read(&mut self, bytes: usize) {
        self.read += bytes as u64;
        self.tell();
    }

    fn checked(&mut self, bytes: usize) {
        self.checked += bytes as u64;
        self.tell();
    }

    fn tell(&mut self) {
        if self.is_due(self.began.elapsed()) {
            let mib = |bytes: u64| bytes >> 20;
            tracing::info!(
                file = %self.path.display(),
                read_mib = mib(self.read),
                checked_mib = mib(self.checked),
                of_mib = mib(self.length),
                "still reads the store"
            );
        }
    }

    fn is_due(&mut self, elapsed: Duration) -> bool {
        let due = elapsed >= self.due;
        if due {
            self.due = elapsed + Self::INTERVAL;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::super::log::Log;
    use super::super::tests::disk::Simulated;
    use super::*;

    /// Counts what is read through it.
    struct Counted<'a>(&'a [u8], u64);

    impl Read for Counted<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(into)?;
            self.1 += read as u64;
            Ok(read)
        }
    }

    /// Reads this file, and returns what it holds if each byte was read once, and checked
    /// at most once.
    #[track_caller]
    fn scan_once(file: &[u8]) -> Scanned {
        let length = file.len() as u64;
        let mut reader = Counted(file, 0);
        let mut progress = Progress::new(Path::new("records"), length);
        let scanned = scan(&mut reader, length, &mut progress).unwrap();
        assert_eq!(reader.1, length);
        assert_eq!(progress.read, length);
        assert!(progress.checked <= length, "{progress:?}");
        scanned
    }

    #[test]
    fn a_torn_end_is_read_once_whatever_is_in_it() {
        let disk = Simulated::default();
        let mut log = Log::write(disk.clone(), None, [[b"stored"]]).unwrap();
        // Each of its bytes could be where a record begins.
        let torn = vec![0; 5 << 20];
        log.append(&[&torn]).unwrap();
        log.append(&[b"behind it"]).unwrap();
        drop(log);
        let whole = disk.seen();
        assert_eq!(scan_once(&whole).records.len(), 3);
        let end = RECORDS + RecordHeader::LENGTH + b"stored".len();
        for (at, byte) in [
            (end, 1),
            (end + 12, 1),
            (end + 16, 1),
            (whole.len() - 30, 1),
        ] {
            let mut file = whole.clone();
            file[at] ^= byte;
            let scanned = scan_once(&file);
            assert!(scanned.promised.is_ok(), "{:?}", scanned.promised);
            assert_eq!((scanned.records.len(), scanned.end), (1, end));
        }
        let cut = scan_once(&whole[..whole.len() - 60]);
        assert_eq!((cut.records.len(), cut.end), (1, end));
    }

    #[test]
    fn many_torn_records_are_read_once() {
        let disk = Simulated::default();
        let mut log = Log::write(disk.clone(), None, [[b""; 0]; 0]).unwrap();
        for _ in 0..10_000 {
            log.append(&[b"not synced"]).unwrap();
        }
        drop(log);
        let mut file = disk.seen();
        file[RECORDS] ^= 1;
        assert!(scan_once(&file).records.is_empty());
    }

    #[test]
    fn a_file_that_becomes_shorter_while_it_is_read_is_an_error() {
        let mut progress = Progress::new(Path::new("records"), 10);
        let error = scan(&b"fedlink"[..], 10, &mut progress).unwrap_err();
        assert!(matches!(error, Unread::Io(_)), "{error:?}");
    }

    #[test]
    fn a_long_reading_is_told_of_every_two_seconds() {
        let mut progress = Progress::new(Path::new("records"), 1);
        let told = (0..10_000).filter(|at| progress.is_due(Duration::from_millis(*at)));
        assert_eq!(told.collect::<Vec<_>>(), [2_000, 4_000, 6_000, 8_000]);
    }
}
