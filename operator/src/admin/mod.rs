//! The administration of the nodes: `kvcluster.admin.v1` at each pod's own address.

mod error;

use std::time::Duration;

use proto::admin::v1 as pb;
use proto::admin::v1::admin_client::AdminClient;
use tonic::transport::{Channel, Endpoint};

pub use error::AdminError;

/// Where a node takes administration calls.
pub const PORT: u16 = 7401;
/// A node that is alive says how it is in much less.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);
/// A change is committed by a majority first, maybe one after the other.
const CHANGE_PATIENCE: Duration = Duration::from_secs(20);

/// A node, for a few calls. A connection is made for each of them: pods come and go with their addresses.
#[derive(Clone, Debug)]
pub struct Node {
    address: String,
}

impl Node {
    /// The node in the pod with this IP address.
    #[must_use]
    pub fn at(pod_ip: &str) -> Self {
        let address =
            if pod_ip.contains(':') { format!("[{pod_ip}]:{PORT}") } else { format!("{pod_ip}:{PORT}") };
        Self { address }
    }

    async fn connect(
        &self,
        call: &'static str,
        patience: Duration,
    ) -> Result<AdminClient<Channel>, AdminError> {
        let unreachable = |error: tonic::transport::Error| {
            let message = cause(&error);
            AdminError::Unreachable { call, address: self.address.clone(), message }
        };
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).map_err(unreachable)?;
        let endpoint = endpoint.connect_timeout(STATUS_PATIENCE).timeout(patience);
        endpoint.connect().await.map(AdminClient::new).map_err(unreachable)
    }

    fn refused(&self, call: &'static str) -> impl FnOnce(tonic::Status) -> AdminError {
        move |status| AdminError::of(call, &self.address, &status)
    }

    /// What it is and how it is.
    ///
    /// # Errors
    /// It cannot be reached in time.
    pub async fn status(&self) -> Result<pb::NodeStatusResponse, AdminError> {
        let call = "NodeStatus";
        let mut node = self.connect(call, STATUS_PATIENCE).await?;
        let response = node.node_status(pb::NodeStatusRequest {}).await.map_err(self.refused(call))?;
        Ok(response.into_inner())
    }

    /// Begins a cluster.
    ///
    /// # Errors
    /// It refuses, or cannot be reached.
    pub async fn bootstrap(&self, request: pb::BootstrapRequest) -> Result<(), AdminError> {
        let call = "Bootstrap";
        let mut node = self.connect(call, CHANGE_PATIENCE).await?;
        node.bootstrap(request).await.map(drop).map_err(self.refused(call))
    }

    /// Mints a node id, or returns the one that is reserved.
    ///
    /// # Errors
    /// It refuses, or cannot be reached.
    pub async fn reserve(&self, request: pb::ReserveMemberRequest) -> Result<u64, AdminError> {
        let call = "ReserveMember";
        let mut node = self.connect(call, CHANGE_PATIENCE).await?;
        let response = node.reserve_member(request).await.map_err(self.refused(call))?;
        Ok(response.into_inner().node)
    }

    /// Adds the reserved node.
    ///
    /// # Errors
    /// It refuses, or cannot be reached.
    pub async fn add_learner(&self, request: pb::AddLearnerRequest) -> Result<(), AdminError> {
        let call = "AddLearner";
        let mut node = self.connect(call, CHANGE_PATIENCE).await?;
        node.add_learner(request).await.map(drop).map_err(self.refused(call))
    }

    /// Executes changes back to back. The result says how many, and why not all.
    ///
    /// # Errors
    /// It refuses, or cannot be reached.
    pub async fn change(&self, request: pb::ChangeMembersRequest) -> Result<pb::ChangeResponse, AdminError> {
        let call = "ChangeMembers";
        let mut node = self.connect(call, CHANGE_PATIENCE).await?;
        let response = node.change_members(request).await.map_err(self.refused(call))?;
        Ok(response.into_inner())
    }

    /// Begins to hand leadership over.
    ///
    /// # Errors
    /// It refuses, or cannot be reached.
    pub async fn transfer(&self, to: u64) -> Result<(), AdminError> {
        let call = "TransferLeadership";
        let mut node = self.connect(call, STATUS_PATIENCE).await?;
        let request = pb::TransferLeadershipRequest { to };
        node.transfer_leadership(request).await.map(drop).map_err(self.refused(call))
    }
}

/// The deepest reason: the outermost says only that the transport failed.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_of_addresses_are_written_as_urls_have_them() {
        assert_eq!(Node::at("10.0.0.1").address, "10.0.0.1:7401");
        assert_eq!(Node::at("fd00::1").address, "[fd00::1]:7401");
    }

    #[tokio::test]
    async fn a_node_that_is_not_there_is_unreachable_and_named() {
        let error = Node { address: "127.0.0.1:1".to_owned() }.status().await.unwrap_err();
        assert_eq!(error.kind(), "NodeUnreachable");
        assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    }
}
