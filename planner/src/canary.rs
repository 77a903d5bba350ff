//! Planted bugs, one at a time, for the tests to catch. Without the feature `canary` none of this exists in the binary.

canaries::canaries! {
    /// A paused cluster is changed.
    PauseIgnored,
    /// A paused cluster is told to be as the spec wants it.
    PausedIsSettled,
    /// A list that is not committed, or that no majority stands behind, is planned on.
    UncommittedBelieved,
    /// A list older than the latest one that was seen is planned on.
    OlderListBelieved,
    /// The cluster begins on a disk that is not in the status.
    BeginsUnrecorded,
    /// A cluster begins beside the volumes of an earlier one unasked.
    BeginsBesideVolumes,
    /// Clients are let in by the first voter.
    AvailableEarly,
    /// Silence alone is taken for the loss of a volume.
    SilenceIsLoss,
    /// Nobody who is gone for certain is removed.
    LossUnrepaired,
    /// A change is asked for whatever majority it leaves.
    QuorumUnguarded,
    /// A learner is promoted before it has caught up.
    PromotedEarly,
    /// Voters come one by one.
    EvenVoters,
    /// New members come however many of them still catch up.
    CatchUpUnbounded,
    /// The objects of members go before their removal.
    ObjectsBeforeRemoval,
    /// The volumes of removed members go, whatever the spec says.
    RetentionIgnored,
    /// An id whose reservation was dropped is taken for the next member.
    ReservationReused,
    /// A live member to be replaced goes before another has come.
    RemovedBeforeReplaced,
    /// Shrinking keeps members that are to be replaced.
    ShrinkKeepsLeaving,
    /// Leadership is handed to a voter that is to be replaced.
    TransferToLeaving,
    /// A voter is restarted while another one is down.
    SecondVoterRestarted,
    /// The leader is restarted as the others are.
    LeaderRestarted,
    /// A member whose volume goes with its pod is restarted.
    DoomedRestarted,
    /// Without a leader all are restarted at once who did not vote when one was last seen.
    RestartedUnseen,
    /// Without a leader there is no disruption budget.
    BudgetForgotten,
}

canaries::planting!();
