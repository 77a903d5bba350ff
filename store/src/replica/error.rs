//! What stops the process, and how refusals of the core are told to clients.

use raft::{ProposeError, RangeId, ReadError, RestoreError, SettingsError};
use thiserror::Error;

use crate::effects::DecodeError;
use crate::engine::EngineError;
use crate::log_store::LogStoreError;
use crate::range::{ApplyError, ApplyFault, RangeError, StateError};
use crate::request::RequestError;
use crate::snapshot::InstallError;
use crate::snapshot::manifest::ManifestError;

/// Why the process must stop.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StoreFault {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogStoreError),
    /// The data engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What the data engine holds cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// A committed entry cannot be applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The settings break a rule.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The settings break a rule.
    #[error("limits.entry_bytes is {limit}, the core takes {core} less {}: lower it", raft::ENTRY_OVERHEAD)]
    EntryLimit {
        /// As set.
        limit: usize,
        /// As set for the core.
        core: usize,
    },
    /// The log of a range has a gap or the like.
    #[error("{range:?}: {cause}")]
    DamagedLog {
        /// The range.
        range: RangeId,
        /// What is wrong.
        cause: RestoreError,
    },
    /// Log and data are not of the same node.
    #[error("the log and the data of this node do not belong together: {detail}; replace this node")]
    LostDisk {
        /// What was found.
        detail: &'static str,
    },
    /// A snapshot cannot be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// An install of a snapshot was interrupted, and has to be finished before the store is opened.
    #[error("{range:?} has an unfinished install of a snapshot")]
    OpenIntent {
        /// The range.
        range: RangeId,
    },
}

/// With which exit code a fault ends the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitCode {
    /// The settings are wrong.
    Configuration = 64,
    /// Data are damaged, or this program has a bug.
    Corruption = 70,
    /// A disk failed or is full.
    Sync = 71,
    /// The disk lost data.
    LostDisk = 72,
    /// A newer version wrote the data.
    NewerFormat = 73,
}

impl StoreFault {
    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            StoreFault::Settings(_) | StoreFault::EntryLimit { .. } => ExitCode::Configuration,
            StoreFault::LostDisk { .. } => ExitCode::LostDisk,
            StoreFault::DamagedLog { .. } | StoreFault::OpenIntent { .. } => ExitCode::Corruption,
            StoreFault::Log(error) => match error {
                LogStoreError::Sync { .. } | LogStoreError::NoSpace => ExitCode::Sync,
                LogStoreError::NewerFormat { .. } => ExitCode::NewerFormat,
                LogStoreError::Corruption { .. } | LogStoreError::Refused { .. } => ExitCode::Corruption,
            },
            StoreFault::Engine(error) => of_engine(error),
            StoreFault::State(error) | StoreFault::Install(InstallError::State(error)) => of_state(error),
            StoreFault::Install(InstallError::Intent(error)) => match error {
                ManifestError::NewerFormat { .. } | ManifestError::NewerMeta { .. } => ExitCode::NewerFormat,
                _ => ExitCode::Corruption,
            },
            StoreFault::Apply(error) => match error.fault {
                ApplyFault::Undecodable(DecodeError::NewerFormat { .. } | DecodeError::NewerKind { .. })
                | ApplyFault::NewerClusterVersion { .. } => ExitCode::NewerFormat,
                _ => ExitCode::Corruption,
            },
        }
    }
}

fn of_state(error: &StateError) -> ExitCode {
    match error {
        StateError::Engine(error) => of_engine(error),
        StateError::Key(_) | StateError::Local { .. } => ExitCode::Corruption,
        StateError::NewerFormat { .. } | StateError::NewerClusterVersion { .. } => ExitCode::NewerFormat,
    }
}

fn of_engine(error: &EngineError) -> ExitCode {
    match error {
        EngineError::Io { .. } | EngineError::NoSpace { .. } => ExitCode::Sync,
        EngineError::Corruption { .. } | EngineError::Refused { .. } => ExitCode::Corruption,
    }
}

/// For the client, or a fault.
pub(crate) fn refusal(error: RangeError) -> Result<RequestError, StoreFault> {
    match error {
        RangeError::Refused(error) => Ok(error),
        RangeError::Fatal(error) => Err(error.into()),
    }
}

/// How long a client waits until something short has passed.
pub(crate) const SHORT_MILLIS: u64 = 50;

/// A proposal that the core did not take: nothing was done.
pub(crate) fn not_proposed(error: ProposeError) -> RequestError {
    match error {
        ProposeError::NotLeader { leader } => RequestError::NotLeader { leader },
        ProposeError::LostDisk => RequestError::NotLeader { leader: None },
        ProposeError::Transferring { .. } => {
            let what = "leadership is being handed over";
            RequestError::Busy { what, delay_millis: SHORT_MILLIS }
        }
        ProposeError::Busy { .. } => RequestError::Busy {
            what: "the budget of uncommitted writes is used up",
            delay_millis: SHORT_MILLIS,
        },
        ProposeError::TooLarge { size, limit } => {
            RequestError::TooLarge { what: "the log entry of the request", size, limit }
        }
    }
}

/// A read that the core gave up, or did not take.
pub(crate) fn not_read(error: ReadError) -> RequestError {
    match error {
        // The leader that was asked is gone, or did not answer.
        ReadError::NoLeader | ReadError::Aborted => RequestError::NoLeader,
        ReadError::LostDisk => RequestError::NotLeader { leader: None },
        ReadError::Busy { .. } => {
            RequestError::Busy { what: "the list of waiting reads is full", delay_millis: SHORT_MILLIS }
        }
    }
}
