//! Three replicas in one process: what a caller of the core does, in its shortest form. The network is a
//! queue, the disk a no-op that is always done at once, the state machine prints.
//!
//! `cargo run -p raft --example three_nodes`

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use raft::{
    Boot, ClusterId, Configuration, DiskId, Header, Identity, LogIndex, Message, NodeId, Payload, Peer, Raft,
    RangeId, ReplicaId, Restored, RoleKind, Settings, SnapshotMeta, Target, Time, bootstrap,
};

const CLUSTER: ClusterId = ClusterId(7);

fn disk(node: NodeId) -> DiskId {
    DiskId(u128::from(node.0) + 100)
}

fn peer(node: NodeId) -> Peer {
    Peer { node, disk: disk(node), boot: Boot { counter: 1, nonce: node.0 } }
}

fn start(node: NodeId) -> Result<Raft, raft::RestoreError> {
    let members = [1, 2, 3].map(|n| (NodeId(n), disk(NodeId(n))));
    let (hard_state, first) = bootstrap(Configuration::bootstrap(members));
    let restored = Restored::scan(hard_state, SnapshotMeta::empty(), [first], LogIndex::ZERO)?;
    let identity =
        Identity { cluster: CLUSTER, peer: peer(node), range: RangeId(1), replica: ReplicaId(node.0) };
    Raft::restore(Time::ZERO, node.0, identity, Settings::default(), restored)
}

/// Does what a replica wants done; messages go into the queue.
fn perform(node: &mut Raft, now: Time, id: NodeId, network: &mut VecDeque<(Header, Message)>) {
    loop {
        let output = node.take_output(now);
        if output.is_empty() {
            return;
        }
        for outgoing in output.messages {
            let to: Target = outgoing.to;
            network.push_back((Header { cluster: CLUSTER, from: peer(id), to }, outgoing.message));
        }
        if let Some(write) = output.write {
            node.log_persisted(now, write.seq);
        }
        for entry in output.apply {
            if let Payload::Command(command) = &entry.payload {
                println!("node {id} applies {:?}: {}", entry.index, String::from_utf8_lossy(command));
            }
            node.applied(now, entry.index);
        }
        for read in output.reads {
            println!("node {id} may serve read {} at {:?}", read.token, read.index);
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ids = [1, 2, 3].map(NodeId);
    let mut nodes = Vec::new();
    for id in ids {
        nodes.push(start(id)?);
    }
    let mut network = VecDeque::new();
    let mut now = Time::ZERO;
    let mut proposed = false;
    for _ in 0..50 {
        now = now + Duration::from_millis(100);
        for (node, id) in nodes.iter_mut().zip(ids) {
            node.tick(now);
            if !proposed && node.status(now).role == RoleKind::Leader {
                println!("node {id} leads {:?}", node.status(now).term);
                node.propose(now, Bytes::from_static(b"hello"))?;
                proposed = true;
            }
            perform(node, now, id, &mut network);
        }
        while let Some((header, message)) = network.pop_front() {
            let to = header.to.node;
            if let Some((node, id)) = nodes.iter_mut().zip(ids).find(|(_, id)| *id == to) {
                node.step(now, &header, message);
                perform(node, now, id, &mut network);
            }
        }
    }
    for (token, (node, id)) in (1..).zip(nodes.iter_mut().zip(ids)) {
        node.read_index(now, token)?;
        perform(node, now, id, &mut network);
    }
    while let Some((header, message)) = network.pop_front() {
        if let Some((node, id)) = nodes.iter_mut().zip(ids).find(|(_, id)| *id == header.to.node) {
            node.step(now, &header, message);
            perform(node, now, id, &mut network);
        }
    }
    let applied: Vec<_> = nodes.iter().map(|node| node.status(now).applied).collect();
    println!("applied: {applied:?}");
    assert!(applied.iter().all(|index| *index == LogIndex(3)), "configuration, no-op and one command");
    Ok(())
}
