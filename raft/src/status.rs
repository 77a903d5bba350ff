//! What a replica shows of itself: metrics, administration and tests read this.

use std::sync::Arc;
use std::time::Duration;

use crate::configuration::Configuration;
use crate::types::{LogIndex, LogPosition, NodeId, Term};

/// A copy of the visible state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The node.
    pub node: NodeId,
    /// What it does now.
    pub role: RoleKind,
    /// The current term.
    pub term: Term,
    /// Whom it voted for in it.
    pub vote: Option<NodeId>,
    /// The leader, if known.
    pub leader: Option<NodeId>,
    /// Known committed.
    pub commit: LogIndex,
    /// Reported applied.
    pub applied: LogIndex,
    /// Locally durable.
    pub persisted: LogIndex,
    /// What the log begins after.
    pub base: LogPosition,
    /// The last entry.
    pub last: LogPosition,
    /// The configuration in force, committed or not.
    pub configuration: Arc<Configuration>,
    /// The entry that holds it.
    pub configuration_at: LogPosition,
    /// Leader only: the followers.
    pub followers: Vec<FollowerStatus>,
    /// Leader only: whether the lease would serve a read now.
    pub lease: bool,
    /// Leader only: proposals not yet committed, in bytes.
    pub uncommitted_bytes: usize,
    /// Leader only: where leadership is going.
    pub transfer_to: Option<NodeId>,
    /// A snapshot is being fetched or installed.
    pub receiving_snapshot: bool,
}

/// What a replica does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RoleKind {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether it would be elected.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
    /// Its disk lost acknowledged data.
    LostDisk,
}

/// What the leader knows of a follower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FollowerStatus {
    /// The follower.
    pub node: NodeId,
    /// Durable there and equal to the leader's log up to this index.
    pub matched: LogIndex,
    /// The next entry to send.
    pub next: LogIndex,
    /// How it is sent entries.
    pub state: FollowerState,
    /// Silence in this term.
    pub silent_for: Duration,
    /// A learner or voter that could be promoted or lead: at most `caught_up_entries` behind for an election
    /// timeout.
    pub caught_up: bool,
}

/// How a follower is sent entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FollowerState {
    /// One append at a time, to find the common entry.
    Probe,
    /// As many as the window takes.
    Replicate,
    /// A snapshot.
    Snapshot,
}

/// Events that never reset, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Messages dropped: not meant for this replica, or from someone who is not who the log says.
    pub identity_drops: u64,
    /// Messages dropped: malformed or impossible.
    pub bad_messages: u64,
    /// Replies dropped: to another boot, campaign or round.
    pub stale_replies: u64,
    /// Appends dropped: too much is waiting for the disk.
    pub overload_drops: u64,
    /// Campaigns started, pre-votes included.
    pub campaigns: u64,
    /// Offices taken.
    pub elections_won: u64,
    /// Leaderships given up because no quorum answered.
    pub quorum_lost: u64,
    /// Leaderships given up because the own disk stalled.
    pub disk_stalls: u64,
    /// Reads served by the lease.
    pub lease_reads: u64,
    /// Reads confirmed by a round.
    pub index_reads: u64,
    /// Reads that went by a round because `TimeoutNow` was sent in this term.
    pub reads_after_transfer: u64,
    /// Entries truncated.
    pub truncated: u64,
    /// Configurations rolled back.
    pub configuration_rollbacks: u64,
    /// Snapshots installed.
    pub snapshots_installed: u64,
    /// Snapshots offered that were not needed.
    pub snapshots_refused: u64,
    /// Transfers that the log outgrew.
    pub snapshots_overtaken: u64,
    /// `TimeoutNow` sent.
    pub transfers_sent: u64,
    /// Peers told that their disk lost data.
    pub lost_disks: u64,
    /// Entries read back from disk, calls.
    pub log_reads: u64,
    /// Leases voided by a clock jump.
    pub clock_jumps: u64,
}
