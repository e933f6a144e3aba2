//! Encoding of a result: a host's .npz and headers become a Shareable.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{ModelError, REST, TENSOR, parse, scalar, shape, split_name};
use crate::message::Properties;
use crate::wire::nvflare::fobs::{self, ArrayKind};
use crate::wire::nvflare::npz;
use crate::wire::nvflare::safetensors;
use crate::wire::nvflare::typed::{self, DATA_KIND};
use crate::wire::nvflare::value::Value;

/// The kinds of data that NVFlare knows.
const KINDS: [&str; 9] = [
    "FL_MODEL",
    "WEIGHTS",
    "WEIGHT_DIFF",
    "METRICS",
    "ANALYTIC",
    "COLLECTION",
    "STATISTICS",
    "PSI",
    "APP_DEFINED",
];
/// Where metrics of a result that has arrays too are expected.
const INITIAL_METRICS: &str = "initial_metrics";

/// What a result's Shareable has to say, without what the link knows better.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) headers: Vec<(Value, Value)>,
    pub(crate) entries: Vec<(Value, Value)>,
}

impl Content {
    /// Of a result that cannot be put together.
    pub(crate) fn failed(error: &ModelError) -> Self {
        Self {
            headers: vec![("error".into(), error.to_string().into())],
            entries: Vec::new(),
        }
    }
}

/// Puts a result together. `shape` is that of its task, if it had one. What did not succeed
/// has no data, and neither has a result without payload and metrics.
pub(crate) fn from_host(
    headers: &Properties,
    payload: &Bytes,
    ok: bool,
    shape: Option<&Value>,
) -> Result<Content, ModelError> {
    let given = Given::read(headers)?;
    let mut content = Content {
        headers: given.headers,
        entries: Vec::new(),
    };
    if !ok || (payload.is_empty() && given.metrics.is_empty()) {
        return Ok(content);
    }
    let mut arrays = arrays(payload)?;
    let mut data = match shape {
        Some(shape) if !payload.is_empty() => shape.clone(),
        Some(_) | None => Value::Map(Vec::new()),
    };
    shape::fill(&mut data, &mut arrays)?;
    add_others(&mut data, arrays)?;

    let only_metrics = payload.is_empty();
    let kind = given.kind.as_deref();
    let kind = kind.unwrap_or(if only_metrics { "METRICS" } else { "WEIGHTS" });
    let kind = DATA_KIND.of(kind);
    let mut meta = given.meta;
    if only_metrics {
        data = Value::Map(given.metrics);
    } else if !given.metrics.is_empty() {
        meta.push((INITIAL_METRICS.into(), Value::Map(given.metrics)));
    }
    let dxo = Value::map([("kind", kind), ("data", data), ("meta", Value::Map(meta))]);
    content.entries.push(("DXO".into(), dxo));
    content
        .headers
        .push(("__content_type__".into(), "DXO".into()));
    Ok(content)
}

/// What the headers of a result say.
struct Given {
    kind: Option<String>,
    meta: Vec<(Value, Value)>,
    metrics: Vec<(Value, Value)>,
    headers: Vec<(Value, Value)>,
}

impl Given {
    fn read(properties: &Properties) -> Result<Self, ModelError> {
        let mut given = Self {
            kind: None,
            meta: Vec::new(),
            metrics: Vec::new(),
            headers: Vec::new(),
        };
        for (key, text) in properties.iter() {
            if key == "kind" {
                if !KINDS.contains(&text) {
                    return Err(ModelError::Kind(text.to_owned()));
                }
                given.kind = Some(text.to_owned());
            } else if let Some(name) = key.strip_prefix("meta.") {
                given.meta.push((name.into(), scalar::from_text(text)));
            } else if let Some(name) = key.strip_prefix("metrics.") {
                let number =
                    scalar::number(text).ok_or_else(|| ModelError::Metric(name.to_owned()))?;
                given.metrics.push((name.into(), number));
            } else if !key.starts_with("__") {
                given.headers.push((key.into(), scalar::from_text(text)));
            }
        }
        Ok(given)
    }
}

/// Arrays and tensors of a result by the names of their members. What a task has besides is
/// none of a result's, and ignored if it comes back.
fn arrays(payload: &Bytes) -> Result<BTreeMap<String, Value>, ModelError> {
    let mut arrays = BTreeMap::new();
    if payload.is_empty() {
        return Ok(arrays);
    }
    for member in npz::read(payload)? {
        if member.name == REST {
            continue;
        }
        let Some((_, kind)) = split_name(&member.name) else {
            return Err(ModelError::Member(member.name));
        };
        let bytes = match kind {
            ArrayKind::Numpy => {
                parse(&member.name, &member.bytes)?;
                member.bytes
            }
            ArrayKind::Tensor => safetensors::rename(&member.bytes, TENSOR)
                .map(fobs::join)
                .ok_or_else(|| ModelError::Tensor(member.name.clone()))?,
        };
        arrays.insert(member.name, typed::native(kind.of_type(), bytes));
    }
    Ok(arrays)
}

/// Adds what nothing refers to under its own name.
fn add_others(data: &mut Value, arrays: BTreeMap<String, Value>) -> Result<(), ModelError> {
    let Some((first, _)) = arrays.first_key_value() else {
        return Ok(());
    };
    if typed::typed(data).is_some() {
        return Err(ModelError::NoPlace(first.clone()));
    }
    let Value::Map(pairs) = data else {
        return Err(ModelError::NoPlace(first.clone()));
    };
    pairs.extend(arrays.into_iter().filter_map(|(member, array)| {
        let (name, _) = split_name(&member)?;
        Some((name.into(), array))
    }));
    Ok(())
}
