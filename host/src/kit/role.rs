//! The role of a kit: a site's or the coordinator's.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose kit a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A site's.
    Site,
    /// The coordinator's.
    Server,
}

impl Role {
    /// The command that starts a kit of this role.
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Site => "join",
            Self::Server => "serve",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Site => "site",
            Self::Server => "server",
        })
    }
}
