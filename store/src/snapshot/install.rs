//! The received snapshot replaces what the engine has of the range.
//!
//! ```text
//! Received ─ intent durable ─► Remove ─► Ingest ─► ResetLog ─ reset durable ─► Done
//!                                 ▲                   │
//!                                 └─ crash, restart ──┘        until the log says that the intent is done
//! ```
//!
//! From the intent to the reset of the log nothing else changes the range, so that a restart begins again with
//! the removal, however far the install was.

use bytes::Bytes;
use thiserror::Error;

use super::manifest::{Manifest, ManifestError};
use crate::directory::Directory;
use crate::effects::ClusterVersion;
use crate::engine::{Engine, EngineError};
use crate::range::{RangeState, StateError};
use crate::table::{self, Table};

/// What an install waits for, or does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// All tables are verified and durable. The intent is to be made durable.
    Received,
    /// What the engine has of the range is removed next.
    Remove,
    /// The tables are taken in next.
    Ingest,
    /// The engine has the snapshot, durably. The log is to be reset, durably.
    ResetLog,
    /// The files are not needed any more.
    Done,
}

/// Why an install cannot go on. All of these stop the process.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum InstallError {
    /// The intent cannot be read.
    #[error("the intent to install a snapshot cannot be used: {0}")]
    Intent(#[from] ManifestError),
    /// The engine failed, or does not hold what it should hold now.
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<EngineError> for InstallError {
    fn from(error: EngineError) -> Self {
        InstallError::State(error.into())
    }
}

/// An install under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Install {
    manifest: Manifest,
    stage: Stage,
}

impl Install {
    /// Of a snapshot whose tables are all verified and durable.
    pub(super) fn new(manifest: Manifest) -> Self {
        Self { manifest, stage: Stage::Received }
    }

    /// The one whose intent a start found.
    ///
    /// # Errors
    /// It cannot be read: the process must stop.
    pub fn resume(intent: &Bytes) -> Result<Self, ManifestError> {
        Ok(Self { manifest: Manifest::decode(intent)?, stage: Stage::Remove })
    }

    /// What is installed.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How far it is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What is to be made durable first: everything that a restart needs to know.
    #[must_use]
    pub fn intent(&self) -> Bytes {
        self.manifest.encode()
    }

    /// The intent is durable.
    pub fn intent_persisted(&mut self) {
        if self.stage == Stage::Received {
            self.stage = Stage::Remove;
        }
    }

    /// Does one step in the engine, if it is the engine's turn. After the last one gives the state that the range
    /// has now.
    ///
    /// # Errors
    /// The process must stop.
    pub fn step<E: Engine, D: Directory>(
        &mut self,
        engine: &E,
        directory: &D,
        supported: ClusterVersion,
    ) -> Result<Option<RangeState>, InstallError> {
        match self.stage {
            Stage::Remove => {
                engine.remove(&self.manifest.spans())?;
                self.stage = Stage::Ingest;
                Ok(None)
            }
            Stage::Ingest => {
                let tables: Vec<Table> = self.manifest.tables().map(|of| of.table.clone()).collect();
                engine.ingest(&self.manifest.spans(), &mut table::read(directory, &tables))?;
                let state = self.check(engine, supported)?;
                self.stage = Stage::ResetLog;
                Ok(Some(state))
            }
            Stage::Received | Stage::ResetLog | Stage::Done => Ok(None),
        }
    }

    /// The state that the range has now, if it is that of the manifest.
    fn check<E: Engine>(&self, engine: &E, supported: ClusterVersion) -> Result<RangeState, InstallError> {
        let state = RangeState::load(&engine.view(), self.manifest.range, supported)?;
        let (applied, descriptor) = (state.applied(), state.descriptor());
        if applied.position != self.manifest.meta.last
            || applied.timestamp != self.manifest.timestamp
            || descriptor.epoch != self.manifest.epoch
        {
            let expected = self.manifest.meta.last;
            let detail = format!("a snapshot of {expected} holds the state at {}", applied.position);
            return Err(EngineError::Corruption { detail }.into());
        }
        Ok(state)
    }

    /// The log batch with the reset is durable; it cleared the intent.
    pub fn log_reset_persisted(&mut self) {
        if self.stage == Stage::ResetLog {
            self.stage = Stage::Done;
        }
    }
}

/// Finishes an install whose intent a start found, before anything else looks at the range. Then the log is to be
/// reset to what the manifest covers, in the batch that clears the intent; until that is durable, the files stay
/// and this can be repeated.
///
/// # Errors
/// The process must stop.
pub fn finish_intent<E: Engine, D: Directory>(
    engine: &E,
    directory: &D,
    intent: &Bytes,
    supported: ClusterVersion,
) -> Result<(Manifest, RangeState), InstallError> {
    let mut install = Install::resume(intent)?;
    loop {
        if let Some(state) = install.step(engine, directory, supported)? {
            return Ok((install.manifest, state));
        }
    }
}
