//! Who counts in a mean, and where in their files their arrays are: little for each site,
//! however many arrays there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::container::{Header, TREE};

use super::{Contributor, Kind, Mean, MeanError, ResultError, Weight, check, group};

/// The key of the metadata that says whether arrays are tensors or numpy's.
const FORMAT: &str = "format";

/// Where the arrays of a file begin, in bytes after its header, in the order of the new model's;
/// `None` where one is missing. Files that were written alike share it.
type Layout = Arc<[Option<u64>]>;

/// A result in a mean.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) weight: Weight,
    pub(super) kind: Kind,
    /// How long the file's header is.
    header: u64,
    layout: Layout,
}

impl Part {
    /// Where an array begins in the file, by its index in the new model, if it is there.
    pub(super) fn start(&self, array: usize) -> Option<u64> {
        let after_header = self.layout.get(array).copied().flatten()?;
        Some(self.header + after_header)
    }
}

/// Gathers the results of a round, one after the other, in any order.
#[derive(Debug)]
pub struct MeanBuilder {
    project: String,
    model: Option<Header>,
    partial: bool,
    /// The arrays of the new model, with the texts beside them. Without a model, those of the
    /// first site in the order of summation.
    header: Option<((u8, String), Header)>,
    parts: BTreeMap<(u8, String), Part>,
}

impl MeanBuilder {
    /// Begins the mean of results to `model`, or of results alone if there is none or it has no
    /// arrays. With `partial`, arrays may be missing in some results: each is the mean over
    /// those that have it, and the model's if none has.
    pub fn new(project: &str, model: Option<Header>, partial: bool) -> Self {
        let model = model.filter(|it| !it.arrays().is_empty());
        Self {
            project: project.to_owned(),
            partial: partial && model.is_some(),
            model,
            header: None,
            parts: BTreeMap::new(),
        }
    }

    /// Adds a result.
    ///
    /// # Errors
    ///
    /// If the site is there already, or the result does not fit the model or, without one, those
    /// that were added before. It is not added then.
    pub fn add(&mut self, contributor: Contributor) -> Result<(), MeanError> {
        let Contributor {
            site,
            weight,
            kind,
            header,
        } = contributor;
        let key = (group(&self.project, &site), site);
        if self.parts.contains_key(&key) {
            return Err(MeanError::Twice(key.1));
        }
        self.fit(&key, &header, kind)
            .map_err(|fault| MeanError::Result {
                site: key.1.clone(),
                fault,
            })?;
        let part = Part {
            weight,
            kind,
            header: header.bytes().len() as u64,
            layout: self.layout(&header),
        };
        self.parts.insert(key, part);
        Ok(())
    }

    /// The mean of what was added.
    ///
    /// # Errors
    ///
    /// If nothing was.
    pub fn build(self) -> Result<Mean, MeanError> {
        let (_, header) = self.header.ok_or(MeanError::Nobody)?;
        Ok(Mean::begin(self.model, header, self.parts))
    }

    /// Checks a result, and takes it for the pattern of the new model if it is to be that.
    fn fit(&mut self, key: &(u8, String), result: &Header, kind: Kind) -> Result<(), ResultError> {
        check(self.model.as_ref(), result, kind, self.partial)?;
        if self.model.is_none()
            && let Some((_, pattern)) = &self.header
        {
            check(Some(pattern), result, kind, false)?;
        }
        let first = self.header.as_ref().is_none_or(|(before, _)| key < before);
        if first && (self.model.is_none() || self.header.is_none()) {
            let pattern = self.model.as_ref().unwrap_or(result);
            let outlines = pattern.arrays().iter().map(|it| it.outline().clone());
            let mut texts = pattern.metadata().clone();
            if self.model.is_none() {
                // What else a site has written beside its arrays is its own.
                texts.retain(|key, _| key == FORMAT || key == TREE);
            }
            let header = Header::new(outlines, texts)?;
            self.header = Some((key.clone(), header));
        }
        Ok(())
    }

    fn layout(&self, file: &Header) -> Layout {
        let after_header = |name: &str| {
            let start = file.array(name)?.range().start;
            Some(start - file.bytes().len() as u64)
        };
        let arrays = self.header.iter().flat_map(|(_, header)| header.arrays());
        let layout: Layout = arrays.map(|array| after_header(array.name())).collect();
        let mut known = self.parts.values().map(|part| &part.layout);
        known.find(|it| **it == layout).cloned().unwrap_or(layout)
    }
}
