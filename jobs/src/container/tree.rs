//! How a value is put together from arrays and what is no array.
//!
//! | JSON | value |
//! |---|---|
//! | `null`, `true`, `17`, `0.5`, `"text"` | itself; whole numbers of any length |
//! | `[…]` | list |
//! | `{"key": …}` | dict whose keys are texts that do not begin with `$` |
//! | `{"$array": name}` | the array of that name |
//! | `{"$npy": name}` | an array of a type that safetensors lacks: the bytes of its .npy file, in a U8 array of that name; never one of objects |
//! | `{"$bytes": name}` | bytes, in a U8 array of that name |
//! | `{"$tuple": […]}` | tuple |
//! | `{"$map": [[key, value], …]}` | dict with any other keys |
//! | `{"$float": "nan"}` | a number that JSON lacks: `nan`, `inf` or `-inf` |
//!
//! Each array of the file is in the tree exactly once.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::Dtype;
use serde_json::value::RawValue;

use super::json::Entries;
use super::{Array, Header, npy};

/// How deep values may lie in one another. Each level is read once more than the one above.
const MAX_DEPTH: usize = 64;

/// A value, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tree {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A finite number, as JSON writes it: it may have more digits than any type here holds.
    Number(String),
    /// A number that JSON lacks: `nan`, `inf` or `-inf`.
    Float(String),
    /// A text.
    Text(String),
    /// The name of an array.
    Array(String),
    /// The name of an array that holds a .npy file.
    Npy(String),
    /// The name of an array that holds bytes.
    Bytes(String),
    /// Values in their order.
    List(Vec<Tree>),
    /// Values in their order.
    Tuple(Vec<Tree>),
    /// Values by name. Two dicts are equal in whatever order they were written.
    Dict(BTreeMap<String, Tree>),
    /// Keys of any kind, each with its value.
    Map(Vec<(Tree, Tree)>),
}

/// Why a text is no tree, or none of this file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Not JSON, or not of the form that it must have.
    #[error("cannot be read: {0}")]
    Json(String),
    /// Values lie too deep in one another.
    #[error("more than {MAX_DEPTH} values lie in one another")]
    Depth,
    /// A key comes twice.
    #[error("key {0:?} is there twice")]
    Twice(String),
    /// A key that begins with `$` and means nothing.
    #[error("{0:?} is nothing known: dicts with keys that begin with $ are written as $map")]
    Unknown(String),
    /// A number that is none.
    #[error("$float is {0:?}, not nan, inf or -inf")]
    Float(String),
    /// A key of a map that no program could use as one.
    #[error("a list, dict or array cannot be a key")]
    Key,
    /// The tree names an array that is not there.
    #[error("array {0:?} is not in the file")]
    Missing(String),
    /// The tree names an array twice.
    #[error("array {0:?} is in the tree twice")]
    Again(String),
    /// An array is not in the tree.
    #[error("array {0:?} is not in the tree, so that it would be lost")]
    Lost(String),
    /// Bytes that are not in an array of bytes.
    #[error("array {0:?} holds bytes, so it has to be U8 with one dimension")]
    NotBytes(String),
    /// A .npy file that is none.
    #[error("array {0:?} does not hold a .npy file")]
    Npy(String),
    /// An array of objects.
    #[error("array {0:?} holds Python objects, which could run code: send numbers or texts")]
    Objects(String),
}

impl Tree {
    /// Reads a tree.
    ///
    /// # Errors
    ///
    /// If the text is no tree.
    pub fn from_json(text: &str) -> Result<Self, TreeError> {
        let raw: &RawValue = serde_json::from_str(text).map_err(malformed)?;
        Self::read(raw, MAX_DEPTH)
    }

