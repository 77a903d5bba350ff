//! What a replica shows of itself: metrics, administration and tests read this.

use std::sync::Arc;
use std::time::Duration;

use crate::configuration::Configuration;
use crate::progress::Progress;
use crate::raft::{Raft, Role};
use crate::types::{LogIndex, LogPosition, NodeId, Term, Time};

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
    /// More than `caught_up_entries` of what is committed are missing here, as the leader of this term said last; none
    /// if it said nothing yet.
    pub behind: Option<bool>,
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
    /// Since its last message, or since this leader took office if it sent none in this term.
    pub silent_for: Duration,
    /// It was heard within an election timeout.
    pub answers: bool,
    /// A learner or voter that could be promoted or lead: it answers, and was at most `caught_up_entries` behind
    /// for an election timeout.
    pub caught_up: bool,
    /// It is sent no entries: it is short of disk space.
    pub held_back: bool,
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

impl Raft {
    /// Events since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A copy of the visible state; `now` decides on the lease.
    #[must_use]
    pub fn status(&self, now: Time) -> Status {
        let (configuration_at, configuration) = self.log.configuration().clone();
        let mut status = Status {
            node: self.me.peer.node,
            role: RoleKind::Follower,
            term: self.term(),
            vote: self.hard_state.vote,
            leader: self.known_leader(),
            commit: self.commit,
            applied: self.applied,
            persisted: self.durability.persisted(),
            base: self.log.base(),
            last: self.log.last(),
            configuration,
            configuration_at,
            followers: Vec::new(),
            lease: false,
            uncommitted_bytes: 0,
            transfer_to: None,
            receiving_snapshot: !self.inbound.is_idle(),
            behind: None,
        };
        match &self.role {
            Role::Follower(follower) => status.behind = follower.behind,
            Role::PreCandidate(_) => status.role = RoleKind::PreCandidate,
            Role::Candidate(_) => status.role = RoleKind::Candidate,
            Role::LostDisk => status.role = RoleKind::LostDisk,
            Role::Leader(leader) => {
                status.role = RoleKind::Leader;
                status.behind = Some(false);
                status.lease = self.lease_holds_at(now);
                status.uncommitted_bytes = leader.uncommitted_bytes;
                status.transfer_to = leader.transfer.as_ref().map(|transfer| transfer.to);
                status.followers =
                    leader.progress.iter().map(|p| self.follower_status(p, now, leader.elected_at)).collect();
            }
        }
        status
    }

    fn follower_status(&self, progress: &Progress, now: Time, elected_at: Time) -> FollowerStatus {
        let (last, behind) = (self.log.last().index, self.settings.caught_up_entries);
        let window = self.settings.election_timeout;
        let answers = progress.answered_within(now, window);
        FollowerStatus {
            node: progress.node,
            matched: progress.matched,
            next: progress.next,
            state: progress.state(),
            silent_for: now.since(progress.heard_at.unwrap_or(elected_at)),
            answers,
            caught_up: answers && progress.is_caught_up(now, last, behind, window),
            held_back: progress.held_back,
        }
    }
}
