//! Why the test failed.

use crate::error::Error;

/// Why the test failed.
#[derive(thiserror::Error, Debug)]
pub enum Failure {
    /// The API server refused, or cannot be reached.
    #[error(transparent)]
    Kubernetes(#[from] Error),
    /// The options make no KvCluster.
    #[error("the test's values make no KvCluster: {0}")]
    Options(#[from] serde_json::Error),
    /// The Service of the cluster cannot be reached.
    #[error("{address}: {source}; does a network policy keep the test's pod from it?")]
    Service {
        /// Its address.
        address: String,
        /// Why not.
        source: client::Error,
    },
    /// Something did not happen.
    #[error("{what} did not happen in the time of the test (test.timeout); last seen: {last}")]
    TooLong {
        /// What was waited for.
        what: &'static str,
        /// How it was when the time was over.
        last: String,
    },
    /// The cluster lost a write that it had acknowledged.
    #[error("the key {key} was acknowledged as {written:?}, and reads as {read:?}: a write is lost")]
    WrongValue {
        /// The key.
        key: String,
        /// Its value.
        written: String,
        /// What was read.
        read: Option<String>,
    },
}
