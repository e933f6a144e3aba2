//! What of the site's environment its programs do not get.

use std::ffi::OsString;

/// Of systemd, which means the site with them, and of proxies, which may hold a password.
const NAMES: [&str; 3] = ["NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "INVOCATION_ID"];
const BEGINNINGS: [&str; 3] = ["FEDLINK_", "WATCHDOG_", "LISTEN_"];
const END: &str = "_PROXY";

/// The variables of this process that are the site's alone.
pub(crate) fn withheld() -> impl Iterator<Item = OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| name.to_str().is_some_and(is_withheld))
}

fn is_withheld(name: &str) -> bool {
    NAMES.contains(&name)
        || BEGINNINGS.iter().any(|begins| name.starts_with(begins))
        // `http_proxy` has small letters as a rule.
        || (name.to_ascii_uppercase().ends_with(END) && !name.eq_ignore_ascii_case("NO_PROXY"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_sites_alone_is_withheld() {
        for name in [
            "FEDLINK_TOKEN",
            "NOTIFY_SOCKET",
            "LISTEN_FDS",
            "LISTEN_PID",
            "WATCHDOG_USEC",
            "CREDENTIALS_DIRECTORY",
            "https_proxy",
            "HTTP_PROXY",
            "ALL_PROXY",
        ] {
            assert!(is_withheld(name), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "CUDA_VISIBLE_DEVICES",
            "no_proxy",
            "LD_LIBRARY_PATH",
        ] {
            assert!(!is_withheld(name), "{name}");
        }
    }
}
