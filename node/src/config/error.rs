//! What is wrong with a configuration.

use std::path::PathBuf;

use thiserror::Error;

use super::layers::Origin;

/// Why a configuration is refused: the process ends with exit code 64.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ConfigError {
    /// No setting has this name.
    #[error("there is no setting {name:?} (from {origin}){hint}")]
    Unknown {
        /// As found.
        name: String,
        /// Where.
        origin: Origin,
        /// What may have been meant.
        hint: String,
    },
    /// TLS does not exist yet.
    #[error(
        "{name:?} (from {origin}): this version has no TLS and runs on trusted networks only; remove this setting"
    )]
    Tls {
        /// As found.
        name: String,
        /// Where.
        origin: Origin,
    },
    /// A value cannot be read, or breaks a rule.
    #[error("{name} is {value:?} (from {origin}): {right}")]
    Value {
        /// The setting.
        name: String,
        /// As found.
        value: String,
        /// Where.
        origin: Origin,
        /// What would be right.
        right: String,
    },
    /// The settings of the consensus core break a rule.
    #[error(transparent)]
    Core(#[from] raft::SettingsError),
    /// The file cannot be read.
    #[error("the configuration file {}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}
