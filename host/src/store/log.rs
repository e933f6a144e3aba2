//! A log file of a store that is open for appending.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use super::format::{self, Header, Headers, RECORDS, RecordHeader};
use super::scan::Scanned;

/// What a log is kept on: a file, or what a test puts in its place.
pub(super) trait Disk: Write + Seek {
    /// Returns when all that was written will survive the death of the machine.
    fn sync(&mut self) -> io::Result<()>;

    /// Makes it this long.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Disk for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// A file of records that is open for appending. After an error nothing is known about it.
#[derive(Debug)]
pub(super) struct Log<D: Disk = File> {
    disk: BufWriter<D>,
    /// The header that was written last.
    header: Header,
    /// Of the file, with what was appended and not yet synced.
    length: u64,
}

impl Log {
    /// Whether the file still has this name, as far as the system tells.
    #[cfg(unix)]
    pub(super) fn is_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;

        match (self.disk.get_ref().metadata(), path.metadata()) {
            // Not every file system numbers its files for good: another number alone does not
            // count.
            (Ok(own), Ok(there)) => {
                own.nlink() > 0 || (own.dev(), own.ino()) == (there.dev(), there.ino())
            }
            (_, Err(error)) => error.kind() != ErrorKind::NotFound,
            (Err(_), Ok(_)) => true,
        }
    }

    /// Elsewhere a file that is open cannot be moved.
    #[cfg(not(unix))]
    pub(super) fn is_at(&self, _: &Path) -> bool {
        true
    }
}

impl<D: Disk> Log<D> {
    /// Writes these records of `owner` to an empty file, durably. Nobody may see the file
    /// before.
    pub(super) fn write<const PARTS: usize>(
        disk: D,
        owner: Option<&str>,
        records: impl IntoIterator<Item = [impl AsRef<[u8]>; PARTS]>,
    ) -> io::Result<Self> {
        let mut log = Self {
            disk: BufWriter::new(disk),
            header: Header::new(),
            length: RECORDS as u64,
        };
        log.disk.write_all(&format::head(owner))?;
        for record in records {
            log.append(&record.each_ref().map(AsRef::as_ref))?;
        }
        // Nobody sees the headers before what they promise is durable.
        for _ in 0..2 {
            log.write_header(log.header.next(log.length))?;
        }
        log.disk.get_mut().sync()?;
        Ok(log)
    }

    /// Goes on with a file that was read, of which all that was promised is there. Cuts off
    /// what is not whole; that has been set aside.
    ///
    /// What was read counts as stored from now on, so it must not vanish again. After a sync
    /// that failed, what was written last can be in memory alone although it can be read, so
    /// it is written once more: records behind the newest header or, if there are none, that
    /// header. If the other header is not whole, the records behind the newest were durable
    /// before it was begun, and must not be touched until it is whole.
    pub(super) fn resume(disk: D, headers: Headers, scanned: &Scanned) -> io::Result<Self> {
        let mut log = Self {
            disk: BufWriter::new(disk),
            header: headers.newest,
            length: scanned.end as u64,
        };
        let promised = usize::try_from(log.header.synced).unwrap_or(usize::MAX);
        let behind = scanned.content.get(promised..scanned.end).unwrap_or(&[]);
        let torn = scanned.end < scanned.content.len();
        if headers.both_whole {
            log.disk.seek(SeekFrom::Start(log.header.synced))?;
            log.disk.write_all(behind)?;
            log.disk.flush()?;
        }
        if torn {
            log.disk.get_mut().cut(log.length)?;
        }
        log.disk.get_mut().sync()?;
        if headers.both_whole && behind.is_empty() && !torn {
            log.write_header(log.header)?;
        } else {
            log.write_header(log.header.next(log.length))?;
        }
        log.disk.get_mut().sync()?;
        Ok(log)
    }

    pub(super) fn append(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let header = RecordHeader::of(parts).encode(&self.header, self.length);
        for part in [&header[..]].iter().chain(parts) {
            self.disk.write_all(part)?;
            self.length += part.len() as u64;
        }
        Ok(())
    }

    /// Returns when all that was appended is durable, and it is durable too that it is.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.length == self.header.synced {
            return Ok(());
        }
        self.disk.flush()?;
        self.disk.get_mut().sync()?;
        self.write_header(self.header.next(self.length))?;
        self.disk.get_mut().sync()
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Goes on with another disk, such as one that fails.
    #[cfg(test)]
    pub(super) fn put_disk(&mut self, disk: D) {
        self.disk = BufWriter::new(disk);
    }

    fn write_header(&mut self, header: Header) -> io::Result<()> {
        self.disk.seek(SeekFrom::Start(header.place()))?;
        self.disk.write_all(&header.encode())?;
        self.disk.seek(SeekFrom::Start(self.length))?;
        self.header = header;
        Ok(())
    }
}
