//! Why a local call was refused. Nothing was done when one of these is returned.

use std::time::Duration;

use thiserror::Error;

use crate::types::{LogIndex, LogPosition, NodeId};

/// A node in words.
fn known(node: Option<NodeId>) -> String {
    node.map_or_else(|| "not known".to_owned(), |node| format!("node {node}"))
}

/// Why a proposal was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ProposeError {
    /// Another node leads, or none is known.
    #[error("this node does not lead; the leader is {}: send the proposal there", known(*leader))]
    NotLeader {
        /// The leader, if known.
        leader: Option<NodeId>,
    },
    /// Leadership is being handed over.
    #[error("leadership is being transferred to node {to}: try again after an election timeout")]
    Transferring {
        /// The next leader.
        to: NodeId,
    },
    /// The budget of uncommitted bytes is used up.
    #[error("{pending} bytes of proposals are uncommitted, the budget is {budget}: try again later")]
    Busy {
        /// Bytes pending.
        pending: usize,
        /// The limit.
        budget: usize,
    },
    /// One entry is over the limit.
    #[error("an entry of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The disk lost data: this replica takes no part.
    #[error("this node's disk lost acknowledged data; the node takes no part and must be replaced")]
    LostDisk,
}

/// Why a membership change was refused, or where a list of changes ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ChangeError {
    /// Another node leads, or none is known.
    #[error("this node does not lead; the leader is {}: send the change there", known(*leader))]
    NotLeader {
        /// The leader, if known.
        leader: Option<NodeId>,
    },
    /// Leadership ended before the change was committed; it may or may not be.
    #[error("leadership ended before the change was committed: read the members and plan again")]
    LeadershipLost,
    /// Leadership is being handed over.
    #[error("leadership is being transferred to node {to}: try again after an election timeout")]
    Transferring {
        /// The next leader.
        to: NodeId,
    },
    /// No entry of the leader's own term is committed yet.
    #[error("the new leader has not committed an entry of its own term yet: try again")]
    TermNotCommitted,
    /// Another change is under way.
    #[error("the change at index {at} is not committed yet: try again")]
    InProgress {
        /// Its index.
        at: LogIndex,
    },
    /// The change was planned on another configuration.
    #[error("planned on the configuration at {planned}, the committed one is at {committed}: plan again")]
    Fenced {
        /// As named by the caller.
        planned: LogPosition,
        /// As it is.
        committed: LogPosition,
    },
    /// No change was named.
    #[error("the list of changes is empty or longer than {limit}")]
    BadList {
        /// The most changes in one call.
        limit: usize,
    },
    /// The new configuration would have no quorum that answers.
    #[error("only {answering} of the {voters} voters of the new configuration answer: no quorum")]
    NoQuorum {
        /// Voters that answered within an election timeout.
        answering: usize,
        /// Voters of the new configuration.
        voters: usize,
    },
    /// The learner is too far behind.
    #[error("learner {node} has not been caught up for {window:?}: wait and try again")]
    NotCaughtUp {
        /// The learner.
        node: NodeId,
        /// For how long it must be.
        window: Duration,
    },
    /// The last voter cannot go.
    #[error("node {node} is the last voter")]
    LastVoter {
        /// The voter.
        node: NodeId,
    },
    /// No such member.
    #[error("node {node} is not a member")]
    NotMember {
        /// The id.
        node: NodeId,
    },
    /// The id was not reserved, was abandoned, or was used before.
    #[error("node id {node} is not reserved (reserved is {}): ids come from a reservation", known(*reserved))]
    NotReserved {
        /// The id.
        node: NodeId,
        /// What is reserved.
        reserved: Option<NodeId>,
    },
    /// The member has another disk.
    #[error("node {node} is a member with another disk: an id names one disk for ever")]
    OtherDisk {
        /// The id.
        node: NodeId,
    },
    /// The disk is another member's.
    #[error("that disk is node {node}: one disk cannot be two members")]
    DiskInUse {
        /// The member that it is.
        node: NodeId,
    },
    /// The configuration is full.
    #[error("a group has at most {limit} members")]
    TooManyMembers {
        /// The limit.
        limit: usize,
    },
    /// Too many configurations in the log.
    #[error("the log holds {limit} configurations: compact it first")]
    TooManyConfigurations {
        /// The limit.
        limit: usize,
    },
    /// The disk lost data: this replica takes no part.
    #[error("this node's disk lost acknowledged data; the node takes no part and must be replaced")]
    LostDisk,
}

/// Why a read was refused at once or given up later.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ReadError {
    /// No leader is known.
    #[error("no leader is known: try again after an election timeout")]
    NoLeader,
    /// Too many reads wait.
    #[error("{limit} reads wait already: try again later")]
    Busy {
        /// The limit.
        limit: usize,
    },
    /// The leadership that was to confirm it ended, or did not answer in time.
    #[error("the leader changed or did not answer in time: try again")]
    Aborted,
    /// The disk lost data: this replica takes no part.
    #[error("this node's disk lost acknowledged data; the node takes no part and must be replaced")]
    LostDisk,
}

/// Why a transfer of leadership was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum TransferError {
    /// Another node leads, or none is known.
    #[error("this node does not lead; the leader is {}", known(*leader))]
    NotLeader {
        /// The leader, if known.
        leader: Option<NodeId>,
    },
    /// Another transfer is under way.
    #[error("leadership is already being transferred to node {to}")]
    Transferring {
        /// Its target.
        to: NodeId,
    },
    /// Only a voter can lead.
    #[error("node {node} is not a voter")]
    NotVoter {
        /// The target.
        node: NodeId,
    },
    /// The target is silent.
    #[error("node {node} did not answer within an election timeout")]
    Silent {
        /// The target.
        node: NodeId,
    },
    /// A membership change is not committed yet.
    #[error("the membership change at index {at} is not committed yet: try again")]
    ChangeInProgress {
        /// Its index.
        at: LogIndex,
    },
}

/// Why a log cannot be compacted or described at an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum CompactError {
    /// The index is not applied yet.
    #[error("index {index} is above the applied index {applied}")]
    NotApplied {
        /// As asked.
        index: LogIndex,
        /// The limit.
        applied: LogIndex,
    },
    /// The index was compacted before.
    #[error("index {index} is below the start of the log at {first}")]
    Compacted {
        /// As asked.
        index: LogIndex,
        /// The start.
        first: LogIndex,
    },
}

/// Why a replica cannot start from what the disk holds.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RestoreError {
    /// The log has a gap, or terms that fall.
    #[error("the log is damaged at index {at}: {what}; restore this node from its peers under a new id")]
    DamagedLog {
        /// Where.
        at: LogIndex,
        /// What is wrong.
        what: &'static str,
    },
    /// The state machine is behind the first entry of the log.
    #[error("the data end at index {applied}, the log begins after {base}: the disk lost data")]
    DataBehindLog {
        /// The flushed applied index.
        applied: LogIndex,
        /// The base of the log.
        base: LogIndex,
    },
    /// The state machine holds more than the log.
    #[error("the data reach index {applied}, the log ends at {last}: the disk lost data")]
    LogBehindData {
        /// The flushed applied index.
        applied: LogIndex,
        /// The last entry.
        last: LogIndex,
    },
    /// The settings are bad.
    #[error(transparent)]
    Settings(#[from] crate::settings::SettingsError),
}
