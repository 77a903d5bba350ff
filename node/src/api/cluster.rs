//! The `Cluster` service.

use proto::v1::cluster_server::Cluster;
use proto::v1::{ClusterMember, GetClusterRequest, GetClusterResponse};
use raft::MemberRole;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::handle::Handle;
use crate::store_loop::Summary;
use crate::transport::AddressBook;

/// See `kvcluster.v1.Cluster`.
pub struct ClusterService {
    summary: watch::Receiver<Summary>,
    book: AddressBook,
}

impl ClusterService {
    /// Tells what the node of `handle` knows.
    #[must_use]
    pub fn new(handle: &Handle, book: AddressBook) -> Self {
        Self { summary: handle.summary(), book }
    }
}

#[tonic::async_trait]
impl Cluster for ClusterService {
    async fn get_cluster(
        &self,
        _: Request<GetClusterRequest>,
    ) -> Result<Response<GetClusterResponse>, Status> {
        let summary = self.summary.borrow().clone();
        let Some((cluster, me)) = summary.identity.member else {
            return Ok(Response::new(GetClusterResponse::default()));
        };
        let places = self.book.all(me, summary.boot.counter);
        let members = summary.configuration.iter().flat_map(|configuration| &configuration.members);
        let members = members.map(|(node, member)| ClusterMember {
            node: node.0,
            voter: member.role == MemberRole::Voter,
            client_address: places.get(node).and_then(|place| place.client.clone()).unwrap_or_default(),
        });
        Ok(Response::new(GetClusterResponse {
            cluster_id: format!("{:032x}", cluster.0),
            node: me.0,
            leader: summary.leader.map_or(0, |leader| leader.0),
            term: summary.term.0,
            members: members.collect(),
            applied_timestamp: summary.applied_timestamp.0,
        }))
    }
}
