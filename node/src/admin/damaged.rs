//! Administration of a node whose disk is damaged: it says so, and does nothing else.

use proto::admin::v1 as pb;
use proto::admin::v1::admin_server::Admin;
use store::replica::ExitCode;
use tonic::{Request, Response, Status};

use super::{errors, status};
use crate::termination::{Termination, number};

/// Answers for a node that opened nothing.
#[derive(Clone, Debug)]
pub struct DamagedAdmin(pub Termination);

impl DamagedAdmin {
    fn refuse<T>(&self) -> Result<Response<T>, Status> {
        let Termination { reason, message, .. } = &self.0;
        Err(errors::impossible(format!("this node takes no part ({reason}: {message}): replace it")))
    }
}

#[tonic::async_trait]
impl Admin for DamagedAdmin {
    async fn node_status(
        &self,
        _: Request<pb::NodeStatusRequest>,
    ) -> Result<Response<pb::NodeStatusResponse>, Status> {
        let lost = self.0.exit_code == number(ExitCode::LostDisk);
        let state = if lost { pb::NodeState::LostDisk } else { pb::NodeState::Corruption };
        Ok(Response::new(status::damaged(&self.0, state)))
    }

    async fn bootstrap(
        &self,
        _: Request<pb::BootstrapRequest>,
    ) -> Result<Response<pb::BootstrapResponse>, Status> {
        self.refuse()
    }

    async fn reserve_member(
        &self,
        _: Request<pb::ReserveMemberRequest>,
    ) -> Result<Response<pb::ReserveMemberResponse>, Status> {
        self.refuse()
    }

    async fn add_learner(
        &self,
        _: Request<pb::AddLearnerRequest>,
    ) -> Result<Response<pb::ChangeResponse>, Status> {
        self.refuse()
    }

    async fn promote(&self, _: Request<pb::MemberRequest>) -> Result<Response<pb::ChangeResponse>, Status> {
        self.refuse()
    }

    async fn demote(&self, _: Request<pb::MemberRequest>) -> Result<Response<pb::ChangeResponse>, Status> {
        self.refuse()
    }

    async fn remove(&self, _: Request<pb::MemberRequest>) -> Result<Response<pb::ChangeResponse>, Status> {
        self.refuse()
    }

    async fn change_members(
        &self,
        _: Request<pb::ChangeMembersRequest>,
    ) -> Result<Response<pb::ChangeResponse>, Status> {
        self.refuse()
    }

    async fn transfer_leadership(
        &self,
        _: Request<pb::TransferLeadershipRequest>,
    ) -> Result<Response<pb::TransferLeadershipResponse>, Status> {
        self.refuse()
    }
}
