//! A node's status, as the protocol has it.

use proto::admin::v1::{LogPosition, Member, MemberProgress, MemberRole, NodeState, NodeStatusResponse};
use raft::{Configuration, FollowerState, FollowerStatus, LogIndex, NodeId, RoleKind};
use store::replica::ReplicaStatus;
use store::store::NodeStatus;

use super::errors::position;
use super::hex;
use crate::health::Readiness;
use crate::termination::Termination;
use crate::transport::AddressBook;

/// The status of a node that runs. A node has one range today.
pub fn response(status: &NodeStatus, readiness: &Readiness, addresses: &AddressBook) -> NodeStatusResponse {
    let (cluster_id, node) = match status.identity.member {
        Some((cluster, node)) => (hex::write(cluster.0), node.0),
        None => (String::new(), 0),
    };
    let mine = addresses.mine();
    let mut response = NodeStatusResponse {
        cluster_id,
        node,
        disk_id: hex::write(status.identity.disk.0),
        boot_counter: status.boot.counter,
        ready: readiness.ready,
        not_ready_reason: readiness.message.clone(),
        free_bytes: status.free_bytes,
        reserve_bytes: status.reserve_bytes,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        peer_address: mine.peer.clone(),
        client_address: mine.client.clone(),
        ..NodeStatusResponse::default()
    };
    response.set_state(NodeState::Waiting);
    if let Some(replica) = status.replicas.first() {
        add_replica(&mut response, replica, addresses);
    }
    response
}

/// The status of a node whose disk is damaged: nothing is opened.
pub fn damaged(damage: &Termination, state: NodeState) -> NodeStatusResponse {
    let mut response = NodeStatusResponse {
        node: damage.node.unwrap_or(0),
        disk_id: damage.disk.clone().unwrap_or_default(),
        not_ready_reason: format!("{}: replace this node", damage.reason),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        fault: damage.message.clone(),
        ..NodeStatusResponse::default()
    };
    response.set_state(state);
    response
}

fn add_replica(response: &mut NodeStatusResponse, replica: &ReplicaStatus, addresses: &AddressBook) {
    let raft = &replica.raft;
    response.set_state(state(raft.role, &raft.configuration, raft.node));
    if raft.role == RoleKind::LostDisk {
        "the disk lost acknowledged data".clone_into(&mut response.fault);
    }
    response.term = raft.term.0;
    response.leader = raft.leader.map_or(0, |leader| leader.0);
    response.commit_index = raft.commit.0;
    response.applied_index = replica.applied.position.index.0;
    response.last_index = raft.last.index.0;
    response.members = members(replica, addresses);
    response.configuration_at = Some(position(raft.configuration_at));
    response.configuration_committed = raft.configuration_at.index <= raft.commit;
    response.reserved = raft.configuration.reserved.map_or(0, |reserved| reserved.0);
    response.receiving_snapshot = raft.receiving_snapshot;
    response.skewed_clocks = ids(&replica.skewed);
    response.short_of_space = ids(&replica.short_of_space);
    response.catch_up_stalled = ids(&replica.catch_up_stalled);
    response.cluster_version = replica.cluster_version.0;
}

fn ids(nodes: &[NodeId]) -> Vec<u64> {
    nodes.iter().map(|node| node.0).collect()
}

fn state(role: RoleKind, configuration: &Configuration, me: NodeId) -> NodeState {
    match role {
        RoleKind::LostDisk => NodeState::LostDisk,
        RoleKind::Leader => NodeState::Leader,
        RoleKind::PreCandidate | RoleKind::Candidate => NodeState::Candidate,
        RoleKind::Follower if configuration.is_voter(me) => NodeState::Follower,
        RoleKind::Follower => NodeState::Learner,
    }
}

fn members(replica: &ReplicaStatus, addresses: &AddressBook) -> Vec<Member> {
    let raft = &replica.raft;
    let member = |(node, member): (&NodeId, &raft::Member)| {
        let role = match member.role {
            raft::MemberRole::Voter => MemberRole::Voter,
            raft::MemberRole::Learner => MemberRole::Learner,
        };
        let follower = raft.followers.iter().find(|follower| follower.node == *node);
        let own = (raft.role == RoleKind::Leader && *node == raft.node).then_some(MemberProgress {
            matched: raft.persisted.0,
            silent_millis: 0,
            caught_up: true,
            receives_snapshot: false,
            lag_entries: raft.last.index.0.saturating_sub(raft.persisted.0),
            answers: true,
            held_back: false,
        });
        let mine = addresses.mine();
        let (peer, client) = if *node == raft.node {
            (mine.peer.clone(), mine.client.clone())
        } else {
            (addresses.peer(*node).unwrap_or_default(), addresses.client(*node).unwrap_or_default())
        };
        Member {
            node: node.0,
            disk_id: hex::write(member.disk.0),
            role: role.into(),
            peer_address: peer,
            client_address: client,
            progress: follower.map(|follower| progress(follower, raft.last.index)).or(own),
        }
    };
    raft.configuration.members.iter().map(member).collect()
}

fn progress(follower: &FollowerStatus, last: LogIndex) -> MemberProgress {
    MemberProgress {
        matched: follower.matched.0,
        silent_millis: u64::try_from(follower.silent_for.as_millis()).unwrap_or(u64::MAX),
        caught_up: follower.caught_up,
        receives_snapshot: follower.state == FollowerState::Snapshot,
        lag_entries: last.0.saturating_sub(follower.matched.0),
        answers: follower.answers,
        held_back: follower.held_back,
    }
}

/// The voters that did not answer the leader for an election timeout.
pub fn silent(replica: &ReplicaStatus) -> Vec<NodeId> {
    let silent = replica.raft.followers.iter().filter(|follower| !follower.answers);
    silent.map(|follower| follower.node).filter(|node| replica.raft.configuration.is_voter(*node)).collect()
}

/// Who is to lead next: a voter that is caught up if there is one, and of those the one that has most of the log. The
/// core brings it up to date before it hands over, and refuses one that is silent.
pub fn most_caught_up(replica: &ReplicaStatus) -> Option<NodeId> {
    let raft = &replica.raft;
    let voters = raft.followers.iter().filter(|follower| raft.configuration.is_voter(follower.node));
    voters.max_by_key(|follower| (follower.caught_up, follower.matched)).map(|best| best.node)
}

/// A place in the log that a caller named; one that is left out is no place.
pub fn read_position(at: Option<LogPosition>) -> raft::LogPosition {
    let LogPosition { index, term } = at.unwrap_or_default();
    raft::LogPosition::new(LogIndex(index), raft::Term(term))
}
