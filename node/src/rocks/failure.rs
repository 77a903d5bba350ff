//! What RocksDB and the file system say, in the words of the store's traits.

use std::io;
use std::sync::OnceLock;

use rocksdb::ErrorKind;
use store::engine::EngineError;
use store::log_store::LogStoreError;

/// Why something failed.
#[derive(Clone, Debug)]
pub(super) enum Cause {
    /// The device or the file system refused.
    Io(String),
    /// No space is left.
    NoSpace,
    /// What was read is not what was written.
    Corruption(String),
}

impl From<rocksdb::Error> for Cause {
    fn from(error: rocksdb::Error) -> Self {
        let kind = error.kind();
        let message = error.into_string();
        // A status has a subcode for this, which the C interface gives as text only.
        if message.contains("No space left on device") {
            return Self::NoSpace;
        }
        match kind {
            // A file that the manifest names, or a record that must be there.
            ErrorKind::Corruption | ErrorKind::NotFound => Self::Corruption(message),
            ErrorKind::IOError if message.contains("No such file or directory") => Self::Corruption(message),
            _ => Self::Io(message),
        }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Io(error.to_string()),
        }
    }
}

impl Cause {
    /// As an error of the data engine that was to do `action`.
    pub(super) fn of_engine(self, action: &'static str) -> EngineError {
        match self {
            Self::Io(detail) => EngineError::Io { action, detail },
            Self::NoSpace => EngineError::NoSpace { action },
            Self::Corruption(detail) => EngineError::Corruption { detail },
        }
    }

    /// As an error of the log.
    pub(super) fn of_log(self) -> LogStoreError {
        match self {
            Self::Io(detail) => LogStoreError::Sync { detail },
            Self::NoSpace => LogStoreError::NoSpace,
            Self::Corruption(detail) => LogStoreError::Corruption { detail },
        }
    }
}

/// The first failure of a handle and of its clones; there is no way back.
#[derive(Debug)]
pub(super) struct Failed<E>(OnceLock<E>);

impl<E> Default for Failed<E> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<E: Clone> Failed<E> {
    /// The failure, if there was one.
    pub(super) fn check(&self) -> Result<(), E> {
        self.0.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Keeps the failure, unless there was one before.
    pub(super) fn keep<T>(&self, result: Result<T, E>) -> Result<T, E> {
        result.inspect_err(|error| {
            self.0.get_or_init(|| error.clone());
        })
    }
}
