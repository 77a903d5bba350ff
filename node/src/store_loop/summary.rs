//! What the rest of a node needs to know of the store all the time.

use std::sync::Arc;
use std::time::Duration;

use raft::{Boot, Configuration, NodeId, RoleKind, Term, Time};
use store::log_store::DiskIdentity;
use store::store::{FIRST_RANGE, NodeStatus};
use store::timestamp::Timestamp;
use tokio::sync::watch;

/// Between two looks: a look costs as much as some requests.
const PERIOD: Duration = Duration::from_millis(20);

/// A node as it is, or was a moment ago. Of its replica: of the first range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Who the disk is.
    pub identity: DiskIdentity,
    /// The present start.
    pub boot: Boot,
    /// What the replica does; none before there is one.
    pub role: Option<RoleKind>,
    /// Its term.
    pub term: Term,
    /// The leader, if known.
    pub leader: Option<NodeId>,
    /// The configuration in force; none before there is a replica.
    pub configuration: Option<Arc<Configuration>>,
    /// Whether the replica evaluates requests: it leads, and has applied its first entry.
    pub serves_writes: bool,
    /// All but a few of the entries that the leader has committed are applied; none: no leader said so in this term.
    pub caught_up: Option<bool>,
    /// A snapshot is being fetched or installed.
    pub receiving_snapshot: bool,
    /// What can be read here without waiting.
    pub applied_timestamp: Timestamp,
}

impl Summary {
    /// Of a node that has no replica yet.
    pub(crate) fn without_replica(identity: DiskIdentity, boot: Boot) -> Self {
        Self {
            identity,
            boot,
            role: None,
            term: Term(0),
            leader: None,
            configuration: None,
            serves_writes: false,
            caught_up: None,
            receiving_snapshot: false,
            applied_timestamp: Timestamp::ZERO,
        }
    }

    pub(super) fn of(status: NodeStatus, caught_up_entries: u64) -> Self {
        let mut summary = Self::without_replica(status.identity, status.boot);
        if let Some(replica) = status.replicas.into_iter().find(|replica| replica.range == FIRST_RANGE) {
            let raft = replica.raft;
            let behind = raft.commit.0.saturating_sub(raft.applied.0);
            summary.role = Some(raft.role);
            summary.term = raft.term;
            summary.leader = raft.leader;
            summary.configuration = Some(raft.configuration);
            summary.serves_writes = replica.serves_writes;
            summary.caught_up = raft.behind.map(|lacks| !lacks && behind <= caught_up_entries);
            summary.receiving_snapshot = raft.receiving_snapshot;
            summary.applied_timestamp = replica.applied.timestamp;
        }
        summary
    }
}

/// Publishes summaries, not too often.
pub(super) struct Publisher {
    summaries: watch::Sender<Summary>,
    caught_up_entries: u64,
    /// The next look, if something happened since the last one.
    due: Option<Time>,
    last: Time,
}

impl Publisher {
    pub(super) fn new(first: NodeStatus, caught_up_entries: u64) -> Self {
        let summaries = watch::Sender::new(Summary::of(first, caught_up_entries));
        Self { summaries, caught_up_entries, due: None, last: Time::ZERO }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Summary> {
        self.summaries.subscribe()
    }

    /// Something may have changed.
    pub(super) fn touch(&mut self) {
        self.due = Some(self.last + PERIOD);
    }

    /// When to look next.
    pub(super) fn due(&self) -> Option<Time> {
        self.due
    }

    /// Looks, if it is time.
    pub(super) fn publish(&mut self, now: Time, status: impl FnOnce() -> NodeStatus) {
        if self.due.take_if(|due| *due <= now).is_none() {
            return;
        }
        self.last = now;
        let summary = Summary::of(status(), self.caught_up_entries);
        self.summaries.send_if_modified(|published| {
            let changed = *published != summary;
            if changed {
                *published = summary;
            }
            changed
        });
    }
}
