//! Decoding of a task: a Shareable becomes headers and an .npz.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use bytes::Bytes;

use super::{MEMBER, ModelError, REST, TENSOR, array_parts, data_mut, member_name, scalar, shape};
use crate::message::Properties;
use crate::message::limits::MAX_PROPERTIES;
use crate::wire::nvflare::fobs::{self, ArrayKind};
use crate::wire::nvflare::npz::{MAX_NAME, NpzError, Writer};
use crate::wire::nvflare::safetensors;
use crate::wire::nvflare::typed::{self, NDARRAY, ORDERED_DICT, TENSOR as TENSOR_TYPE, TUPLE};
use crate::wire::nvflare::value::Value;

/// Bytes of at least this many leave the main body of the rest, so as not to be copied.
const SHARED: usize = 4 << 10;
/// What a header takes besides its text, at most.
const HEADER: usize = 10;

/// A task as a host gets it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostTask {
    /// Headers of the Shareable and scalars of the DXO's meta, as text.
    pub(crate) headers: Properties,
    /// The .npz, to be read one part after another.
    pub(crate) parts: Vec<Bytes>,
    /// How the arrays of the data are nested, with a reference in place of each, if they are
    /// not just arrays by name: those of the result are nested alike.
    pub(crate) shape: Option<Value>,
}

/// Takes a task apart. `fetched` has the arrays that it only refers to, by the names that
/// [`super::items`] gave them; with all that it refers to, they may have `limit` bytes.
pub(crate) fn to_host(
    mut shareable: Value,
    fetched: &BTreeMap<String, Bytes>,
    limit: u64,
) -> Result<HostTask, ModelError> {
    let headers = headers(&shareable)?;
    let mut apart = Apart {
        fetched,
        writer: Writer::new(),
        left: limit,
        limit,
        path: Vec::new(),
    };
    let entries = typed::SHAREABLE
        .data_mut(&mut shareable)
        .ok_or(ModelError::NotShareable)?;
    let Value::Map(entries) = entries else {
        return Err(ModelError::NotShareable);
    };
    let mut shape = None;
    if let Some(data) = data_mut(entries) {
        apart.take_out(data)?;
        shape = shape::of_arrays(data).filter(|shape| !is_flat(shape));
    }
    for (_, value) in entries {
        apart.put_in(value)?;
    }
    let mut writer = apart.writer;
    writer.add(REST, fobs::encode_parts(&shareable, SHARED))?;
    Ok(HostTask {
        headers,
        parts: writer.finish()?,
        shape,
    })
}

/// Whether the data are arrays by name and nothing else.
fn is_flat(data: &Value) -> bool {
    data.as_map().is_some_and(|pairs| {
        pairs.iter().all(|(key, value)| {
            let name = array_parts(value)
                .and_then(|(kind, how, name)| (how == MEMBER).then_some((kind, name.as_str()?)));
            matches!((key, name), (Value::Str(key), Some((kind, name)))
                if member_name(key, kind) == name)
        })
    })
}

/// What is text or as good as text; the rest is in the archive.
fn headers(shareable: &Value) -> Result<Properties, ModelError> {
    let entries = typed::SHAREABLE
        .data(shareable)
        .ok_or(ModelError::NotShareable)?;
    let plain = typed::headers(shareable)
        .and_then(Value::as_map)
        .unwrap_or_default();
    let plain = plain.iter().filter_map(|(key, value)| {
        let key = key.as_str().filter(|key| !key.starts_with("__"))?;
        Some((key.to_owned(), scalar::to_text(value)?))
    });
    let dxo = entries.get("DXO");
    let kind = dxo
        .and_then(|dxo| scalar::to_text(dxo.get("kind")?))
        .map(|kind| ("kind".to_owned(), kind));
    let meta = dxo
        .and_then(|dxo| dxo.get("meta")?.as_map())
        .unwrap_or_default();
    let meta = meta.iter().filter_map(|(key, value)| {
        Some((format!("meta.{}", key.as_str()?), scalar::to_text(value)?))
    });
    let mut left = MAX_PROPERTIES - HEADER;
    Ok(kind
        .into_iter()
        .chain(plain)
        .chain(meta)
        .filter(|(key, text)| {
            let rest = left.checked_sub(key.len() + text.len() + HEADER);
            left = rest.unwrap_or(left);
            rest.is_some()
        })
        .collect())
}

