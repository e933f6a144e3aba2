//! Paths as people write them in settings and options.

use std::path::{Component, Path};

/// Why a path is not what it was meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// Nothing is written.
    #[error("the path is empty: write one, or . for this folder")]
    Empty,
    /// `~`, which would become a folder of that name.
    #[error(
        "only a shell knows what ~ is, and it was not asked: write the path in full, or ./~ for a folder of that name"
    )]
    Home,
    /// `$NAME`, which would become a folder of that name.
    #[error(
        "only a shell knows what $ stands for, and it was not asked: write the path in full, or ./$ for a folder whose name begins so"
    )]
    Variable,
}

/// Finds what only a shell would understand at the front of a path.
///
/// # Errors
///
/// When the path is empty, or begins with `~` or `$`.
pub fn check_path(path: &Path) -> Result<(), PathFault> {
    match path.components().next() {
        None => Err(PathFault::Empty),
        Some(Component::Normal(first)) => match first.as_encoded_bytes() {
            [b'~', ..] => Err(PathFault::Home),
            [b'$', ..] => Err(PathFault::Variable),
            _ => Ok(()),
        },
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_shell_understands_is_refused() {
        for (path, expected) in [
            ("", Err(PathFault::Empty)),
            ("~", Err(PathFault::Home)),
            ("~/state", Err(PathFault::Home)),
            ("~me/state", Err(PathFault::Home)),
            ("$HOME/state", Err(PathFault::Variable)),
            ("${STATE}", Err(PathFault::Variable)),
            (".", Ok(())),
            ("./~/state", Ok(())),
            ("./$x", Ok(())),
            ("/srv/~/$x", Ok(())),
            ("state~", Ok(())),
            ("../state", Ok(())),
        ] {
            assert_eq!(check_path(Path::new(path)), expected, "{path}");
        }
    }
}
