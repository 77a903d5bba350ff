//! What can stop a benchmark.

use std::path::PathBuf;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Not an address.
    #[error("\"{address}\" is not a host:port: {reason}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or folder.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A program is not where it was looked for.
    #[error("{path} is not there; {hint}", path = path.display())]
    NoProgram {
        /// Where it was looked for.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
    },
    /// A file system on which a sync costs nothing.
    #[error("{path} is on a file system in memory, where a sync costs nothing: choose another --folder", path = path.display())]
    InMemory {
        /// The folder.
        path: PathBuf,
    },
    /// A server ended by itself.
    #[error("{server} ended ({status}); the end of {log}:\n{tail}", log = log.display())]
    Ended {
        /// Which.
        server: String,
        /// How.
        status: String,
        /// Where its output is.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s{detail}")]
    TooSlow {
        /// What.
        what: String,
        /// How long was waited.
        seconds: u64,
        /// What was seen instead.
        detail: String,
    },
    /// A call that must succeed failed.
    #[error("{what}: {reason}")]
    Call {
        /// Which.
        what: String,
        /// Why.
        reason: String,
    },
    /// This machine cannot do it.
    #[error("{0}")]
    Unable(String),
}

impl BenchError {
    /// For `map_err`: an error about the file or folder `path`.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> BenchError {
        let path = path.into();
        move |source| BenchError::File { path, source }
    }
}
