//! Three nodes in one process on loopback ports: the embedded way to try everything.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use proto::admin::v1::admin_client::AdminClient;
use proto::admin::v1::{BootstrapRequest, FirstVoter, NodeStatusRequest, NodeStatusResponse};
use store::replica::ExitCode;
use tonic::transport::Channel;

use crate::admin::hex;
use crate::budget::{LEAST_MEMORY, memory_limit};
use crate::config::{Config, Size};
use crate::node::Node;
use crate::run::until_stopped;
use crate::termination::Termination;

/// How many nodes.
const NODES: u16 = 3;
/// The first node has 7400 to 7402, the next one ten more.
const FIRST_PORT: u16 = 7400;
/// A node of three needs no more to try things out.
const MOST_MEMORY: Size = Size(1 << 30);
/// Until there is a leader.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Runs three nodes until told to stop; begins their cluster if their disks are empty. Their data are under `data`.
///
/// # Errors
/// The end that the process must have.
pub fn run(data: &Path, common: &Config) -> Result<(), Termination> {
    let start = async || {
        let mut nodes = Vec::new();
        for number in 1..=NODES {
            nodes.push(Node::start(config(data, common, number)).await?);
        }
        Ok(nodes)
    };
    let ended = until_stopped(start, async |_| {
        let leader = begin().await?;
        // There is nobody to tell if standard output is closed.
        let _ = write!(std::io::stdout(), "{}", summary(data, leader));
        Ok(())
    });
    if let Err(termination) = &ended {
        eprintln!("kv-node dev: {}", termination.message);
        termination.write(common.termination_log.as_deref());
    }
    ended
}

fn address(number: u16, service: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, FIRST_PORT + 10 * (number - 1) + service).into()
}

fn config(data: &Path, common: &Config, number: u16) -> Config {
    let share = Size(memory_limit().size.0 / 2 / usize::from(NODES)).clamp(LEAST_MEMORY, MOST_MEMORY);
    let peers = (1..=NODES).map(|number| (u64::from(number), address(number, 1).to_string()));
    Config {
        data_dir: data.join(format!("node-{number}")),
        client_listen: address(number, 0),
        peer_listen: address(number, 1),
        http_listen: address(number, 2),
        peer_addresses: peers.collect::<BTreeMap<_, _>>(),
        memory_bytes: common.memory_bytes.or(Some(share)),
        ..common.clone()
    }
}

type Admin = AdminClient<Channel>;

/// Begins the cluster as an administrator would, and waits for its leader.
async fn begin() -> Result<u64, Termination> {
    let mut nodes = Vec::new();
    for number in 1..=NODES {
        let channel = Channel::from_shared(format!("http://{}", address(number, 1)));
        nodes.push(AdminClient::new(channel.map_err(failed)?.connect_lazy()));
    }
    let mut statuses = Vec::new();
    for node in &mut nodes {
        statuses.push(status(node).await?);
    }
    // A start that was interrupted may have begun it on some of them: the same call again is harmless.
    let begun = statuses.iter().find(|status| !status.cluster_id.is_empty());
    if statuses.iter().any(|status| status.cluster_id.is_empty()) {
        let new = || hex::write(rand::random::<u128>().max(1));
        let cluster_id = begun.map_or_else(new, |status| status.cluster_id.clone());
        let voters = (1..).zip(&statuses).map(|(node, status)| FirstVoter {
            node,
            disk_id: status.disk_id.clone(),
            peer_address: String::new(),
        });
        let request = BootstrapRequest { cluster_id, voters: voters.collect() };
        for (node, status) in nodes.iter_mut().zip(&statuses) {
            if status.cluster_id.is_empty() {
                node.bootstrap(request.clone()).await.map_err(failed)?;
            }
        }
    }
    let leader = async {
        loop {
            for node in &mut nodes {
                let status = status(node).await?;
                if status.ready && status.leader != 0 {
                    return Ok(status.leader);
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let late = |_| failed(format!("no leader within {} s; see the log lines above", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, leader).await.map_err(late)?
}

async fn status(node: &mut Admin) -> Result<NodeStatusResponse, Termination> {
    Ok(node.node_status(NodeStatusRequest {}).await.map_err(failed)?.into_inner())
}

fn failed(error: impl std::fmt::Display) -> Termination {
    Termination::new(ExitCode::Configuration, format!("the cluster cannot be begun: {error}"), None)
}

fn summary(data: &Path, leader: u64) -> String {
    let nodes: String = (1..=NODES)
        .map(|number| {
            let role = if u64::from(number) == leader { "leader" } else { "follower" };
            let [client, peer, http] = [0, 1, 2].map(|service| address(number, service));
            format!("  node {number}   {client}    {peer}        {http}   {role}\n")
        })
        .collect();
    let endpoints: Vec<_> = (1..=NODES).map(|number| address(number, 0).to_string()).collect();
    format!(
        "\nThree nodes of KvCluster run in this process. Their data: {}\n\n\
         \x20          clients           peers and admin       health, metrics\n{nodes}\n\
         Trusted networks only: there is no TLS yet. Here everything listens on loopback.\n\n\
         Try:\n\
         \x20 kvctl --endpoints {} put hello world\n\
         \x20 kvctl get hello\n\
         \x20 kvctl status\n\
         \x20 curl http://{}/readyz\n\n\
         Ctrl-C stops the nodes; their data stay, and the next start goes on with them.\n\n",
        data.display(),
        endpoints.join(","),
        address(1, 2),
    )
}
