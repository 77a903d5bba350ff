//! Three etcd members.

use std::path::Path;

use super::server::Plan;
use super::{Setup, Status};
use crate::link::channel;
use crate::link::etcd_api::StatusRequest;
use crate::link::etcd_api::maintenance_client::MaintenanceClient;

/// How the members are started: as by default, but with a quota and a history that a benchmark does not fill.
pub(super) fn plans(setup: &Setup, folder: &Path, ports: &[u16]) -> Vec<Plan> {
    let at = |port: u16| format!("127.0.0.1:{port}");
    let members: Vec<_> = ports
        .chunks_exact(2)
        .enumerate()
        .map(|(number, ports)| (format!("etcd-{}", number + 1), at(ports[0]), at(ports[1])))
        .collect();
    let everyone: Vec<_> = members.iter().map(|(name, _, peer)| format!("{name}=http://{peer}")).collect();
    members
        .into_iter()
        .map(|(name, client, peer)| Plan {
            program: setup.etcd.clone(),
            arguments: vec![
                format!("--name={name}"),
                format!("--data-dir={}", folder.join(&name).display()),
                format!("--listen-client-urls=http://{client}"),
                format!("--advertise-client-urls=http://{client}"),
                format!("--listen-peer-urls=http://{peer}"),
                format!("--initial-advertise-peer-urls=http://{peer}"),
                format!("--initial-cluster={}", everyone.join(",")),
                "--initial-cluster-state=new".to_owned(),
                "--log-level=error".to_owned(),
                "--heartbeat-interval=100".to_owned(),
                "--election-timeout=1000".to_owned(),
                "--quota-backend-bytes=8589934592".to_owned(),
                "--auto-compaction-mode=revision".to_owned(),
                "--auto-compaction-retention=1000".to_owned(),
            ],
            log: folder.join(format!("{name}.log")),
            name,
            client,
            peer,
            sync_delay: setup.sync_delay,
        })
        .collect()
}

/// What the member at `address` says of itself; nothing: it does not answer.
pub(super) async fn status(address: &str) -> Option<Status> {
    let mut client = MaintenanceClient::new(channel(address).ok()?);
    let reply = client.status(StatusRequest {}).await.ok()?.into_inner();
    let node = reply.header?.member_id;
    Some(Status { node, leader: reply.leader, term: reply.raft_term, ready: reply.leader != 0 })
}
