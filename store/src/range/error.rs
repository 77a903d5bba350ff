//! What can go wrong: a request is refused, or the replica must stop.

use thiserror::Error;

use crate::effects::{ClusterVersion, Malformed};
use crate::engine::EngineError;
use crate::key::{DecodeError, Local};
use crate::request::RequestError;

/// Why a range gave no answer.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RangeError {
    /// For the client. Nothing was done.
    #[error(transparent)]
    Refused(#[from] RequestError),
    /// The replica must stop.
    #[error(transparent)]
    Fatal(#[from] StateError),
}

/// Why a replica must stop: what its engine holds cannot be read, or not by this version.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StateError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A key or a value of a version that no version of this program writes.
    #[error("the data are damaged: {0}; replace this node, its peers have good copies")]
    Key(#[from] DecodeError),
    /// Range-local state that no version of this program writes.
    #[error("the data are damaged: {what:?}: {cause}; replace this node, its peers have good copies")]
    Local {
        /// Which piece.
        what: Local,
        /// What is wrong with it.
        cause: Malformed,
    },
    /// Range-local state of a newer layout.
    #[error("{what:?} has format {found}: start the newer version again")]
    NewerFormat {
        /// Which piece.
        what: Local,
        /// Its first byte.
        found: u8,
    },
    /// The cluster has moved on.
    #[error("the cluster is at version {}, this program supports {}: start the newer version again", found.0, supported.0)]
    NewerClusterVersion {
        /// Of the cluster.
        found: ClusterVersion,
        /// Of this program.
        supported: ClusterVersion,
    },
}

impl From<EngineError> for RangeError {
    fn from(error: EngineError) -> Self {
        RangeError::Fatal(error.into())
    }
}
