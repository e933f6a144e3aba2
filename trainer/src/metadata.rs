//! The texts in the file of a result: whoever may send arrays may not send any text with them.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use serde::Deserialize;

/// The longest header that is read, in bytes: that of the largest file which a coordinator takes.
const MAX_HEADER: u64 = 16 << 20;

/// What says how the arrays are to be read.
const NAMES: [&str; 2] = ["format", "fedlink.tree"];

#[derive(Deserialize)]
struct Header {
    #[serde(default, rename = "__metadata__")]
    metadata: BTreeMap<String, String>,
}

/// The name of a text in a safetensors file that says nothing of its arrays. None as well if it
/// is no such file: then nobody takes it.
pub(crate) fn foreign(file: &File) -> Option<String> {
    let mut length = [0; 8];
    file.read_exact_at(&mut length, 0).ok()?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER {
        return None;
    }
    let mut header = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut header, 8).ok()?;
    let Header { metadata } = serde_json::from_slice(&header).ok()?;
    let mut names = metadata.into_keys();
    names.find(|name| !NAMES.contains(&name.as_str()))
}
