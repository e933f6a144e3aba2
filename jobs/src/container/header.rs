//! What is in a file: read from its beginning, or made for a file to be written.

use std::collections::BTreeMap;
use std::ops::Range;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::json::Entries;
use super::{ContainerError, MAX_DIMENSIONS, MAX_HEADER, MAX_NAME, TREE, Tree};

/// The length of the header, before the header.
const LENGTH: usize = size_of::<u64>();
/// The key of the header that is no array.
const METADATA: &str = "__metadata__";
/// What a header's length is a multiple of, so that arrays can be used where they lie.
const ALIGNMENT: usize = 8;

/// Texts by name, beside the arrays.
pub type Metadata = BTreeMap<String, String>;

/// An array that a file is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArrayOutline {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its dimensions, none for a single number.
    pub shape: Vec<usize>,
}

impl ArrayOutline {
    /// An array of this name, type and shape.
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: impl Into<Vec<usize>>) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.into(),
        }
    }

    /// How many bytes its elements take.
    fn len(&self) -> Result<u64, ContainerError> {
        let Self { name, dtype, shape } = self;
        if name.is_empty() || name == METADATA || name.len() > MAX_NAME {
            let begins = name.chars().take(40).collect();
            return Err(ContainerError::Name(begins));
        }
        if shape.len() > MAX_DIMENSIONS {
            return Err(ContainerError::Dimensions {
                array: name.clone(),
                found: shape.len(),
            });
        }
        shape
            .iter()
            .try_fold(dtype.bitsize() as u64, |bits, dimension| {
                bits.checked_mul(*dimension as u64)
            })
            .filter(|bits| bits.is_multiple_of(8))
            .map(|bits| bits / 8)
            .ok_or_else(|| ContainerError::Size(name.clone()))
    }
}

/// An array in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    outline: ArrayOutline,
    range: Range<u64>,
}

impl Array {
    /// Its name, type and shape.
    pub fn outline(&self) -> &ArrayOutline {
        &self.outline
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.outline.name
    }

    /// The type of its elements.
    pub fn dtype(&self) -> Dtype {
        self.outline.dtype
    }

    /// Its dimensions, none for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.outline.shape
    }

    /// Where its elements are, in bytes from the beginning of the file.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The file's beginning, up to the first array.
    bytes: Vec<u8>,
    /// In the order of their bytes.
    arrays: Vec<Array>,
    /// Indices of `arrays` by name.
    names: BTreeMap<String, usize>,
    metadata: Metadata,
}

impl Header {
    /// How many bytes of a file [`Header::read`] needs: its length and the header. `start` is
    /// the file's first eight bytes or more.
    ///
    /// # Errors
    ///
    /// If there are fewer than eight bytes, or the header is longer than [`MAX_HEADER`].
    pub fn needs(start: &[u8]) -> Result<usize, ContainerError> {
        let Some(length) = start.first_chunk::<LENGTH>() else {
            return Err(ContainerError::Short {
                expected: LENGTH as u64,
                found: start.len() as u64,
            });
        };
        let length = u64::from_le_bytes(*length);
        match usize::try_from(length) {
            Ok(fits) if fits <= MAX_HEADER => Ok(LENGTH + fits),
            _ => Err(ContainerError::HeaderTooLong(length)),
        }
    }

    /// Reads what is in a file of `file_length` bytes that begins with `start`, of which at
    /// least [`Header::needs`] bytes are needed.
    ///
    /// # Errors
    ///
    /// If this is no safetensors file, or not a whole one; if names are there twice; if the
    /// places of the arrays are not as long as they must be, overlap or leave gaps.
    pub fn read(start: &[u8], file_length: u64) -> Result<Self, ContainerError> {
        let needed = Self::needs(start)?;
        let json = start.get(LENGTH..needed).ok_or(ContainerError::Short {
            expected: needed as u64,
            found: start.len() as u64,
        })?;
        let malformed = |error: serde_json::Error| ContainerError::Json(error.to_string());
        let entries: Entries<&RawValue> = serde_json::from_slice(json).map_err(malformed)?;
        refuse_twice(&entries)?;
        let mut metadata = Metadata::new();
        let mut arrays = Vec::with_capacity(entries.0.len());
        for (name, value) in entries.0 {
            let malformed = |error| ContainerError::Json(format!("{name:?}: {error}"));
            if name == METADATA {
                let texts: Entries<String> =
                    serde_json::from_str(value.get()).map_err(malformed)?;
                refuse_twice(&texts)?;
                metadata = texts.0.into_iter().collect();
                continue;
            }
            let info: TensorInfo = serde_json::from_str(value.get()).map_err(malformed)?;
            let (start, end) = info.data_offsets;
            let outline = ArrayOutline::new(name, info.dtype, info.shape);
            arrays.push((start as u64..end as u64, outline));
        }
        // Arrays without elements come before one that begins where they are.
        arrays.sort_by_key(|(range, _)| (range.start, range.end));
        let mut end = 0;
        for (range, outline) in &arrays {
            let expected = outline.len()?;
            let found = range.end.saturating_sub(range.start);
            if expected != found || range.end < range.start {
                return Err(ContainerError::Length {
                    array: outline.name.clone(),
                    expected,
                    found,
                });
            }
            match range.start {
                start if start < end => return Err(ContainerError::Overlap(outline.name.clone())),
                start if start > end => return Err(ContainerError::Gap(outline.name.clone())),
                _ => end = range.end,
            }
        }
        let outlines = arrays.into_iter().map(|(_, outline)| outline);
        let bytes = start.get(..needed).unwrap_or_default().to_vec();
        let header = Self::place(bytes, outlines, metadata)?;
        if header.file_length() != file_length {
            return Err(ContainerError::FileLength {
                expected: header.file_length(),
                found: file_length,
            });
        }
        Ok(header)
    }

