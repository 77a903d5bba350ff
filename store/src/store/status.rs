//! What a node shows of itself.

use raft::{Boot, RangeId};

use super::Store;
use crate::engine::Engine;
use crate::log_store::DiskIdentity;
use crate::replica::{Host, Now, ReplicaStatus};

/// A copy of the visible state of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeStatus {
    /// Who the disk is.
    pub identity: DiskIdentity,
    /// The present start.
    pub boot: Boot,
    /// Free space on the disk.
    pub free_bytes: u64,
    /// Free space below which it is short of it.
    pub reserve_bytes: u64,
    /// Events.
    pub counters: NodeCounters,
    /// The replicas, by range.
    pub replicas: Vec<ReplicaStatus>,
}

/// Events that never reset, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeCounters {
    /// Envelopes dropped: not meant for this disk.
    pub identity_drops: u64,
    /// Messages dropped: an entry in them is damaged.
    pub damaged_messages: u64,
    /// The wall clock was set.
    pub clock_jumps: u64,
}

impl<L, E: Engine> Store<L, E> {
    /// A copy of the visible state.
    #[must_use]
    pub fn status(&self, now: Now) -> NodeStatus {
        let host = self.host(now);
        NodeStatus {
            identity: self.identity,
            boot: self.boot,
            free_bytes: self.peers.free_bytes(),
            reserve_bytes: self.settings.reserve_bytes,
            counters: self.counters,
            replicas: self.replicas.values().map(|replica| replica.status(&host)).collect(),
        }
    }

    /// The state of one replica.
    #[must_use]
    pub fn replica_status(&self, now: Now, range: RangeId) -> Option<ReplicaStatus> {
        self.replicas.get(&range).map(|replica| replica.status(&self.host(now)))
    }

    pub(super) fn host(&self, now: Now) -> Host<'_, L, E> {
        let Self { log, engine, settings, peers, .. } = self;
        Host { now, log, engine, settings, peers }
    }
}
