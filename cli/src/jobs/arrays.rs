//! Files of arrays, read piece by piece: a model may be larger than this machine's memory.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use fedlink_jobs::container::Header;
use fedlink_jobs::mean::{Kind, ResultError, check, chunks};

use super::JobError;

/// A file of arrays that is open.
#[derive(Debug)]
pub(super) struct ArrayFile {
    path: PathBuf,
    file: File,
    header: Header,
}

impl ArrayFile {
    /// # Errors
    /// When it cannot be read, or is not exactly what its header says.
    pub(super) fn open(path: &Path) -> Result<Self, JobError> {
        let opened = open(path).map_err(JobError::file(path))?;
        let (file, start, length) = opened;
        let header = Header::read(&start, length).map_err(|source| JobError::Container {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            header,
        })
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// # Errors
    /// When the system does not give these bytes.
    pub(super) fn read(&self, range: Range<u64>) -> Result<Vec<u8>, JobError> {
        read(&self.file, range).map_err(JobError::file(&self.path))
    }

    /// Whether it can be averaged into this model.
    ///
    /// # Errors
    /// With the array, the element and the reason.
    pub(super) fn check(
        &self,
        model: Option<&Header>,
        form: Kind,
        partial: bool,
    ) -> Result<(), JobError> {
        let unusable = |source| JobError::Arrays {
            path: self.path.clone(),
            source,
        };
        check(model, &self.header, form, partial).map_err(unusable)?;
        for chunk in chunks(&self.header) {
            chunk.check(&self.read(chunk.range())?).map_err(unusable)?;
        }
        Ok(())
    }
}

/// The same of a file in memory.
///
/// # Errors
/// With the array, the element and the reason.
pub(super) fn check_bytes(
    file: &[u8],
    model: Option<&Header>,
    form: Kind,
    partial: bool,
) -> Result<(), ResultError> {
    let header = Header::read(file, file.len() as u64)?;
    check(model, &header, form, partial)?;
    for chunk in chunks(&header) {
        let range = chunk.range();
        let [start, end] =
            [range.start, range.end].map(|it| usize::try_from(it).unwrap_or(usize::MAX));
        chunk.check(file.get(start..end).unwrap_or_default())?;
    }
    Ok(())
}

/// A file, its beginning with all of its header, and its length.
fn open(path: &Path) -> io::Result<(File, Vec<u8>, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut start = read(&file, 0..length.min(8))?;
    // What is too short or too long is told by who reads it.
    if let Ok(needed) = Header::needs(&start) {
        start = read(&file, 0..length.min(needed as u64))?;
    }
    Ok((file, start, length))
}

fn read(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(range.end.saturating_sub(range.start));
    let mut bytes = vec![0; length.map_err(|_| io::ErrorKind::OutOfMemory)?];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}
