//! Names of servers, as certificates for TLS have them.

use rustls::pki_types::ServerName;

/// The name for TLS.
///
/// # Errors
///
/// What is wrong with it, and what helps.
pub(crate) fn server_name(name: &str) -> Result<ServerName<'static>, String> {
    match ServerName::try_from(name) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err(unfit(name)),
    }
}

/// That TLS takes no server of this name.
pub(crate) fn unfit(name: &str) -> String {
    format!(
        "{name:?} cannot be the name of a server in TLS: use letters, digits, '-', '_' and '.', \
         and no number after the last '.', as in \"coordinator-7\""
    )
}
