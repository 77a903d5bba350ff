//! What administrators ask of a node.

use raft::{
    Change, ChangeError, ChangeResult, ClusterId, DiskId, LogPosition, NodeId, RangeId, TransferError,
};
use thiserror::Error;

/// The range that every cluster begins with.
pub const FIRST_RANGE: RangeId = RangeId(1);

/// A request of an administrator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AdminRequest {
    /// Begin a cluster on this empty disk, which is one of the first voters. With several voters, each of them
    /// is asked the same.
    Bootstrap {
        /// Random, once.
        cluster: ClusterId,
        /// The first voters and their disks, this one among them.
        voters: Vec<(NodeId, DiskId)>,
    },
    /// Change the members of a range, one change after the other.
    Change {
        /// The range.
        range: RangeId,
        /// The place of the committed configuration that the caller looked at.
        planned_on: LogPosition,
        /// What to change.
        changes: Vec<Change>,
    },
    /// Hand the leadership of a range over.
    Transfer {
        /// The range.
        range: RangeId,
        /// The next leader.
        to: NodeId,
    },
}

/// An answer to an administrator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AdminReply {
    /// The cluster has begun here.
    Bootstrapped,
    /// How a change ended.
    Changed(ChangeResult),
    /// A transfer has begun: watch the status.
    TransferStarted,
}

/// Why nothing was done.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AdminError {
    /// The change was refused.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The transfer was refused.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// There is no such range here.
    #[error("range {range} has no replica on this node")]
    NoReplica {
        /// As asked.
        range: RangeId,
    },
    /// This disk is a member already.
    #[error("this disk is node {node} of cluster {:x} already: a disk belongs to one cluster for ever", cluster.0)]
    Member {
        /// Its cluster.
        cluster: ClusterId,
        /// Its node.
        node: NodeId,
    },
    /// This disk is just becoming a member.
    #[error("this disk is becoming a member: ask for its status")]
    BecomingMember,
    /// The voters are no group.
    #[error("{what}")]
    Voters {
        /// What is wrong with them.
        what: &'static str,
    },
}
