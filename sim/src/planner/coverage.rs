//! What was done to clusters under the planner, and what the operators did.

use crate::coverage::{Counts, marks};

marks! {
    /// The user scaled.
    Scaled => "user: another number of members",
    /// Paused.
    Paused => "user: paused",
    /// Another template.
    Rolled => "user: another template",
    /// A template that cannot run.
    BadTemplate => "user: a template whose pods cannot run",
    /// Replace.
    Replace => "user: a member to be replaced",
    /// Another policy.
    Policy => "user: another policy",
    /// A pod was deleted.
    PodDeleted => "fault: pod deleted",
    /// A set was deleted.
    SetDeleted => "fault: StatefulSet deleted",
    /// A claim was deleted.
    ClaimDeleted => "fault: volume claim deleted",
    /// A volume was wiped.
    VolumeWiped => "fault: volume wiped",
    /// A machine was lost.
    MachineLost => "fault: machine lost",
    /// An operator was killed.
    OperatorKilled => "fault: operator killed",
    /// An operator was stopped.
    OperatorStopped => "fault: operator stopped",
    /// The API server was away.
    Outage => "fault: API server away",
    /// Before a call.
    CrashBefore => "fault: operator crashes before a call",
    /// With the call under way.
    CrashDuring => "fault: operator crashes with a call under way",
    /// Before it sees the answer.
    CrashUnseen => "fault: operator crashes before it sees an answer",
    /// A call was refused.
    CallRefused => "fault: call refused",
    /// An answer was lost.
    AnswerLost => "fault: call took effect, answer lost",
    /// A list was old.
    StaleList => "path: list was old",
    /// A conflict.
    Conflict => "path: write refused, the object has changed",
    /// Another incarnation.
    Outdated => "path: action dropped, the object has changed",
    /// The lease was lost.
    NotHeld => "path: nothing done without the lease",
    /// Another operator acts.
    HandedOver => "path: another operator took over",
    /// A call was not answered.
    GaveUp => "path: node did not answer a call",
    /// A change was refused.
    ChangeRefused => "path: change of members refused",
    /// A look without leader.
    Leaderless => "path: look without a leader",
    /// Everything is as it should be.
    Settled => "path: settled",
    /// Record.
    RecordClusterId => "action: record-cluster-id",
    /// Create.
    CreateClaim => "action: create-claim",
    /// Create.
    CreateSet => "action: create-set",
    /// Record.
    RecordFirst => "action: record-first",
    /// Begin.
    Bootstrap => "action: bootstrap",
    /// Record.
    RecordBootstrapped => "action: record-bootstrapped",
    /// Record.
    RecordAvailable => "action: record-available",
    /// Reserve.
    Reserve => "action: reserve",
    /// Add.
    AddLearner => "action: add-learner",
    /// Change.
    ChangeMembers => "action: change-members",
    /// Transfer.
    Transfer => "action: transfer",
    /// Mark.
    Marked => "action: mark-removed",
    /// Scale.
    ScaleSet => "action: scale-set",
    /// Update.
    UpdateSet => "action: update-set",
    /// Delete.
    DeletePod => "action: delete-pod",
    /// Delete.
    DeleteSet => "action: delete-set",
    /// Delete.
    DeleteClaim => "action: delete-claim",
}

/// Counts of every mark.
pub type Coverage = Counts<Mark>;
