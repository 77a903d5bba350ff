//! Who speaks: a cluster, a node that is one disk, and one boot of it.

use std::fmt;

use crate::types::{NodeId, RangeId, ReplicaId};

/// A cluster, random at bootstrap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Hash)]
pub struct ClusterId(pub u128);

/// A disk, random when it was first found empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct DiskId(pub u128);

impl fmt::Debug for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{:x}", self.0)
    }
}

/// One start of a node: a durable counter and a nonce that tells two starts with the same counter apart
/// (a disk that was copied or rolled back).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Boot {
    /// Durable, one higher at each start.
    pub counter: u64,
    /// Random at each start.
    pub nonce: u64,
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.counter)
    }
}

/// The sender of an envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Peer {
    /// The node.
    pub node: NodeId,
    /// Its disk.
    pub disk: DiskId,
    /// Its present start.
    pub boot: Boot,
}

/// The receiver that an envelope is meant for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Target {
    /// The node.
    pub node: NodeId,
    /// Its disk: a node that lost its disk is not meant.
    pub disk: DiskId,
}

/// What heads every envelope between two nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// The cluster of the sender.
    pub cluster: ClusterId,
    /// The sender.
    pub from: Peer,
    /// The receiver.
    pub to: Target,
}

/// Who a replica is, for as long as the process runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its node, disk and boot.
    pub peer: Peer,
    /// The range that it replicates.
    pub range: RangeId,
    /// Its id within the range.
    pub replica: ReplicaId,
}