    fn read(raw: &RawValue, depth: usize) -> Result<Self, TreeError> {
        let depth = depth.checked_sub(1).ok_or(TreeError::Depth)?;
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => Self::read_object(text, depth)?,
            Some(b'[') => Self::List(read_all(raw, depth)?),
            Some(b'"') => Self::Text(parse(text)?),
            Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            _ => Self::Number(text.to_owned()),
        })
    }

    fn read_object(text: &str, depth: usize) -> Result<Self, TreeError> {
        let entries: Entries<&RawValue> = parse(text)?;
        if let Some(key) = entries.twice() {
            return Err(TreeError::Twice(key.to_owned()));
        }
        let marked = entries.0.iter().find(|(key, _)| key.starts_with('$'));
        let Some((marked, _)) = marked else {
            let read = |(key, value)| Ok((key, Self::read(value, depth)?));
            return Ok(Self::Dict(
                entries.0.into_iter().map(read).collect::<Result<_, _>>()?,
            ));
        };
        let [(key, value)] = entries.0.as_slice() else {
            return Err(TreeError::Unknown(marked.clone()));
        };
        let text = || parse::<String>(value.get());
        Ok(match key.as_str() {
            "$array" => Self::Array(text()?),
            "$npy" => Self::Npy(text()?),
            "$bytes" => Self::Bytes(text()?),
            "$float" => match text()? {
                known if ["nan", "inf", "-inf"].contains(&known.as_str()) => Self::Float(known),
                other => return Err(TreeError::Float(other)),
            },
            "$tuple" => Self::Tuple(read_all(value, depth)?),
            "$map" => {
                let pairs: Vec<[&RawValue; 2]> = parse(value.get())?;
                let read = |[key, value]: [&RawValue; 2]| {
                    let key = Self::read(key, depth)?;
                    if !key.can_be_key() {
                        return Err(TreeError::Key);
                    }
                    Ok((key, Self::read(value, depth)?))
                };
                Self::Map(pairs.into_iter().map(read).collect::<Result<_, _>>()?)
            }
            _ => return Err(TreeError::Unknown(key.clone())),
        })
    }

    fn can_be_key(&self) -> bool {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Float(_) => true,
            Self::Text(_) | Self::Bytes(_) => true,
            Self::Tuple(parts) => parts.iter().all(Self::can_be_key),
            Self::Array(_) | Self::Npy(_) | Self::List(_) | Self::Dict(_) | Self::Map(_) => false,
        }
    }

    /// The tree as the text that [`Tree::from_json`] reads.
    pub fn to_json(&self) -> String {
        let text = |text: &String| serde_json::Value::from(text.as_str()).to_string();
        let all = |parts: &[Tree]| {
            let parts: Vec<_> = parts.iter().map(Self::to_json).collect();
            format!("[{}]", parts.join(","))
        };
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(it) => it.to_string(),
            Self::Number(it) => it.clone(),
            Self::Float(it) => format!(r#"{{"$float":{}}}"#, text(it)),
            Self::Text(it) => text(it),
            Self::Array(name) => format!(r#"{{"$array":{}}}"#, text(name)),
            Self::Npy(name) => format!(r#"{{"$npy":{}}}"#, text(name)),
            Self::Bytes(name) => format!(r#"{{"$bytes":{}}}"#, text(name)),
            Self::List(parts) => all(parts),
            Self::Tuple(parts) => format!(r#"{{"$tuple":{}}}"#, all(parts)),
            Self::Dict(entries) => {
                let entry = |(key, value): (_, &Tree)| format!("{}:{}", text(key), value.to_json());
                let entries: Vec<_> = entries.iter().map(entry).collect();
                format!("{{{}}}", entries.join(","))
            }
            Self::Map(pairs) => {
                let pair = |(key, value): &(Tree, Tree)| {
                    format!("[{},{}]", key.to_json(), value.to_json())
                };
                let pairs: Vec<_> = pairs.iter().map(pair).collect();
                format!(r#"{{"$map":[{}]}}"#, pairs.join(","))
            }
        }
    }

    /// Whether this is a dict that has each array under its own name: such a value needs no
    /// tree.
    pub fn is_flat(&self) -> bool {
        let Self::Dict(entries) = self else {
            return false;
        };
        entries
            .iter()
            .all(|(key, value)| matches!(value, Self::Array(name) if name == key))
    }

    /// The arrays that hold bytes or a .npy file: they have no mean.
    pub fn opaque(&self) -> BTreeSet<&str> {
        let mut opaque = BTreeSet::new();
        self.visit(&mut |part| {
            if let Self::Npy(name) | Self::Bytes(name) = part {
                opaque.insert(name.as_str());
            }
        });
        opaque
    }

    /// Whether each array of the file is in the tree exactly once, and bytes are bytes.
    pub(super) fn check_arrays(&self, header: &Header) -> Result<(), TreeError> {
        let mut lost: BTreeSet<&str> = header.arrays().iter().map(Array::name).collect();
        let mut verdict = Ok(());
        self.visit(&mut |part| {
            let (Self::Array(name) | Self::Npy(name) | Self::Bytes(name)) = part else {
                return;
            };
            let fault = match header.array(name) {
                None => TreeError::Missing(name.clone()),
                Some(_) if !lost.remove(name.as_str()) => TreeError::Again(name.clone()),
                Some(array) => match part {
                    Self::Array(_) => return,
                    _ if array.dtype() == Dtype::U8 && array.shape().len() == 1 => return,
                    _ => TreeError::NotBytes(name.clone()),
                },
            };
            if verdict.is_ok() {
                verdict = Err(fault);
            }
        });
        verdict?;
        match lost.first() {
            Some(name) => Err(TreeError::Lost((*name).to_owned())),
            None => Ok(()),
        }
    }

    /// Whether each .npy file is one, and none holds objects.
    pub(super) fn check_npy<'a>(
        &self,
        bytes: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Result<(), TreeError> {
        let mut verdict = Ok(());
        self.visit(&mut |part| {
            if let Self::Npy(name) = part
                && verdict.is_ok()
            {
                verdict = match bytes(name).and_then(npy::has_objects) {
                    None => Err(TreeError::Npy(name.clone())),
                    Some(true) => Err(TreeError::Objects(name.clone())),
                    Some(false) => Ok(()),
                };
            }
        });
        verdict
    }

    fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Tree)) {
        see(self);
        match self {
            Self::List(parts) | Self::Tuple(parts) => parts.iter().for_each(|it| it.visit(see)),
            Self::Dict(entries) => entries.values().for_each(|it| it.visit(see)),
            Self::Map(pairs) => {
                for (key, value) in pairs {
                    key.visit(see);
                    value.visit(see);
                }
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Float(_) | Self::Text(_) => {}
            Self::Array(_) | Self::Npy(_) | Self::Bytes(_) => {}
        }
    }
}

fn read_all(raw: &RawValue, depth: usize) -> Result<Vec<Tree>, TreeError> {
    let parts: Vec<&RawValue> = parse(raw.get())?;
    parts.into_iter().map(|it| Tree::read(it, depth)).collect()
}

fn parse<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, TreeError> {
    serde_json::from_str(text).map_err(malformed)
}

fn malformed(error: serde_json::Error) -> TreeError {
    TreeError::Json(error.to_string())
}
