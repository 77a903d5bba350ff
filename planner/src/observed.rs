//! What is known of a cluster when a plan is made.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{ClusterId, DiskId, NodeId, Position, Template, Uid};

/// All that a plan depends on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What the user wants.
    pub spec: Spec,
    /// What the operator wrote into the status earlier.
    pub recorded: Recorded,
    /// What it remembers of the looks before this one.
    pub remembered: Remembered,
    /// What the leader says; none: no reachable node leads.
    pub leader: Option<LeaderView>,
    /// How long no leader was seen, in milliseconds; 0 with a leader.
    pub leaderless_millis: u64,
    /// Objects with names of members of this cluster.
    pub objects: BTreeMap<NodeId, MemberObjects>,
}

/// What the user wants, of the KvCluster's spec and metadata.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Members; at least 1.
    pub replicas: u32,
    /// Only look.
    pub paused: bool,
    /// The KvCluster is being deleted.
    pub deleting: bool,
    /// What happens to the volume of a member that was removed.
    pub retention: Retention,
    /// What to do with volumes of an earlier cluster of this name; none: ask.
    pub retained_volumes: Option<RetainedVolumes>,
    /// Replace a member that was silent for so many milliseconds; none: only one that is gone for certain.
    pub replace_after_millis: Option<u64>,
    /// The template that every pod should have.
    pub template: Template,
}

/// What happens to the volume of a member that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// It stays, and no member uses it again.
    Retain,
    /// It is deleted.
    Delete,
}

/// What to do with volumes of an earlier cluster of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetainedVolumes {
    /// Run the earlier cluster again, on its volumes.
    Adopt,
    /// Begin an empty cluster beside them; its node ids are higher than theirs.
    StartNew,
}

/// What the operator wrote into the status earlier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Drawn before anything was made.
    pub cluster_id: Option<ClusterId>,
    /// The first voter and its disk, written before the bootstrap.
    pub first: Option<(NodeId, DiskId)>,
    /// The first voter began the cluster.
    pub bootstrapped: bool,
    /// The voters reached their number once.
    pub became_available: bool,
    /// The voters of the last look at a leader.
    pub voters: Vec<NodeId>,
    /// The configuration of that look: an older one is not believed.
    pub configuration_at: Position,
}

/// What the operator remembers of the looks before this one. All of it may be lost at any time.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// What was worked at or waited for in the last look: [`Plan::doing`](crate::Plan::doing).
    pub doing: Vec<String>,
    /// How long it has been exactly that, in milliseconds.
    pub doing_millis: u64,
    /// Objects that the operator has no right to delete, as it found out.
    pub undeletable: BTreeSet<Uid>,
}

/// What the leader's NodeStatus says.
#[derive(Clone, Debug)]
pub struct LeaderView {
    /// The leader.
    pub leader: NodeId,
    /// Members of the configuration in force.
    pub members: Vec<MemberView>,
    /// Where that configuration is in the log.
    pub configuration_at: Position,
    /// Whether it is committed: changes are planned on committed ones only.
    pub committed: bool,
    /// The id that is reserved and not added yet.
    pub reserved: Option<NodeId>,
    /// Members whose snapshots were overtaken by the log again and again.
    pub catch_up_stalled: Vec<NodeId>,
    /// Voters short of disk space, if writes are refused because of that.
    pub short_of_space: Vec<NodeId>,
    /// Voters whose clocks are off.
    pub skewed_clocks: Vec<NodeId>,
}

/// Whether a member counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It counts in majorities.
    Voter,
    /// It receives the log and serves follower reads.
    Learner,
}

/// What the leader says of a member.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Its id.
    pub node: NodeId,
    /// The disk that it joined with.
    pub disk: DiskId,
    /// Whether it counts.
    pub role: Role,
    /// Durable there up to this log index.
    pub matched: u64,
    /// How long it has been silent, in milliseconds; begins anew with a new leader.
    pub silent_millis: u64,
    /// Heard within an election timeout.
    pub answers: bool,
    /// It could be promoted, or lead.
    pub caught_up: bool,
}

/// The objects of one member.
#[derive(Clone, Debug, Default)]
pub struct MemberObjects {
    /// Its volume claim.
    pub claim: Option<Claim>,
    /// Its StatefulSet.
    pub set: Option<Set>,
    /// Its pod.
    pub pod: Option<Pod>,
    /// What the node in the pod says of itself.
    pub report: Option<Report>,
}

/// A volume claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// This incarnation.
    pub uid: Uid,
    /// Of the label; none: not made by an operator.
    pub cluster_id: Option<ClusterId>,
    /// It is marked as the volume of a member that was removed.
    pub removed: bool,
    /// It is being deleted.
    pub deleting: bool,
    /// Its volume can only be used on a machine that is not there any more.
    pub pinned_to_lost_node: bool,
}

/// A StatefulSet of 0 or 1 replicas.
#[derive(Clone, Debug)]
pub struct Set {
    /// This incarnation.
    pub uid: Uid,
    /// Wanted pods.
    pub replicas: u32,
    /// The template that its next pod gets.
    pub template: Template,
    /// The user asks for another member in place of this one.
    pub replace: bool,
    /// It is being deleted.
    pub deleting: bool,
}

/// A pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// This incarnation.
    pub uid: Uid,
    /// Its node says that it can serve.
    pub ready: bool,
    /// The template that it was made from.
    pub template: Template,
    /// It is being deleted.
    pub deleting: bool,
    /// Why it cannot run, if it will not get better by waiting: its image, its container's crashes, no machine for it.
    pub stuck: Option<String>,
}

/// What a node says of itself.
#[derive(Clone, Debug)]
pub struct Report {
    /// None: its disk is empty.
    pub cluster_id: Option<ClusterId>,
    /// None: its disk is empty, or unreadable.
    pub node: Option<NodeId>,
    /// None: unreadable.
    pub disk: Option<DiskId>,
    /// How often it was started.
    pub boot: u64,
    /// What it does.
    pub state: ReportedState,
    /// What is wrong with its disk; empty: nothing.
    pub fault: String,
    /// Free space is below its reserve.
    pub below_reserve: bool,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportedState {
    /// Its disk is empty: it waits.
    Waiting,
    /// It takes part, in whatever role.
    Member,
    /// Its disk lost data.
    LostDisk,
    /// Its data are damaged.
    Corruption,
}
