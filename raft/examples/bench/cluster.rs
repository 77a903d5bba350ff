//! Nodes, and the replicas on them.

use std::sync::Arc;

use raft::{
    Boot, ClusterId, Configuration, DiskId, Envelope, Header, Identity, LogIndex, Message, NodeId, Peer,
    Raft, RangeId, ReplicaId, RestoreError, Restored, Settings, SnapshotMeta, Target, Time, bootstrap,
};

const CLUSTER: ClusterId = ClusterId(0x5eed_0000_c105_7e12);

/// Nodes are numbered from 0 here, and from 1 in the core.
pub fn node_id(node: usize) -> NodeId {
    NodeId(node as u64 + 1)
}

/// The node with this id.
pub fn node_of(id: NodeId) -> usize {
    id.0 as usize - 1
}

fn disk(node: usize) -> DiskId {
    DiskId((u128::from(node_id(node).0) << 96) + 0xd15c)
}

fn peer(node: usize) -> Peer {
    Peer {
        node: node_id(node),
        disk: disk(node),
        boot: Boot { counter: 1, nonce: node as u64 + 0xb007_0000 },
    }
}

/// A replica of `range`, whose members are the first `size` nodes.
pub fn replica(
    node: usize,
    range: RangeId,
    size: usize,
    settings: &Arc<Settings>,
) -> Result<Raft, RestoreError> {
    let members = (0..size).map(|member| (node_id(member), disk(member)));
    let (hard_state, first) = bootstrap(Configuration::bootstrap(members));
    let restored = Restored::scan(hard_state, SnapshotMeta::empty(), [first], LogIndex::ZERO)?;
    let replica = ReplicaId(node_id(node).0);
    let identity = Identity { cluster: CLUSTER, peer: peer(node), range, replica };
    Raft::restore(Time::ZERO, range.0 * 64 + node as u64, identity, Arc::clone(settings), restored)
}

/// What `from` tells `to`.
pub fn envelope(from: usize, to: usize, messages: Vec<Message>) -> Envelope {
    let to = Target { node: node_id(to), disk: disk(to) };
    Envelope { header: Header { cluster: CLUSTER, from: peer(from), to }, messages }
}
