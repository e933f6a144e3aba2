//! stub
use super::fobs::ArrayKind;
use super::value::Value;
use crate::message::Properties;
use bytes::Bytes;
use std::collections::BTreeMap;
pub(crate) struct HostTask {
    pub(crate) headers: Properties,
    pub(crate) parts: Vec<Bytes>,
}
pub(crate) struct Content {
    pub(crate) headers: Vec<(Value, Value)>,
    pub(crate) entries: Vec<(Value, Value)>,
}
pub(crate) fn to_host(_v: Value, _f: &BTreeMap<String, Bytes>) -> Result<HostTask, String> {
    Ok(HostTask {
        headers: Properties::new(),
        parts: vec![],
    })
}
pub(crate) fn from_host(_h: &Properties, _p: &Bytes, _ok: bool) -> Result<Content, String> {
    Ok(Content {
        headers: vec![],
        entries: vec![],
    })
}
pub(crate) fn items(_i: Bytes, _k: ArrayKind) -> Result<Vec<(String, Bytes)>, String> {
    Ok(vec![])
}
