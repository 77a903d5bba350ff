//! Three nodes of ours.

use std::path::Path;

use proto::admin::v1::admin_client::AdminClient;
use proto::admin::v1::{
    AddLearnerRequest, BootstrapRequest, FirstVoter, LogPosition, MemberRole, NodeState, NodeStatusRequest,
    NodeStatusResponse, ReserveMemberRequest,
};
use tonic::transport::Channel;

use super::server::Plan;
use super::{Setup, Status};
use crate::error::BenchError;
use crate::link::channel;

/// How the nodes are started: as by default.
pub(super) fn plans(setup: &Setup, folder: &Path, ports: &[u16]) -> Vec<Plan> {
    let at = |port: u16| format!("127.0.0.1:{port}");
    let more = || setup.node_arguments.iter().cloned();
    ports
        .chunks_exact(3)
        .enumerate()
        .map(|(number, ports)| {
            let name = format!("kv-node-{}", number + 1);
            let (client, peer, http) = (at(ports[0]), at(ports[1]), at(ports[2]));
            Plan {
                program: setup.kv_node.clone(),
                arguments: [
                    "run".to_owned(),
                    format!("--data-dir={}", folder.join(&name).display()),
                    format!("--client-listen={client}"),
                    format!("--peer-listen={peer}"),
                    format!("--http-listen={http}"),
                    "--log-level=error".to_owned(),
                ]
                .into_iter()
                .chain(more())
                .collect(),
                log: folder.join(format!("{name}.log")),
                name,
                client,
                peer,
                sync_delay: setup.sync_delay,
            }
        })
        .collect()
}

fn admin(address: &str) -> Result<AdminClient<Channel>, BenchError> {
    Ok(AdminClient::new(channel(address)?))
}

fn failed(what: &str) -> impl FnOnce(tonic::Status) -> BenchError {
    let what = what.to_owned();
    move |status| BenchError::Call { what, reason: status.to_string() }
}

/// The whole status of the node whose peers' address is `peer`; nothing: it does not answer.
pub(super) async fn node_status(peer: &str) -> Option<NodeStatusResponse> {
    Some(admin(peer).ok()?.node_status(NodeStatusRequest {}).await.ok()?.into_inner())
}

/// What the node says of itself; nothing: it does not answer.
pub(super) async fn status(peer: &str) -> Option<Status> {
    let reply = node_status(peer).await?;
    Some(Status { node: reply.node, leader: reply.leader, term: reply.term, ready: reply.ready })
}

/// Makes one cluster of the empty nodes whose peers' addresses are `peers`.
pub(super) async fn bootstrap(peers: &[String]) -> Result<(), BenchError> {
    let mut voters = Vec::new();
    for (node, peer) in (1..).zip(peers) {
        let reply =
            admin(peer)?.node_status(NodeStatusRequest {}).await.map_err(failed("NodeStatus"))?.into_inner();
        voters.push(FirstVoter { node, disk_id: reply.disk_id, peer_address: peer.clone() });
    }
    let request = BootstrapRequest { cluster_id: format!("{:032x}", rand::random::<u128>()), voters };
    for peer in peers {
        admin(peer)?.bootstrap(request.clone()).await.map_err(failed("Bootstrap"))?;
    }
    Ok(())
}

/// Adds the empty node `peer` as a learner, by the leader `leader`. Returns its id.
pub(super) async fn add_learner(leader: &str, peer: &str) -> Result<u64, BenchError> {
    let fresh =
        admin(peer)?.node_status(NodeStatusRequest {}).await.map_err(failed("NodeStatus"))?.into_inner();
    let mut leader = admin(leader)?;
    let planned_on = leader
        .node_status(NodeStatusRequest {})
        .await
        .map_err(failed("NodeStatus"))?
        .into_inner()
        .configuration_at;
    let reserved = leader
        .reserve_member(ReserveMemberRequest { planned_on, abandon: 0 })
        .await
        .map_err(failed("ReserveMember"))?
        .into_inner();
    let request = AddLearnerRequest {
        planned_on: Some(reserved.configuration_at.unwrap_or(LogPosition::default())),
        node: reserved.node,
        disk_id: fresh.disk_id,
        boot_counter: fresh.boot_counter,
        peer_address: peer.to_owned(),
    };
    let reply = leader.add_learner(request).await.map_err(failed("AddLearner"))?.into_inner();
    if reply.committed == 0 {
        return Err(BenchError::Call { what: "AddLearner".to_owned(), reason: reply.error });
    }
    Ok(reserved.node)
}

/// Whether the leader `leader` says that the learner `node` is caught up.
pub(super) async fn caught_up(leader: &str, node: u64) -> bool {
    node_status(leader).await.is_some_and(|status| {
        status.state() == NodeState::Leader
            && status.members.iter().any(|member| {
                member.node == node
                    && member.role() == MemberRole::Learner
                    && member.progress.is_some_and(|progress| progress.caught_up)
            })
    })
}
