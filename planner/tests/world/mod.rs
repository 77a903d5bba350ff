//! A small cluster that obeys the rules of the administration service and of Kubernetes: objects with incarnations, pods
//! that come and go, disks that are wiped, a leader wherever a majority lives.

mod group;
mod look;
mod objects;
mod outside;

use std::collections::BTreeMap;

use planner::{
    Action, ClusterId, DiskId, MemberObjects, NodeId, Observed, Recorded, Remembered, Retention, Role, Spec,
    Template, Uid,
};

pub use group::Group;
pub use look::Caches;

/// Pods of this template never run.
pub const BAD: &str = "bad";

/// How long a step takes, in milliseconds.
const STEP_MILLIS: u64 = 5_000;
/// Steps until a new learner has caught up.
const STEPS_TO_CATCH_UP: u8 = 3;

/// Whether a rule was kept, or how it was broken.
pub type Held = Result<(), String>;

/// A rule is broken unless `kept`.
pub fn hold(kept: bool, broken: impl FnOnce() -> String) -> Held {
    if kept { Ok(()) } else { Err(broken()) }
}

#[derive(Clone, Debug)]
struct Disk {
    id: DiskId,
    /// What it holds; none: empty.
    holds: Option<(ClusterId, NodeId)>,
    damaged: bool,
}

#[derive(Clone, Debug)]
pub struct World {
    pub spec: Spec,
    pub recorded: Recorded,
    pub remembered: Remembered,
    pub group: Group,
    /// The operator has the right to delete volumes.
    pub may_delete_claims: bool,
    objects: BTreeMap<NodeId, MemberObjects>,
    disks: BTreeMap<NodeId, Disk>,
    /// Disks that the operator deleted, of ids that were reserved and had a StatefulSet: a call may still tell of them.
    discarded: BTreeMap<NodeId, DiskId>,
    /// Members that have not caught up, and for how many steps.
    behind: BTreeMap<NodeId, u8>,
    silent_since: BTreeMap<NodeId, u64>,
    now: u64,
    serial: u64,
}

impl World {
    pub fn new(replicas: u32) -> Self {
        Self {
            spec: Spec {
                replicas,
                paused: false,
                deleting: false,
                retention: Retention::Retain,
                retained_volumes: None,
                replace_after_millis: None,
                template: Template("1".to_owned()),
            },
            recorded: Recorded::default(),
            remembered: Remembered::default(),
            group: Group::default(),
            may_delete_claims: true,
            objects: BTreeMap::new(),
            disks: BTreeMap::new(),
            discarded: BTreeMap::new(),
            behind: BTreeMap::new(),
            silent_since: BTreeMap::new(),
            now: 0,
            serial: 0,
        }
    }

    fn serial(&mut self) -> String {
        self.serial += 1;
        self.serial.to_string()
    }

    pub fn members(&self) -> Vec<(NodeId, Role)> {
        self.group.members.iter().map(|(node, (_, role))| (*node, *role)).collect()
    }

    pub fn voters(&self) -> Vec<NodeId> {
        self.members().into_iter().filter(|(_, role)| *role == Role::Voter).map(|(node, _)| node).collect()
    }

    pub fn object(&self, node: NodeId) -> Option<&MemberObjects> {
        self.objects.get(&node)
    }

    /// That incarnation is its pod: another one is not deleted.
    pub fn is_pod(&self, node: NodeId, uid: &Uid) -> bool {
        self.object(node).and_then(|objects| objects.pod.as_ref()).is_some_and(|pod| pod.uid == *uid)
    }

    /// The disk that it joined with is there, sound, and can be used.
    pub fn has_disk(&self, node: NodeId) -> bool {
        let Some((joined, _)) = self.group.members.get(&node) else { return false };
        let is_pinned = self
            .object(node)
            .and_then(|objects| objects.claim.as_ref())
            .is_some_and(|claim| claim.pinned_to_lost_node);
        !is_pinned && self.disks.get(&node).is_some_and(|disk| disk.id == *joined && !disk.damaged)
    }

    /// The container of its pod runs.
    fn runs(&self, node: NodeId) -> bool {
        let Some(objects) = self.object(node) else { return false };
        let is_pinned = objects.claim.as_ref().is_none_or(|claim| claim.pinned_to_lost_node);
        objects.pod.as_ref().is_some_and(|pod| pod.template.0 != BAD) && !is_pinned
    }

    /// Its pod runs on the disk that it joined with.
    pub fn lives(&self, node: NodeId) -> bool {
        self.runs(node) && self.has_disk(node)
    }

    pub fn is_caught_up(&self, node: NodeId) -> bool {
        self.lives(node) && !self.behind.contains_key(&node)
    }

    fn majority(&self, of: &BTreeMap<NodeId, (DiskId, Role)>) -> bool {
        let voters: Vec<&NodeId> =
            of.iter().filter(|(_, (_, role))| *role == Role::Voter).map(|(node, _)| node).collect();
        let living = voters.iter().filter(|node| self.lives(***node)).count();
        !voters.is_empty() && living * 2 > voters.len()
    }

    /// Kubernetes and the group go on: pods are made, learners catch up, a leader is elected.
    pub fn goes_on(&mut self) {
        self.objects_go_on();
        self.behind.retain(|_, steps| {
            *steps -= 1;
            *steps > 0
        });
        for (node, _) in self.members() {
            if self.lives(node) {
                self.silent_since.remove(&node);
            } else {
                self.silent_since.entry(node).or_insert(self.now);
            }
        }
        self.now += STEP_MILLIS;
        self.elect();
        self.commit();
    }

    /// What the operator notes of a look before it acts.
    pub fn note(&mut self, looked_at: &Observed) {
        let Some(view) = looked_at.leader.as_ref().filter(|view| view.committed) else { return };
        if view.configuration_at >= self.recorded.configuration_at {
            let voters = view.members.iter().filter(|member| member.role == Role::Voter);
            self.recorded.voters = voters.map(|member| member.node).collect();
            self.recorded.configuration_at = view.configuration_at;
        }
    }

    /// Performs an action as the operator and the real parts would: or it is refused, if something else has changed.
    pub fn perform(&mut self, action: &Action) -> Held {
        match action {
            Action::RecordClusterId => {
                self.recorded.cluster_id = Some(ClusterId(format!("cluster-{}", self.serial())));
            }
            Action::RecordAdoption { cluster_id } => {
                self.recorded.cluster_id = Some(cluster_id.clone());
                self.recorded.bootstrapped = true;
            }
            Action::RecordFirst { node, disk } => self.recorded.first = Some((*node, disk.clone())),
            Action::RecordBootstrapped => self.recorded.bootstrapped = true,
            Action::RecordAvailable => self.recorded.became_available = true,
            Action::Bootstrap { cluster_id, node, disk } => self.bootstrap(cluster_id, *node, disk)?,
            Action::Reserve { planned_on, abandon } => self.reserve(*planned_on, *abandon),
            Action::AddLearner { planned_on, node, disk, .. } => self.add(*planned_on, *node, disk)?,
            Action::ChangeMembers { planned_on, changes } => self.change(*planned_on, changes)?,
            Action::Transfer { to } => self.transfer(*to),
            object => self.perform_on_objects(object)?,
        }
        Ok(())
    }
}