/// Takes arrays out of values.
struct Apart<'a> {
    fetched: &'a BTreeMap<String, Bytes>,
    writer: Writer,
    /// Bytes that arrays may still have. One that was fetched once may be referred to often.
    left: u64,
    limit: u64,
    /// Where in the data we are.
    path: Vec<String>,
}

impl Apart<'_> {
    /// Makes each array below a member of the archive and leaves a reference to it.
    fn take_out(&mut self, value: &mut Value) -> Result<(), ModelError> {
        if let Some(array) = scalar::to_array(value) {
            *value = typed::native(NDARRAY, array.to_npy());
        }
        if let Some((kind, bytes)) = self.array(value)? {
            let name = self.name(kind)?;
            self.writer.add(&name, as_member(kind, &name, &bytes)?)?;
            *value = kind
                .of_type()
                .of(Value::map([("type", MEMBER.into()), ("data", name.into())]));
            return Ok(());
        }
        if let Some(Value::List(pairs)) = ORDERED_DICT.data_mut(value) {
            for pair in pairs {
                match TUPLE.data_mut(pair) {
                    Some(Value::List(pair)) => {
                        if let [key, value] = &mut pair[..] {
                            self.step_into(scalar::to_text(key), value)?;
                        }
                    }
                    _ => self.put_in(pair)?,
                }
            }
            return Ok(());
        }
        if let Some(items) = TUPLE.data_mut(value) {
            return self.take_out(items);
        }
        if typed::typed(value).is_some() {
            return self.put_in(value);
        }
        match value {
            Value::Map(pairs) => pairs
                .iter_mut()
                .try_for_each(|(key, value)| self.step_into(scalar::to_text(key), value)),
            Value::List(items) => items
                .iter_mut()
                .enumerate()
                .try_for_each(|(at, item)| self.step_into(Some(at.to_string()), item)),
            _ => Ok(()),
        }
    }

    /// Goes on below a key, if that can be part of a name.
    fn step_into(&mut self, key: Option<String>, value: &mut Value) -> Result<(), ModelError> {
        let Some(key) = key else {
            return self.put_in(value);
        };
        self.path.push(key);
        self.take_out(value)?;
        self.path.pop();
        Ok(())
    }

    /// Puts the bytes of each array below in its place.
    fn put_in(&mut self, value: &mut Value) -> Result<(), ModelError> {
        if array_parts(value).is_some_and(|(_, how, _)| how == MEMBER) {
            return Ok(());
        }
        if let Some((kind, bytes)) = self.array(value)? {
            let name = "an array outside the data";
            let bytes = fobs::join(as_member(kind, name, &bytes)?);
            *value = typed::native(kind.of_type(), bytes);
            return Ok(());
        }
        match value {
            Value::Map(pairs) => pairs
                .iter_mut()
                .try_for_each(|(_, value)| self.put_in(value)),
            Value::List(items) => items.iter_mut().try_for_each(|item| self.put_in(item)),
            _ => Ok(()),
        }
    }

    /// The bytes of an array, wherever they are.
    fn array(&mut self, value: &Value) -> Result<Option<(ArrayKind, Bytes)>, ModelError> {
        let (kind, bytes) = match array_parts(value) {
            Some((kind, "native", Value::Bytes(bytes))) => (kind, bytes),
            Some((kind, "ref", Value::Str(name))) => {
                let name = member_name(name, kind);
                let bytes = self.fetched.get(&name);
                (kind, bytes.ok_or(ModelError::Missing(name))?)
            }
            None if [NDARRAY, TENSOR_TYPE]
                .iter()
                .any(|it| it.data(value).is_some()) =>
            {
                return Err(ModelError::Form(self.path.join("/")));
            }
            _ => return Ok(None),
        };
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or(ModelError::TooLarge(self.limit))?;
        Ok(Some((kind, bytes.clone())))
    }

    fn name(&self, kind: ArrayKind) -> Result<String, ModelError> {
        let name = member_name(&self.path.join("/"), kind);
        if name.len() > MAX_NAME {
            return Err(NpzError::Name.into());
        }
        Ok(name)
    }
}

/// A tensor that was fetched has the name of its reference.
fn as_member(kind: ArrayKind, name: &str, bytes: &Bytes) -> Result<Vec<Bytes>, ModelError> {
    match kind {
        ArrayKind::Numpy => Ok(vec![bytes.clone()]),
        ArrayKind::Tensor => {
            safetensors::rename(bytes, TENSOR).ok_or_else(|| ModelError::Tensor(name.to_owned()))
        }
    }
}
