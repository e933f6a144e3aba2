//! Names of jobs, kinds and sites.

/// The longest name of a job or kind, in bytes: names become names of folders.
pub const MAX_JOB_NAME: usize = 64;
/// The longest name of a site, in bytes: the protocol's own limit.
pub const MAX_SITE_NAME: usize = 255;

/// Whether a job or a kind may have this name; why not, otherwise.
pub(super) fn check(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > MAX_JOB_NAME {
        return Err(format!(
            "a name of {} bytes, not of 1 to {MAX_JOB_NAME}",
            name.len()
        ));
    }
    if let Some(other) = name.chars().find(|c| !allowed(*c)) {
        return Err(format!(
            "{other:?} is not allowed: letters of ASCII, digits, `-`, `_` and `.` are"
        ));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || name.contains("..") {
        return Err(
            "a name begins with a letter or digit, and has no two dots in a row".to_owned(),
        );
    }
    Ok(())
}

/// Whether a site may have this name; why not, otherwise.
pub(super) fn check_site(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > MAX_SITE_NAME {
        return Err(format!(
            "a site's name of {} bytes, not of 1 to {MAX_SITE_NAME}",
            name.len()
        ));
    }
    if name
        .chars()
        .any(|c| c.is_control() || matches!(c, '/' | '\\'))
        || name.starts_with('.')
    {
        return Err(format!("{name:?} is no name of a site"));
    }
    Ok(())
}
