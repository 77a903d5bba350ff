//! The rule, for the compaction of an engine and for our own sweep.

use crate::timestamp::Timestamp;

/// Whether a pass over the versions of a key, the newest first, may drop `version`.
///
/// `newer` is the next newer version of the same key that this pass has seen, dropped or not: if a tombstone
/// goes, what it shadows must go in the same pass. `older_versions_possible`: an older version may be somewhere
/// that this pass does not reach, and would come back to life without its tombstone.
#[must_use]
pub fn droppable(
    newer: Option<Timestamp>,
    version: Timestamp,
    is_tombstone: bool,
    flushed_threshold: Timestamp,
    older_versions_possible: bool,
) -> bool {
    if newer.is_some_and(|newer| newer <= flushed_threshold) {
        return true;
    }
    version <= flushed_threshold && is_tombstone && !older_versions_possible
}
