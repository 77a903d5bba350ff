//! The log, on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::options::LogFormat;

/// Begins to log. A second call changes nothing: one process has one log.
///
/// # Errors
/// The level cannot be read.
pub fn start(level: &str, format: LogFormat) -> Result<(), ParseError> {
    let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(level)?).with_writer(stderr);
    let _ = match format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).try_init(),
    };
    Ok(())
}