    /// The header of a file with these arrays. The same arrays and texts, in whatever order,
    /// give the same header: those of the widest type come first, so that each begins at a
    /// multiple of its width, then they go by name.
    ///
    /// # Errors
    ///
    /// If a name is there twice or none that an array may have; if a shape is none; if the
    /// header would be longer than [`MAX_HEADER`].
    pub fn new(
        arrays: impl IntoIterator<Item = ArrayOutline>,
        metadata: Metadata,
    ) -> Result<Self, ContainerError> {
        let mut arrays: Vec<_> = arrays.into_iter().collect();
        arrays.sort_by(|a, b| b.dtype.cmp(&a.dtype).then_with(|| a.name.cmp(&b.name)));
        let unplaced = Self::place(Vec::new(), arrays.iter().cloned(), metadata)?;
        let mut json =
            serde_json::to_vec(&unplaced).map_err(|it| ContainerError::Json(it.to_string()))?;
        json.resize(json.len().next_multiple_of(ALIGNMENT), b' ');
        if json.len() > MAX_HEADER {
            return Err(ContainerError::HeaderTooLong(json.len() as u64));
        }
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.append(&mut json);
        Self::place(bytes, arrays, unplaced.metadata)
    }

    /// Puts arrays one behind the other after the header's `bytes`.
    fn place(
        bytes: Vec<u8>,
        outlines: impl IntoIterator<Item = ArrayOutline>,
        metadata: Metadata,
    ) -> Result<Self, ContainerError> {
        let mut end = bytes.len() as u64;
        let mut arrays = Vec::new();
        let mut names = BTreeMap::new();
        for outline in outlines {
            let range = end..end
                .checked_add(outline.len()?)
                .ok_or_else(|| ContainerError::Size(outline.name.clone()))?;
            end = range.end;
            if names.insert(outline.name.clone(), arrays.len()).is_some() {
                return Err(ContainerError::Twice(outline.name));
            }
            arrays.push(Array { outline, range });
        }
        Ok(Self {
            bytes,
            arrays,
            names,
            metadata,
        })
    }

    /// The file's beginning, up to the first array: what [`Header::read`] has read, or what
    /// has to be written before the arrays.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The arrays, in the order of their bytes.
    pub fn arrays(&self) -> &[Array] {
        &self.arrays
    }

    /// The array of this name.
    pub fn array(&self, name: &str) -> Option<&Array> {
        self.names
            .get(name)
            .and_then(|index| self.arrays.get(*index))
    }

    /// The texts beside the arrays.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// How the arrays are put together, unless they are a flat dict.
    ///
    /// # Errors
    ///
    /// If the tree says what cannot be.
    pub fn tree(&self) -> Result<Option<Tree>, ContainerError> {
        let Some(text) = self.metadata.get(TREE) else {
            return Ok(None);
        };
        let tree = Tree::from_json(text)?;
        tree.check_arrays(self)?;
        Ok(Some(tree))
    }

    /// How long a file with this header is, in bytes.
    pub fn file_length(&self) -> u64 {
        let header = self.bytes.len() as u64;
        self.arrays.last().map_or(header, |last| last.range.end)
    }
}

fn refuse_twice<V>(entries: &Entries<V>) -> Result<(), ContainerError> {
    match entries.twice() {
        Some(name) => Err(ContainerError::Twice(name.to_owned())),
        None => Ok(()),
    }
}

/// The JSON of the header; metadata in the order of its keys, where safetensors itself writes
/// them in any.
impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.metadata.is_empty() {
            map.serialize_entry(METADATA, &self.metadata)?;
        }
        let first = self.bytes.len() as u64;
        for array in &self.arrays {
            let place = |at: u64| usize::try_from(at - first).unwrap_or(usize::MAX);
            let info = TensorInfo {
                dtype: array.dtype(),
                shape: array.shape().to_vec(),
                data_offsets: (place(array.range.start), place(array.range.end)),
            };
            map.serialize_entry(array.name(), &info)?;
        }
        map.end()
    }
}
