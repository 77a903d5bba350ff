//! Administration of a node and, on the leader, of the members: `kvcluster.admin.v1` on port 7401.

mod damaged;
mod errors;
pub(crate) mod hex;
mod status;

use proto::admin::v1 as pb;
use proto::admin::v1::admin_server::Admin;
use raft::{Change, ClusterId, DiskId, NodeId, RoleKind};
use store::replica::ReplicaStatus;
use store::store::{AdminReply, AdminRequest, FIRST_RANGE};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

pub use damaged::DamagedAdmin;
pub(crate) use status::most_caught_up;

use crate::handle::{AdminCallError, Handle};
use crate::health::Readiness;
use crate::transport::AddressBook;

/// The administration of a node that runs.
#[derive(Clone)]
pub struct AdminService {
    /// The store.
    pub handle: Handle,
    /// Where nodes are.
    pub addresses: AddressBook,
    /// Whether this node should be given traffic.
    pub readiness: watch::Receiver<Readiness>,
}

fn stopping() -> Status {
    errors::not_now("this node is stopping: ask another one")
}

impl AdminService {
    async fn replica(&self) -> Result<Option<ReplicaStatus>, Status> {
        let status = self.handle.status().await.ok_or_else(stopping)?;
        Ok(status.replicas.into_iter().find(|replica| replica.range == FIRST_RANGE))
    }

    async fn call(&self, request: AdminRequest) -> Result<AdminReply, Status> {
        match self.handle.admin(request).await {
            Ok(reply) => Ok(reply),
            Err(AdminCallError::Stopping) => Err(stopping()),
            Err(AdminCallError::Refused(error)) => {
                let replica = self.replica().await?;
                let silent = replica.as_ref().map(status::silent).unwrap_or_default();
                Err(errors::refused(&error, silent, |node| self.addresses.peer(node)))
            }
        }
    }

    async fn change(
        &self,
        planned_on: Option<pb::LogPosition>,
        changes: Vec<Change>,
    ) -> Result<(raft::ChangeResult, pb::ChangeResponse), Status> {
        tracing::info!(?changes, ?planned_on, "membership change asked for");
        let planned_on = status::read_position(planned_on);
        let request = AdminRequest::Change { range: FIRST_RANGE, planned_on, changes };
        let AdminReply::Changed(result) = self.call(request).await? else {
            return Err(Status::internal("the store answered another call"));
        };
        let response = pb::ChangeResponse {
            committed: u32::try_from(result.committed).unwrap_or(u32::MAX),
            error: result.error.as_ref().map_or_else(String::new, ToString::to_string),
            configuration_at: result.configuration.as_ref().map(|(at, _)| errors::position(*at)),
        };
        tracing::info!(committed = result.committed, error = response.error, "membership change ended");
        Ok((result, response))
    }

    /// One change: if it did not happen, the call failed.
    async fn one(
        &self,
        planned_on: Option<pb::LogPosition>,
        change: Change,
    ) -> Result<(raft::ChangeResult, pb::ChangeResponse), Status> {
        let (result, response) = self.change(planned_on, vec![change]).await?;
        match result.error {
            Some(error) => {
                let silent = self.replica().await?.as_ref().map(status::silent);
                let address = |node| self.addresses.peer(node);
                Err(errors::refused(&error.into(), silent.unwrap_or_default(), address))
            }
            None => Ok((result, response)),
        }
    }

    async fn of_member(
        &self,
        request: Request<pb::MemberRequest>,
        change: impl FnOnce(NodeId) -> Change,
    ) -> Result<Response<pb::ChangeResponse>, Status> {
        let pb::MemberRequest { planned_on, node } = request.into_inner();
        let (_, response) = self.one(planned_on, change(member(node)?)).await?;
        Ok(Response::new(response))
    }

    async fn best_successor(&self) -> Result<NodeId, Status> {
        let replica = self.replica().await?;
        match replica.as_ref().and_then(most_caught_up) {
            Some(best) => Ok(best),
            None if replica.is_some_and(|of| of.raft.role == RoleKind::Leader) => {
                Err(errors::not_now("there is no other voter: leadership stays here"))
            }
            // The store says who leads.
            None => Ok(NodeId(0)),
        }
    }

    /// Takes an address that an administrator names.
    fn learn(&self, node: NodeId, peer_address: String) {
        if !peer_address.is_empty() {
            self.addresses.learn(node, Some(peer_address), None);
        }
    }
}

/// An id as a caller names it.
fn member(node: u64) -> Result<NodeId, Status> {
    if node == 0 { Err(errors::invalid("node is 0: ids begin with 1")) } else { Ok(NodeId(node)) }
}

