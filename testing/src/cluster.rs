//! Several nodes that form a cluster.

use proto::admin::v1::{BootstrapRequest, FirstVoter, NodeStatusResponse};
use tempfile::TempDir;

use crate::process::{NodeProcess, Options, wait_until};

/// Nodes 1, 2, … of a cluster, in this order; a node that has no id yet is at the end.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes; dropped before their folder.
    pub nodes: Vec<NodeProcess>,
    folder: TempDir,
    options: Options,
}

impl Cluster {
    /// Starts nodes, and a cluster of all of them as voters.
    pub async fn start(voters: usize, options: Options) -> Self {
        let mut cluster = Self { nodes: Vec::new(), folder: TempDir::new().unwrap(), options };
        let mut first = Vec::new();
        for node in 1..=voters as u64 {
            let status = cluster.add_process().await;
            let peer_address = status.peer_address;
            first.push(FirstVoter { node, disk_id: status.disk_id, peer_address });
        }
        let cluster_id = format!("{:032x}", rand::random::<u128>());
        let request = BootstrapRequest { cluster_id, voters: first };
        for node in &cluster.nodes {
            node.admin().bootstrap(request.clone()).await.unwrap();
        }
        cluster.leader().await;
        cluster
    }

    /// Starts one more node, with an empty disk; it is no member yet.
    pub async fn add_process(&mut self) -> NodeStatusResponse {
        let folder = self.folder.path().join(format!("node-{}", self.nodes.len() + 1));
        let mut node = NodeProcess::new(&folder, self.options.clone());
        node.start();
        self.nodes.push(node);
        self.nodes.last_mut().unwrap().wait_live().await
    }

    /// The status of the leader that all running nodes agree on; waits until there is one.
    pub async fn leader(&self) -> NodeStatusResponse {
        wait_until("the nodes agree on a leader", async || {
            let mut leader: Option<NodeStatusResponse> = None;
            let mut named = Vec::new();
            for node in &self.nodes {
                let Some(status) = node.status().await else { continue };
                if status.node == 0 || status.members.iter().all(|member| member.node != status.node) {
                    continue;
                }
                named.push(status.leader);
                if status.leader == status.node {
                    leader = Some(status);
                }
            }
            leader.filter(|leader| {
                leader.configuration_committed && named.iter().all(|node| *node == leader.node)
            })
        })
        .await
    }

    /// The process of a node.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn node(&self, node: u64) -> &NodeProcess {
        &self.nodes[usize::try_from(node).unwrap() - 1]
    }

    /// The same.
    ///
    /// # Panics
    /// There is none.
    pub fn node_mut(&mut self, node: u64) -> &mut NodeProcess {
        &mut self.nodes[usize::try_from(node).unwrap() - 1]
    }
}
