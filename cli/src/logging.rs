//! Traces on standard error, as many as RUST_LOG asks for.

use std::env::{self, VarError};

use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::output;

/// Why traces cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// RUST_LOG says something else than which traces to show.
    #[error(
        "RUST_LOG is {value:?}: {source}: write a level, or target=level and commas, as in info,fedlink=trace"
    )]
    Filter {
        /// What RUST_LOG is.
        value: String,
        /// What is wrong with it.
        source: ParseError,
    },
}

/// Begins to show traces: warnings and how far a store is read that takes long, or what
/// RUST_LOG asks for. Does nothing if traces are shown already.
///
/// # Errors
///
/// A RUST_LOG that cannot be understood.
pub fn start() -> Result<(), LoggingError> {
    let filter = filter(env::var("RUST_LOG"))?;
    let lines = fmt::layer()
        .with_writer(output::traces())
        .with_ansi(output::has_colours())
        // It would be told on an output that may be the one that fails.
        .log_internal_errors(false)
        // A trace may quote a peer.
        .fmt_fields(
            fmt::format::debug_fn(|writer, field, value| {
                let value = format!("{value:?}");
                let value = output::escape(&value);
                match field.name() {
                    "message" => write!(writer, "{value}"),
                    name => write!(writer, "{name}={value}"),
                }
            })
            .delimited(" "),
        );
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .try_init();
    Ok(())
}

fn filter(asked: Result<String, VarError>) -> Result<Targets, LoggingError> {
    match asked {
        Ok(value) if !value.trim().is_empty() => value
            .parse()
            .map_err(|source| LoggingError::Filter { value, source }),
        _ => Ok(Targets::new()
            .with_default(LevelFilter::WARN)
            .with_target("fedlink_host::store", LevelFilter::INFO)),
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn warnings_are_shown_unless_more_is_asked_for() {
        for unset in [Err(VarError::NotPresent), Ok(String::new())] {
            let filter = filter(unset).unwrap();
            assert!(filter.would_enable("fedlink", &Level::WARN));
            assert!(!filter.would_enable("fedlink", &Level::INFO));
            assert!(filter.would_enable("fedlink_host::store::scan", &Level::INFO));
        }
    }

    #[test]
    fn levels_can_differ_by_target() {
        let filter = filter(Ok("info,fedlink=trace".into())).unwrap();
        assert!(filter.would_enable("fedlink::client", &Level::TRACE));
        assert!(filter.would_enable("rustls", &Level::INFO));
        assert!(!filter.would_enable("rustls", &Level::DEBUG));
    }

    #[test]
    fn a_filter_that_cannot_be_understood_is_told() {
        let error = filter(Ok("fedlink=loud".into())).unwrap_err().to_string();
        assert!(error.contains("RUST_LOG is \"fedlink=loud\""), "{error}");
    }
}
