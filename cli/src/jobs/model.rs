//! The initial model, from where the job file says it is.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fedlink::nvflare::npz;
use fedlink_jobs::container::{Header, Metadata};
use fedlink_jobs::job_file::{JobFile, ModelSource};
use fedlink_jobs::mean::Kind;

use super::arrays::ArrayFile;
use super::folder::whole;
use super::{JobError, JobFolder};

/// Where the initial model comes from.
#[derive(Clone, Debug)]
pub struct Model {
    source: ModelSource,
    /// What paths in the job file are relative to.
    base: PathBuf,
}

impl Model {
    /// The model that this job file names, which lies in the folder `base`.
    #[must_use]
    pub fn new(file: &JobFile, base: &Path) -> Self {
        Self {
            source: file.model.clone(),
            base: base.to_owned(),
        }
    }

    /// Whether a model that is a file can be used.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), JobError> {
        let ModelSource::File(path) = &self.source else {
            return Ok(());
        };
        let path = self.base.join(path);
        match Format::of(&path) {
            Format::Safetensors => usable(&path),
            Format::Npz => Npz::read(&path).map(drop),
        }
    }

    /// Brings it to where the job's models are.
    pub(super) fn prepare(&self, folder: &JobFolder) -> Result<(), JobError> {
        let (source, to) = match &self.source {
            ModelSource::File(path) => (self.base.join(path), folder.model(0)),
            ModelSource::Job { id, best } => (folder.of_other(id, *best), folder.model(0)),
            // A site makes it, or nobody does.
            ModelSource::Ask(_) | ModelSource::None => return Ok(()),
        };
        match Format::of(&source) {
            Format::Safetensors => {
                let mut from = fs::File::open(&source).map_err(JobError::file(&source))?;
                // The file may be changed while the job runs: what is copied is checked.
                whole(&to, |out| {
                    std::io::copy(&mut from, out)?;
                    Ok(())
                })?;
            }
            Format::Npz => {
                let npz = Npz::read(&source)?;
                whole(&to, |out| {
                    out.write_all(npz.header.bytes())?;
                    for elements in &npz.elements {
                        out.write_all(elements)?;
                    }
                    Ok(())
                })?;
            }
        }
        usable(&to)
    }
}

enum Format {
    Safetensors,
    Npz,
}

impl Format {
    /// A job file names no other.
    fn of(path: &Path) -> Self {
        match path.extension().is_some_and(|it| it == "npz") {
            true => Self::Npz,
            false => Self::Safetensors,
        }
    }
}

/// A model whose arrays have no mean would be trained in vain.
fn usable(path: &Path) -> Result<(), JobError> {
    let model = ArrayFile::open(path)?;
    if model.header().arrays().is_empty() {
        return Ok(());
    }
    model.check(None, Kind::Full, false)
}

/// An archive of NumPy as a container.
struct Npz {
    header: Header,
    /// In the order of the header.
    elements: Vec<Bytes>,
}

impl Npz {
    fn read(path: &Path) -> Result<Self, JobError> {
        let container = |source| JobError::Container {
            path: path.to_owned(),
            source,
        };
        let archive = Bytes::from(fs::read(path).map_err(JobError::file(path))?);
        let members = npz::read(&archive).map_err(|source| JobError::Npz {
            path: path.to_owned(),
            source,
        })?;
        let mut outlines = Vec::new();
        let mut elements = BTreeMap::new();
        for member in members {
            let name = member.name.strip_suffix(".npy").unwrap_or(&member.name);
            let read = super::npy::read(name, &member.bytes);
            let (outline, of_array) = read.map_err(|problem| JobError::Npy {
                path: path.to_owned(),
                array: name.to_owned(),
                problem,
            })?;
            elements.insert(name.to_owned(), member.bytes.slice_ref(of_array));
            outlines.push(outline);
        }
        let header = Header::new(outlines, Metadata::new()).map_err(container)?;
        let mut in_order = Vec::new();
        for array in header.arrays() {
            let range = array.range();
            let bytes = elements.remove(array.name()).unwrap_or_default();
            if bytes.len() as u64 != range.end - range.start {
                return Err(JobError::Npy {
                    path: path.to_owned(),
                    array: array.name().to_owned(),
                    problem: "has not as many bytes as its type and shape say: save it again"
                        .to_owned(),
                });
            }
            in_order.push(bytes);
        }
        Ok(Self {
            header,
            elements: in_order,
        })
    }
}
