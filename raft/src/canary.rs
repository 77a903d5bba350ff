//! Planted bugs, one at a time, for the simulator to catch. Without the feature `canary` none of this exists
//! in the binary.

canaries::canaries! {
    /// Waits: a candidate takes office before its own term and vote are durable.
    OfficeBeforeDurability,
    /// Waits: a vote is granted before it is durable.
    VoteBeforeSync,
    /// Waits: a heartbeat is acked before its term is durable.
    HeartbeatAckBeforeSync,
    /// Waits: a promise is acked before it is durable.
    PromiseBeforeSync,
    /// Waits: entries are acked before they are durable.
    AppendAckBeforeSync,
    /// Waits: appends are answered while a snapshot is being installed.
    AppendDuringInstall,
    /// Waits: a snapshot is acked before the install is complete.
    SnapshotAckEarly,
    /// Waits: the leader counts its own entries before they are durable.
    LeaderAckBeforeSync,
    /// Waits: entries are applied before they are locally durable.
    ApplyBeforeDurable,
    /// Waits: a client is answered before its entry is applied. The caller's, not the core's.
    ReplyBeforeApply,
    /// A membership change before an entry of the own term is committed.
    ChangeBeforeNoop,
    /// Two uncommitted membership changes at a time.
    TwoChanges,
    /// A learner's ack counts for commit and its vote for office.
    LearnerCounts,
    /// A truncated configuration entry stays in force.
    NoConfigurationRollback,
    /// A heartbeat commits beyond what matched in this term.
    CommitBeyondMatch,
    /// Entries of earlier terms are committed by counting (figure 8).
    CommitOldTerm,
    /// The completion of an overwritten write counts for what replaced it.
    AppendAba,
    /// A snapshot that the log already covers resets it.
    SnapshotErasesTail,
    /// The lease counts from the receipt of the ack.
    LeaseFromAck,
    /// The lease is believed without promises: any ack grants the leader's own idea of it.
    LeaseWithoutPromises,
    /// The lease goes on after `TimeoutNow`.
    LeaseAfterTransfer,
    /// The lease is believed by a leader that has not applied an entry of its term.
    LeaseBeforeNoop,
    /// A forced vote is kept for later campaigns.
    ForcedVoteOutlivesTerm,
    /// A restarted voter forgets its promises.
    VoteAfterRestart,
    /// Disks are not checked: an empty one answers for an old id.
    EmptyDiskAnswers,
    /// A disk that was rolled back is not noticed.
    RolledBackDisk,
    /// A read is confirmed by acks of rounds before it arrived.
    StaleReadIndex,
    /// A read index is given before the no-op is committed.
    ReadBeforeNoop,
    /// Votes for the same term are given twice.
    VoteTwice,
    /// A vote does not look at the candidate's log.
    VoteForShorterLog,
}

#[cfg(test)]
mod tests {
    use super::Canary;

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = Canary::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), Canary::ALL.len());
    }
}
