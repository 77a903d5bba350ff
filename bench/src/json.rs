//! Figures for programs.

use std::path::Path;

use serde::Serialize;

use crate::error::BenchError;

/// `figures` as JSON.
///
/// # Errors
/// None that can be expected.
pub fn text(figures: &impl Serialize) -> Result<String, BenchError> {
    serde_json::to_string_pretty(figures)
        .map_err(|error| BenchError::Call { what: "JSON".to_owned(), reason: error.to_string() })
}

/// Writes `figures` to the file `path`, if there is to be one.
///
/// # Errors
/// The file cannot be written.
pub fn save(path: Option<&Path>, figures: &impl Serialize) -> Result<(), BenchError> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, text(figures)?).map_err(BenchError::file(path))
}
