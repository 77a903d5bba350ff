//! What can be done to a cluster.

use crate::ids::{ClusterId, DiskId, NodeId, Position, Uid};

/// One action of the operator. Each is harmless when it is repeated, or is refused because something else has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Draw a random cluster id and write it into the status.
    RecordClusterId,
    /// Write the id of an earlier cluster into the status, which runs again on its volumes.
    RecordAdoption {
        /// Of the labels of the volumes.
        cluster_id: ClusterId,
    },
    /// Make a volume claim.
    CreateClaim {
        /// The member.
        node: NodeId,
    },
    /// Make a StatefulSet of one pod.
    CreateSet {
        /// The member.
        node: NodeId,
    },
    /// Write into the status which disk begins the cluster.
    RecordFirst {
        /// The first voter.
        node: NodeId,
        /// Its empty disk.
        disk: DiskId,
    },
    /// Begin the cluster on exactly that disk.
    Bootstrap {
        /// As recorded.
        cluster_id: ClusterId,
        /// The first voter.
        node: NodeId,
        /// Its empty disk.
        disk: DiskId,
    },
    /// Write into the status that the cluster has begun.
    RecordBootstrapped,
    /// Write into the status that the voters reached their number: clients are let in.
    RecordAvailable,
    /// Mint a node id, or get the one that is reserved.
    Reserve {
        /// The committed configuration of this plan.
        planned_on: Position,
        /// A reservation to give up.
        abandon: Option<NodeId>,
    },
    /// Add the reserved node as a learner.
    AddLearner {
        /// The committed configuration of this plan.
        planned_on: Position,
        /// The reserved id.
        node: NodeId,
        /// As its pod reports it.
        disk: DiskId,
        /// The same.
        boot: u64,
    },
    /// Change roles of members or remove them, back to back.
    ChangeMembers {
        /// The committed configuration of this plan.
        planned_on: Position,
        /// In this order.
        changes: Vec<Change>,
    },
    /// Hand leadership to a voter.
    Transfer {
        /// The next leader.
        to: NodeId,
    },
    /// Mark the claim of a member that was removed: no member uses it again.
    MarkRemoved {
        /// It was a member.
        node: NodeId,
        /// Of the claim.
        uid: Uid,
    },
    /// Run a pod, or none.
    ScaleSet {
        /// The member.
        node: NodeId,
        /// Of the StatefulSet.
        uid: Uid,
        /// 0 or 1.
        replicas: u32,
    },
    /// Give the next pod the current template.
    UpdateSet {
        /// The member.
        node: NodeId,
        /// Of the StatefulSet.
        uid: Uid,
    },
    /// Delete a pod: the StatefulSet makes another.
    DeletePod {
        /// The member.
        node: NodeId,
        /// Of the pod.
        uid: Uid,
    },
    /// Delete a StatefulSet without pods.
    DeleteSet {
        /// It was a member, or was to become one.
        node: NodeId,
        /// Of the StatefulSet.
        uid: Uid,
    },
    /// Delete a volume claim.
    DeleteClaim {
        /// It was a member, or was to become one.
        node: NodeId,
        /// Of the claim.
        uid: Uid,
    },
}

/// One change of the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A learner becomes a voter.
    Promote(NodeId),
    /// A voter becomes a learner.
    Demote(NodeId),
    /// A member goes, for ever.
    Remove(NodeId),
}

impl Action {
    /// For metrics, events and the test switch: kebab case, one name for each kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RecordClusterId => "record-cluster-id",
            Self::RecordAdoption { .. } => "record-adoption",
            Self::CreateClaim { .. } => "create-claim",
            Self::CreateSet { .. } => "create-set",
            Self::RecordFirst { .. } => "record-first",
            Self::Bootstrap { .. } => "bootstrap",
            Self::RecordBootstrapped => "record-bootstrapped",
            Self::RecordAvailable => "record-available",
            Self::Reserve { .. } => "reserve",
            Self::AddLearner { .. } => "add-learner",
            Self::ChangeMembers { .. } => "change-members",
            Self::Transfer { .. } => "transfer",
            Self::MarkRemoved { .. } => "mark-removed",
            Self::ScaleSet { .. } => "scale-set",
            Self::UpdateSet { .. } => "update-set",
            Self::DeletePod { .. } => "delete-pod",
            Self::DeleteSet { .. } => "delete-set",
            Self::DeleteClaim { .. } => "delete-claim",
        }
    }
}
