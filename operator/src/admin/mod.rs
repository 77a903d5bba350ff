//! The administration of the nodes: `kvcluster.admin.v1` at each pod's own address.

mod error;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proto::admin::v1 as pb;
use proto::admin::v1::admin_client::AdminClient;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

pub use error::AdminError;

/// Where a node takes administration calls.
pub const PORT: u16 = 7401;
/// A node that is alive says how it is in much less.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);
/// A change is committed by a majority first, maybe one after the other.
const CHANGE_PATIENCE: Duration = Duration::from_secs(20);

/// A node. Clones share one connection, which is made when it is needed and made again when it breaks.
#[derive(Clone, Debug)]
pub struct Node {
    address: SocketAddr,
    client: AdminClient<Channel>,
}

impl Node {
    /// The node in the pod with this IP address; none: it is no IP address.
    #[must_use]
    pub fn at(pod_ip: &str) -> Option<Self> {
        Self::reach(SocketAddr::new(pod_ip.parse().ok()?, PORT))
    }

    fn reach(address: SocketAddr) -> Option<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).ok()?;
        let channel = endpoint.connect_timeout(STATUS_PATIENCE).connect_lazy();
        Some(Self { address, client: AdminClient::new(channel) })
    }

    /// Whether it is the node in the pod with this IP address.
    #[must_use]
    pub fn is_at(&self, pod_ip: &str) -> bool {
        pod_ip.parse().is_ok_and(|ip: IpAddr| ip == self.address.ip())
    }

    /// What it is and how it is.
    ///
    /// # Errors
    /// It cannot be reached in time.
    pub async fn status(mut self) -> Result<pb::NodeStatusResponse, AdminError> {
        let answer = self.client.node_status(pb::NodeStatusRequest {});
        within("NodeStatus", self.address, STATUS_PATIENCE, answer).await
    }

    /// Begins a cluster.
    ///
    /// # Errors
    /// It refuses, or cannot be reached.
    pub async fn bootstrap(mut self, request: pb::BootstrapRequest) -> Result<(), AdminError> {
        let answer = self.client.bootstrap(request);
        within("Bootstrap", self.address, CHANGE_PATIENCE, answer).await.map(drop)
    }

    /// Mints a node id, or returns the one that is reserved.
    ///
    /// # Errors
    /// It refuses, or cannot be reached.
    pub async fn reserve(mut self, request: pb::ReserveMemberRequest) -> Result<u64, AdminError> {
        let answer = self.client.reserve_member(request);
        within("ReserveMember", self.address, CHANGE_PATIENCE, answer).await.map(|reserved| reserved.node)
    }

    /// Adds the reserved node.
    ///
    /// # Errors
    /// It refuses, or cannot be reached.
    pub async fn add_learner(mut self, request: pb::AddLearnerRequest) -> Result<(), AdminError> {
        let answer = self.client.add_learner(request);
        within("AddLearner", self.address, CHANGE_PATIENCE, answer).await.map(drop)
    }

    /// Executes changes back to back. The result says how many, and why not all.
    ///
    /// # Errors
    /// It refuses, or cannot be reached.
    pub async fn change(
        mut self,
        request: pb::ChangeMembersRequest,
    ) -> Result<pb::ChangeResponse, AdminError> {
        let answer = self.client.change_members(request);
        within("ChangeMembers", self.address, CHANGE_PATIENCE, answer).await
    }

    /// Begins to hand leadership over.
    ///
    /// # Errors
    /// It refuses, or cannot be reached.
    pub async fn transfer(mut self, to: u64) -> Result<(), AdminError> {
        let answer = self.client.transfer_leadership(pb::TransferLeadershipRequest { to });
        within("TransferLeadership", self.address, STATUS_PATIENCE, answer).await.map(drop)
    }
}

async fn within<T>(
    call: &'static str,
    address: SocketAddr,
    patience: Duration,
    answer: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, AdminError> {
    match timeout(patience, answer).await {
        Ok(answer) => {
            answer.map(Response::into_inner).map_err(|status| AdminError::of(call, address, &status))
        }
        Err(_) => {
            let message = format!("no answer in {} s", patience.as_secs());
            Err(AdminError::Unreachable { call, address, message })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_families_of_addresses_are_taken_and_nothing_else() {
        assert!(Node::at("10.0.0.1").is_some_and(|node| node.is_at("10.0.0.1") && !node.is_at("10.0.0.2")));
        assert!(Node::at("fd00::1").is_some_and(|node| node.is_at("fd00::1")));
        assert!(Node::at("kv-m1-0.kv-peers").is_none());
    }

    #[tokio::test]
    async fn a_node_that_is_not_there_is_unreachable_and_named() {
        let node = Node::reach(SocketAddr::from(([127, 0, 0, 1], 1))).unwrap();
        let error = node.status().await.unwrap_err();
        assert_eq!(error.kind(), "NodeUnreachable");
        let text = error.to_string();
        assert!(text.contains("127.0.0.1:1") && text.contains("refused"), "{text}");
    }
}
