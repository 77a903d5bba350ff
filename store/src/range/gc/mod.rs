//! Garbage collection: how the replicated threshold rises, and what may be dropped below it.
//!
//! A version is garbage when a newer one at or below the threshold shadows it: whoever reads at the threshold or
//! above sees the newer one. A tombstone is garbage when it shadows nothing any more. What is dropped goes by the
//! threshold as of the last *flush*: what is gone from the disk is gone after a crash as well, and the replica
//! must know then that it may not be read.

mod ages;
mod droppable;
mod sweep;

pub use ages::Ages;
pub use droppable::droppable;
pub use sweep::{Sweep, gc_batch};

use std::time::Duration;

use raft::{RangeId, Time};

use super::StateError;
use super::state::codec;
use crate::canary::{Canary, planted};
use crate::engine::Engine;
use crate::key::{Local, local};
use crate::timestamp::Timestamp;

/// The least retention, whatever is configured and however short space is.
pub const LEAST_RETENTION: Duration = Duration::from_secs(60);

/// What a leader wants the threshold to be: the highest timestamp that has been readable for `retention`.
#[must_use]
pub fn wanted_threshold(ages: &Ages, now: Time, retention: Duration) -> Option<Timestamp> {
    let retention =
        if planted(Canary::RetentionIgnored) { retention / 60 } else { retention.max(LEAST_RETENTION) };
    ages.older_than(now, retention)
}

/// The threshold up to which versions may be dropped: the flushed one.
///
/// # Errors
/// The replica must stop.
pub fn flushed_threshold<E: Engine>(engine: &E, range: RangeId) -> Result<Timestamp, StateError> {
    let what = Local::GcThreshold;
    match engine.read_persisted(&local(range, what))? {
        Some(value) => codec::decode_timestamp(what, &value),
        None => Ok(Timestamp::ZERO),
    }
}
