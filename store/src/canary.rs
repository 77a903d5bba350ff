//! Planted bugs, one at a time, for the simulator to catch. Without the feature `canary` none of this exists
//! in the binary.

use crate::engine::Batch;

canaries::canaries! {
    /// A failed condition is answered at once, whatever becomes of what it looked at.
    ConditionOnUncommitted,
    /// A failed condition is answered before what it looked at is applied; the leadership is confirmed.
    ConditionBeforeApplied,
    /// A failed condition is answered by whoever believes to lead.
    ConditionWithoutConfirmation,
    /// A failed condition of a retry is not recorded.
    FailureNotRecorded,
    /// The effects in flight outlive the leadership.
    OverlaySurvives,
    /// A new leader evaluates before its first entry is applied.
    EvaluatesBeforeNoop,
    /// A DeleteRange does not see what is in flight.
    DeleteRangeMissesInFlight,
    /// The applied position is written apart from the changes.
    AppliedOutsideBatch,
    /// The changes of some entries are written in two batches.
    TornBatch,
    /// Timestamps begin anew under a new leader.
    TimestampsGoBack,
    /// A timestamp that lies ahead is read at once.
    ReadAhead,
    /// A follower reads at a timestamp that it has not applied.
    FollowerReadsAhead,
    /// Reads go on while a snapshot is being installed.
    ReadDuringInstall,
    /// How stale a replica is counts from the answer of the leader, not from the question.
    StaleFromAnswer,
    /// A snapshot brings the sessions without the records of their writes.
    RecordsLostInSnapshot,
    /// A retry does not see its first attempt in flight.
    RetryMissesInFlight,
    /// An expired session is begun anew.
    ExpiredSessionExecutes,
    /// A number that was acknowledged is executed again.
    AcknowledgedExecutes,
    /// The log is cut beyond what is flushed.
    LogCutBeyondFlushed,
    /// The log is kept for a snapshot until it is installed, and not until what followed it arrived.
    LogCutUnderTail,
    /// A snapshot is installed without a durable intent.
    TornInstall,
    /// A tombstone is dropped while what it shadows is still there.
    GarbageResurrects,
    /// The GC threshold does not look at holds.
    HoldIgnored,
    /// Versions are kept for a moment only.
    RetentionIgnored,
    /// Checksums of entries are not looked at.
    ChecksumIgnored,
    /// Damaged entries are appended; they are noticed when they are applied.
    AppendsDamaged,
}

canaries::planting!();

/// What `call` gives without any planted bug.
#[cfg(feature = "canary")]
pub fn without<T>(call: impl FnOnce() -> T) -> T {
    let _none = Planted::new(None);
    call()
}

/// The batch; for the planted bugs a part of it that is written before, on its own.
#[cfg(feature = "canary")]
pub(crate) fn tear(mut batch: Batch) -> (Option<Batch>, Batch) {
    // The applied position is the last change.
    let last = batch.changes.len().saturating_sub(1);
    let rest = if planted(Canary::AppliedOutsideBatch) {
        batch.changes.split_off(last)
    } else if planted(Canary::TornBatch) && last > 1 {
        batch.changes.rotate_right(1);
        batch.changes.split_off(last / 2 + 1)
    } else {
        return (None, batch);
    };
    (Some(batch), Batch { changes: rest })
}

/// The batch as it is.
#[cfg(not(feature = "canary"))]
pub(crate) const fn tear(batch: Batch) -> (Option<Batch>, Batch) {
    (None, batch)
}

#[cfg(test)]
mod tests {
    use super::Canary;

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = Canary::ALL.iter().map(|canary| canary.name()).collect();
        assert_eq!(names.len(), Canary::ALL.len());
    }
}
