//! Models as hosts see them: an .npz in, an .npz out, and headers as text.
//!
//! A task's archive has `NAME.npy` for each numpy array or number of its data and
//! `NAME.safetensors` for each torch tensor, with one tensor named `t`. Names of nested data
//! are joined with `/`. `shareable.fobs` has the rest of the task; a result has no rest.

mod from_host;
mod scalar;
mod shape;
mod to_host;

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::fobs::{self, ArrayKind};
use super::npy::{Array, NpyError};
use super::npz::{self, NpzError};
use super::safetensors;
use super::typed;
use super::value::Value;
use crate::message::Payload;

pub(crate) use from_host::{Content, from_host};
pub(crate) use to_host::to_host;

/// What the payload of a task is, and that of a result should be.
pub(crate) const CONTENT_TYPE: &str = "application/x-npz";

/// The member that has what is not an array.
const REST: &str = "shareable.fobs";
/// What an array refers to instead of having its bytes.
const MEMBER: &str = "member";
/// What NVFlare calls the only tensor of a file.
const TENSOR: &str = "t";

/// The arrays and tensors of a task or a result, by name.
///
/// ```
/// # #[cfg(feature = "nvflare")] {
/// use fedlink::nvflare::{Array, Model};
///
/// let mut model = Model::new();
/// model.insert("layer/weights", Array::new([2], [1.0_f32, 2.0]).unwrap());
/// let payload = model.to_payload().unwrap();
/// let again = Model::read(payload.bytes()).unwrap();
/// assert_eq!(again.get("layer/weights").unwrap().values::<f32>().unwrap(), [1.0, 2.0]);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    arrays: BTreeMap<String, Array>,
    tensors: BTreeMap<String, Bytes>,
}

/// A task or a result that does not hold a model, or not one that can be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The payload is not an archive.
    #[error("the payload is not an .npz file that can be used: {0}")]
    Npz(#[from] NpzError),
    /// A member is not an array.
    #[error("member `{name}`: {error}")]
    Npy {
        /// The name of the member.
        name: String,
        /// What is wrong with it.
        error: NpyError,
    },
    /// A member does not hold one tensor.
    #[error("`{0}` is not a safetensors file with exactly one tensor")]
    Tensor(String),
    /// A member is neither.
    #[error("member `{0}` is neither .npy nor .safetensors: leave it out")]
    Member(String),
    /// An array that the task did not have, where the data are not a dict of arrays.
    #[error("there is no place for array `{0}`: give back those of the task")]
    NoPlace(String),
    /// An array or a tensor that is not written as since 2.7.
    #[error(
        "`{0}` is in a form that this site does not exchange, such as a torch tensor with a \
         server before NVFlare 2.7: have the job exchange numpy arrays"
    )]
    Form(String),
    /// Arrays stand in one list with something else.
    #[error("the task has a list of arrays and other data, which no result of arrays can have")]
    Mixed,
    /// What came is not a Shareable.
    #[error("not a Shareable of NVFlare")]
    NotShareable,
    /// An array that is referred to is not there.
    #[error("array `{0}` is missing")]
    Missing(String),
    /// The arrays are larger than a payload may be.
    #[error("the arrays exceed {0} bytes, the limit of this site")]
    TooLarge(u64),
    /// The header `kind` of a result is not one that NVFlare knows.
    #[error("`{0}` is not a kind of data: use WEIGHTS, WEIGHT_DIFF or METRICS")]
    Kind(String),
    /// A metric of a result is not a number.
    #[error("the metric `{0}` is not a number")]
    Metric(String),
}

impl Model {
    /// A model without arrays.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the payload of a task or a result. Arrays share its bytes; what is neither an
    /// array nor a tensor is left out.
    ///
    /// # Errors
    /// When it is not an .npz file, or an array in it cannot be read.
    pub fn read(payload: &Bytes) -> Result<Self, ModelError> {
        let mut model = Self::new();
        for member in npz::read(payload)? {
            match split_name(&member.name) {
                Some((name, ArrayKind::Numpy)) => {
                    let array = parse(&member.name, &member.bytes)?;
                    model.arrays.insert(name.to_owned(), array);
                }
                Some((name, ArrayKind::Tensor)) => {
                    model.tensors.insert(name.to_owned(), member.bytes);
                }
                None => {}
            }
        }
        Ok(model)
    }

