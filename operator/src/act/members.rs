//! The members are changed, by their leader.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use planner::{Change, ClusterId, DiskId, NodeId, Position};
use proto::admin::v1 as pb;

use super::Act;
use crate::admin::{AdminError, Node};
use crate::error::Error;
use crate::live::described;
use crate::objects::names;

impl Act<'_> {
    /// Awaits a change by a node, if and as long as the lease is held.
    async fn under_claim<T>(self, change: impl Future<Output = Result<T, AdminError>>) -> Result<T, Error> {
        Ok(self.live.kube.claim().during(change).await??)
    }

    /// The node in the pod of a member.
    fn node(&self, node: NodeId) -> Result<Node, Error> {
        let found = self.seen.members.get(&node).and_then(|sight| sight.node.clone());
        found.ok_or_else(|| Error::Outdated { what: format!("the pod of member {node}") })
    }

    fn leader(&self) -> Result<Node, Error> {
        let leader = self.seen.leader.ok_or_else(|| Error::Outdated { what: "the leader".to_owned() })?;
        self.node(leader)
    }

    pub(super) async fn bootstrap(
        self,
        cluster: &ClusterId,
        node: NodeId,
        disk: &DiskId,
    ) -> Result<(), Error> {
        let voter = pb::FirstVoter {
            node: node.0,
            disk_id: disk.0.clone(),
            peer_address: names::peer_address(self.live.cluster, node.0),
        };
        let request = pb::BootstrapRequest { cluster_id: cluster.0.clone(), voters: vec![voter] };
        self.under_claim(self.node(node)?.bootstrap(request)).await
    }

    pub(super) async fn reserve(self, planned_on: Position, abandon: Option<NodeId>) -> Result<(), Error> {
        let abandon = abandon.map_or(0, |node| node.0);
        let request = pb::ReserveMemberRequest { planned_on: Some(position(planned_on)), abandon };
        let node = self.under_claim(self.leader()?.reserve(request)).await?;
        tracing::info!(node, "node id reserved");
        Ok(())
    }

    pub(super) async fn add_learner(
        self,
        planned_on: Position,
        node: NodeId,
        disk: &DiskId,
        boot: u64,
    ) -> Result<(), Error> {
        let request = pb::AddLearnerRequest {
            planned_on: Some(position(planned_on)),
            node: node.0,
            disk_id: disk.0.clone(),
            boot_counter: boot,
            peer_address: names::peer_address(self.live.cluster, node.0),
        };
        self.under_claim(self.leader()?.add_learner(request)).await
    }

    pub(super) async fn change_members(self, planned_on: Position, changes: &[Change]) -> Result<(), Error> {
        for change in changes {
            if let Change::Remove(node) = change {
                self.confirm_volume(*node).await?;
            }
        }
        let changes = changes.iter().map(|change| pb::Change { kind: Some(kind(*change)) }).collect();
        let request = pb::ChangeMembersRequest { planned_on: Some(position(planned_on)), changes };
        let wanted = request.changes.len();
        let changed = self.under_claim(self.leader()?.change(request)).await?;
        let pb::ChangeResponse { committed, error, .. } = changed;
        tracing::info!(committed, wanted, error, "members changed");
        if committed == 0 && !error.is_empty() {
            return Err(AdminError::NotNow { call: "ChangeMembers", message: error }.into());
        }
        Ok(())
    }

    /// A volume that is missing in the cache only is no reason to remove its member.
    async fn confirm_volume(&self, node: NodeId) -> Result<(), Error> {
        let name = names::member(self.live.cluster, node.0);
        let seen = self.seen.members.get(&node).and_then(|sight| sight.claim.as_ref()?.uid());
        let live = self.live.read::<PersistentVolumeClaim>(&name).await?.and_then(|claim| claim.uid());
        if seen == live {
            Ok(())
        } else {
            Err(Error::Outdated { what: described::<PersistentVolumeClaim>(&name) })
        }
    }

    pub(super) async fn transfer(self, to: NodeId) -> Result<(), Error> {
        self.under_claim(self.leader()?.transfer(to.0)).await
    }
}

fn kind(change: Change) -> pb::change::Kind {
    match change {
        Change::Promote(node) => pb::change::Kind::Promote(node.0),
        Change::Demote(node) => pb::change::Kind::Demote(node.0),
        Change::Remove(node) => pb::change::Kind::Remove(node.0),
    }
}

fn position(at: Position) -> pb::LogPosition {
    pb::LogPosition { index: at.index, term: at.term }
}
