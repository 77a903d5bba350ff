//! What ends a node: told once, whatever comes after it.

use std::sync::Arc;
use std::time::Duration;

use store::engine::EngineError;
use store::log_store::LogStoreError;
use store::replica::{ExitCode, StoreFault};
use thiserror::Error;
use tokio::sync::watch;

use super::inbox::Inbox;

/// Why the process must stop.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// The store, its log or its data engine cannot go on.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The disk does not answer.
    #[error("{what} has been stuck for {} s: the disk does not answer; look at it", stuck_for.as_secs())]
    Stuck {
        /// What was begun and does not end.
        what: &'static str,
        /// For so long at the least.
        stuck_for: Duration,
    },
    /// This program has a bug.
    #[error(
        "the thread {thread:?} panicked: this is a bug, please report it with the log lines before this one"
    )]
    Panicked {
        /// Which thread.
        thread: &'static str,
    },
    /// The system gave no thread.
    #[error("the thread {thread:?} cannot be started: {detail}; raise the limit of processes")]
    NoThread {
        /// Which thread.
        thread: &'static str,
        /// What the system said.
        detail: String,
    },
    /// The system does not say how much space is free.
    #[error("the free space of the data folder is not known: {detail}")]
    NoFreeSpace {
        /// What the system said.
        detail: String,
    },
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        Self::Store(error.into())
    }
}

impl From<LogStoreError> for Fault {
    fn from(error: LogStoreError) -> Self {
        Self::Store(error.into())
    }
}

impl Fault {
    /// With which code the process is to exit.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Fault::Store(fault) => fault.exit_code(),
            Fault::Stuck { .. } | Fault::NoFreeSpace { .. } => ExitCode::Sync,
            Fault::NoThread { .. } => ExitCode::Configuration,
            Fault::Panicked { .. } => ExitCode::Corruption,
        }
    }
}

/// Where the threads of a node tell why they cannot go on. The first one is the cause of the others.
#[derive(Clone)]
pub(super) struct Faults {
    told: Arc<watch::Sender<Option<Fault>>>,
    inbox: Arc<Inbox>,
}

impl Faults {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self { told: Arc::new(watch::Sender::new(None)), inbox }
    }

    /// Tells it, and has the loop stop: nothing more is answered.
    pub(super) fn raise(&self, fault: Fault) {
        self.told.send_if_modified(|told| {
            let first = told.is_none();
            told.get_or_insert(fault);
            first
        });
        self.inbox.close();
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<Fault>> {
        self.told.subscribe()
    }

    /// To be held by a thread as long as it lives.
    pub(super) fn guard(&self, thread: &'static str) -> Guard {
        Guard { faults: self.clone(), thread }
    }
}

/// Tells a panic of the thread that holds it.
pub(super) struct Guard {
    faults: Faults,
    thread: &'static str,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.faults.raise(Fault::Panicked { thread: self.thread });
        }
    }
}
