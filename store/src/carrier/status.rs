//! What a carrier shows of itself.

use raft::RangeId;

use crate::snapshot::Failure;

/// Events that never reset, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Snapshots made.
    pub exported: u64,
    /// Pieces served, in bytes.
    pub sent_bytes: u64,
    /// Pieces that arrived, in bytes.
    pub received_bytes: u64,
    /// Snapshots that arrived whole.
    pub received: u64,
    /// Snapshots that could not be had.
    pub failed: u64,
    /// Those of them that did not fit on the disk.
    pub no_space: u64,
    /// Snapshots that replaced a range's data.
    pub installed: u64,
    /// Requests dropped: too many waited.
    pub dropped_requests: u64,
}

/// What a range shows of its snapshots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeStatus {
    /// The range.
    pub range: RangeId,
    /// One is being made.
    pub exporting: bool,
    /// One is on its way in.
    pub fetching: bool,
    /// One takes the place of the data.
    pub installing: bool,
    /// Why the last one could not be had.
    pub last_failure: Option<Failure>,
}