fn change_of(change: pb::Change) -> Result<Change, Status> {
    use pb::change::Kind;
    match change.kind {
        Some(Kind::Promote(node)) => Ok(Change::Promote { node: member(node)? }),
        Some(Kind::Demote(node)) => Ok(Change::Demote { node: member(node)? }),
        Some(Kind::Remove(node)) => Ok(Change::Remove { node: member(node)? }),
        None => Err(errors::invalid("a change is empty: name promote, demote or remove")),
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn node_status(
        &self,
        _: Request<pb::NodeStatusRequest>,
    ) -> Result<Response<pb::NodeStatusResponse>, Status> {
        let status = self.handle.status().await.ok_or_else(stopping)?;
        let readiness = self.readiness.borrow().clone();
        Ok(Response::new(status::response(&status, &readiness, &self.addresses)))
    }

    async fn bootstrap(
        &self,
        request: Request<pb::BootstrapRequest>,
    ) -> Result<Response<pb::BootstrapResponse>, Status> {
        let pb::BootstrapRequest { cluster_id, voters } = request.into_inner();
        let cluster = ClusterId(hex::read("cluster_id", &cluster_id)?);
        let mut first = Vec::new();
        for voter in &voters {
            first.push((member(voter.node)?, DiskId(hex::read("disk_id", &voter.disk_id)?)));
        }
        for voter in voters {
            self.learn(NodeId(voter.node), voter.peer_address);
        }
        self.call(AdminRequest::Bootstrap { cluster, voters: first }).await?;
        tracing::info!(cluster = cluster_id, "bootstrapped");
        Ok(Response::new(pb::BootstrapResponse {}))
    }

    async fn reserve_member(
        &self,
        request: Request<pb::ReserveMemberRequest>,
    ) -> Result<Response<pb::ReserveMemberResponse>, Status> {
        let pb::ReserveMemberRequest { planned_on, abandon } = request.into_inner();
        let abandon = (abandon > 0).then_some(NodeId(abandon));
        let (result, response) = self.one(planned_on, Change::Reserve { abandon }).await?;
        let reserved = result.configuration.and_then(|(_, configuration)| configuration.reserved);
        let node = reserved.ok_or_else(|| errors::not_now("the reservation is gone again: ask anew"))?.0;
        let configuration_at = response.configuration_at;
        Ok(Response::new(pb::ReserveMemberResponse { node, configuration_at }))
    }

    async fn add_learner(
        &self,
        request: Request<pb::AddLearnerRequest>,
    ) -> Result<Response<pb::ChangeResponse>, Status> {
        let pb::AddLearnerRequest { planned_on, node, disk_id, boot_counter, peer_address } =
            request.into_inner();
        let node = member(node)?;
        let disk = DiskId(hex::read("disk_id", &disk_id)?);
        // Known before the first message is sent there.
        self.learn(node, peer_address);
        let change = Change::AddLearner { node, disk, boot: boot_counter };
        let (_, response) = self.one(planned_on, change).await?;
        Ok(Response::new(response))
    }

    async fn promote(
        &self,
        request: Request<pb::MemberRequest>,
    ) -> Result<Response<pb::ChangeResponse>, Status> {
        self.of_member(request, |node| Change::Promote { node }).await
    }

    async fn demote(
        &self,
        request: Request<pb::MemberRequest>,
    ) -> Result<Response<pb::ChangeResponse>, Status> {
        self.of_member(request, |node| Change::Demote { node }).await
    }

    async fn remove(
        &self,
        request: Request<pb::MemberRequest>,
    ) -> Result<Response<pb::ChangeResponse>, Status> {
        self.of_member(request, |node| Change::Remove { node }).await
    }

    async fn change_members(
        &self,
        request: Request<pb::ChangeMembersRequest>,
    ) -> Result<Response<pb::ChangeResponse>, Status> {
        let pb::ChangeMembersRequest { planned_on, changes } = request.into_inner();
        let changes = changes.into_iter().map(change_of).collect::<Result<Vec<_>, _>>()?;
        let (_, response) = self.change(planned_on, changes).await?;
        Ok(Response::new(response))
    }

    async fn transfer_leadership(
        &self,
        request: Request<pb::TransferLeadershipRequest>,
    ) -> Result<Response<pb::TransferLeadershipResponse>, Status> {
        let to = match request.into_inner().to {
            0 => self.best_successor().await?,
            node => NodeId(node),
        };
        self.call(AdminRequest::Transfer { range: FIRST_RANGE, to }).await?;
        tracing::info!(to = to.0, "leadership is being handed over");
        Ok(Response::new(pb::TransferLeadershipResponse { to: to.0 }))
    }
}
