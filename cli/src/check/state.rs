//! Checks the folder of what must outlive the process.

use std::path::Path;

use fedlink_host::store::{FileStore, Found, StoreError};

use super::report::Line;

const STATE: &str = "state";

/// What is in the folder `path` for records of `owner`; `command` starts whoever uses it.
pub(super) fn state(path: &Path, owner: &str, command: &str) -> Line {
    let shown = path.display();
    match FileStore::look(path, owner) {
        Ok(Found::Nothing) => Line::right(
            STATE,
            format!("nothing is stored in {shown} yet, where it can be"),
        ),
        Ok(Found::InUse) => Line::right(
            STATE,
            format!("a process that runs uses {shown}: what it stored is not looked at"),
        ),
        Ok(Found::Store { records, bytes }) => Line::right(
            STATE,
            format!("{shown} holds {records} records, {bytes} bytes, and can be written"),
        ),
        Ok(_) => Line::right(STATE, format!("{shown} can be used")),
        Err(error @ (StoreError::Damaged { .. } | StoreError::Missing(_))) => {
            let remedy = format!(
                "`{command} --repair` repairs it; what was promised by records that are lost is then broken"
            );
            Line::wrong(STATE, error.to_string(), Some(&remedy))
        }
        Err(error) => Line::wrong(STATE, error.to_string(), None),
    }
}