    /// The array called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }

    /// All arrays in the order of their names.
    pub fn arrays(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.arrays.iter().map(|(name, array)| (&name[..], array))
    }

    /// Sets an array and returns the one that it replaces.
    pub fn insert(&mut self, name: impl Into<String>, array: Array) -> Option<Array> {
        self.arrays.insert(name.into(), array)
    }

    /// All torch tensors in the order of their names, each as a safetensors file with one
    /// tensor, which is named `t`.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.tensors.iter().map(|(name, file)| (&name[..], file))
    }

    /// Sets a torch tensor, as a safetensors file with one tensor of any name, and returns
    /// the one that it replaces.
    pub fn insert_tensor(&mut self, name: impl Into<String>, file: Bytes) -> Option<Bytes> {
        self.tensors.insert(name.into(), file)
    }

    /// The payload of a result.
    ///
    /// # Errors
    /// When a name is empty or longer than 1 KiB, there are more than 65,534 arrays, or
    /// they exceed 4 GiB.
    pub fn to_payload(&self) -> Result<Payload, ModelError> {
        let mut writer = npz::Writer::new();
        for (name, array) in &self.arrays {
            let name = member_name(name, ArrayKind::Numpy);
            writer.add(&name, [array.head(), array.data().clone()])?;
        }
        for (name, file) in &self.tensors {
            let name = member_name(name, ArrayKind::Tensor);
            writer.add(&name, [file.clone()])?;
        }
        Ok(Payload::labelled(
            fobs::join(writer.finish()?),
            CONTENT_TYPE,
            "",
        ))
    }
}

/// What one downloaded item holds, under the names by which [`to_host`] asks for it.
pub(crate) fn items(item: Bytes, kind: ArrayKind) -> Result<Vec<(String, Bytes)>, ModelError> {
    match kind {
        ArrayKind::Numpy => Ok(npz::read(&item)?
            .into_iter()
            .map(|member| (member.name, member.bytes))
            .collect()),
        ArrayKind::Tensor => {
            let name = safetensors::name(&item)
                .ok_or_else(|| ModelError::Tensor("a downloaded item".to_owned()))?;
            Ok(vec![(member_name(&name, kind), item)])
        }
    }
}

/// Where the data of a DXO stand in the entries of a Shareable.
fn data_mut(entries: &mut [(Value, Value)]) -> Option<&mut Value> {
    let (_, dxo) = entries
        .iter_mut()
        .rev()
        .find(|(key, _)| key.as_str() == Some("DXO"))?;
    typed::entry_mut(dxo, "data")
}

fn member_name(name: &str, kind: ArrayKind) -> String {
    name.to_owned() + extension(kind)
}

/// The name without its extension, and what the extension says.
fn split_name(member: &str) -> Option<(&str, ArrayKind)> {
    [ArrayKind::Numpy, ArrayKind::Tensor]
        .into_iter()
        .find_map(|kind| Some((member.strip_suffix(extension(kind))?, kind)))
}

const fn extension(kind: ArrayKind) -> &'static str {
    match kind {
        ArrayKind::Numpy => ".npy",
        ArrayKind::Tensor => ".safetensors",
    }
}

/// An array or tensor among values: its kind, how it is given, and its bytes or reference.
fn array_parts(value: &Value) -> Option<(ArrayKind, &str, &Value)> {
    [ArrayKind::Numpy, ArrayKind::Tensor]
        .into_iter()
        .find_map(|kind| {
            let data = kind.of_type().data(value)?;
            Some((kind, data.get("type")?.as_str()?, data.get("data")?))
        })
}

fn parse(name: &str, file: &Bytes) -> Result<Array, ModelError> {
    Array::parse(file.clone()).map_err(|error| ModelError::Npy {
        name: name.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests;
