//! How the arrays of a task's data are nested, and a result's arrays nested alike.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{MEMBER, ModelError, array_parts};
use crate::wire::nvflare::typed::{self, ORDERED_DICT, TUPLE};
use crate::wire::nvflare::value::Value;

/// The data without what is no array: references to arrays, and what holds them. None if
/// there is no array. What is no array is never part of a result: the server would take it
/// for one, and average it.
pub(super) fn of_arrays(data: &Value) -> Option<Value> {
    if reference(data).is_some() {
        return Some(data.clone());
    }
    if let Some(pairs) = ORDERED_DICT.data(data) {
        let pairs = pairs.as_list()?.iter().filter_map(|pair| {
            let [key, value] = TUPLE.data(pair)?.as_list()? else {
                return None;
            };
            Some(TUPLE.of(vec![key.clone(), of_arrays(value)?]))
        });
        let pairs: Vec<Value> = pairs.collect();
        return (!pairs.is_empty()).then(|| ORDERED_DICT.of(pairs));
    }
    if let Some(items) = TUPLE.data(data) {
        return Some(TUPLE.of(of_arrays(items)?));
    }
    if typed::typed(data).is_some() {
        return None;
    }
    match data {
        Value::Map(pairs) => {
            let pairs = pairs
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), of_arrays(value)?)));
            let pairs: Vec<_> = pairs.collect();
            (!pairs.is_empty()).then_some(Value::Map(pairs))
        }
        Value::List(items) => {
            let items: Vec<Option<Value>> = items.iter().map(of_arrays).collect();
            // Arrays beside others keep their places; see `fill`.
            let any = items.iter().any(Option::is_some);
            let nil = |item: Option<Value>| item.unwrap_or(Value::Nil);
            any.then(|| items.into_iter().map(nil).collect::<Vec<_>>().into())
        }
        _ => None,
    }
}

/// Puts each array where it is referred to. Of a dict, entries whose array was not given
/// are left out; a list has to be whole.
pub(super) fn fill(
    shape: &mut Value,
    arrays: &mut BTreeMap<String, Value>,
) -> Result<(), ModelError> {
    if let Some(name) = reference(shape) {
        *shape = arrays
            .remove(name)
            .ok_or_else(|| ModelError::Missing(name.to_owned()))?;
        return Ok(());
    }
    let given = |value: &Value, arrays: &BTreeMap<String, Value>| {
        reference(value).is_none_or(|name| arrays.contains_key(name))
    };
    if let Some(Value::List(pairs)) = ORDERED_DICT.data_mut(shape) {
        pairs.retain(|pair| match TUPLE.data(pair).and_then(Value::as_list) {
            Some([_, value]) => given(value, arrays),
            _ => true,
        });
        return pairs
            .iter_mut()
            .try_for_each(|pair| match TUPLE.data_mut(pair) {
                Some(Value::List(pair)) => {
                    pair.iter_mut().skip(1).try_for_each(|it| fill(it, arrays))
                }
                _ => Ok(()),
            });
    }
    if let Some(items) = TUPLE.data_mut(shape) {
        return fill(items, arrays);
    }
    match shape {
        Value::Map(pairs) => {
            pairs.retain(|(_, value)| given(value, arrays));
            pairs
                .iter_mut()
                .try_for_each(|(_, value)| fill(value, arrays))
        }
        Value::List(items) => items.iter_mut().try_for_each(|item| fill(item, arrays)),
        Value::Nil => Err(ModelError::Mixed),
        _ => Ok(()),
    }
}

/// The member that stands for this array.
fn reference(value: &Value) -> Option<&str> {
    match array_parts(value)? {
        (_, MEMBER, name) => name.as_str(),
        _ => None,
    }
}
