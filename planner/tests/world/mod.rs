//! A small cluster that obeys the rules of the administration service and of Kubernetes: objects with incarnations, pods
//! that come and go, disks that are wiped, a leader wherever a majority lives.

use std::collections::{BTreeMap, BTreeSet};

use planner::{
    Action, Change, Claim, ClusterId, DiskId, LeaderView, MemberObjects, MemberView, NodeId, Observed, Pod,
    Position, Recorded, Report, ReportedState, Retention, Role, Set, Spec, Template, Uid,
};

/// Pods of this template never run.
pub const BAD: &str = "bad";

#[derive(Clone, Debug)]
struct Disk {
    id: DiskId,
    /// What it holds; none: empty.
    node: Option<NodeId>,
}

#[derive(Clone, Debug)]
pub struct World {
    pub spec: Spec,
    pub recorded: Recorded,
    objects: BTreeMap<NodeId, MemberObjects>,
    disks: BTreeMap<NodeId, Disk>,
    members: BTreeMap<NodeId, (DiskId, Role)>,
    behind: BTreeSet<NodeId>,
    leader: Option<NodeId>,
    began: bool,
    configuration: u64,
    reserved: Option<NodeId>,
    next_node: u64,
    serial: u64,
    /// Every disk that an id was ever added with.
    joined: BTreeMap<NodeId, BTreeSet<DiskId>>,
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
            objects: BTreeMap::new(),
            disks: BTreeMap::new(),
            members: BTreeMap::new(),
            behind: BTreeSet::new(),
            leader: None,
            began: false,
            configuration: 0,
            reserved: None,
            next_node: 1,
            serial: 0,
            joined: BTreeMap::new(),
        }
    }

    fn serial(&mut self) -> String {
        self.serial += 1;
        self.serial.to_string()
    }

    pub fn members(&self) -> Vec<(NodeId, Role)> {
        self.members.iter().map(|(node, (_, role))| (*node, *role)).collect()
    }

    pub fn voters(&self) -> Vec<NodeId> {
        self.members().into_iter().filter(|(_, role)| *role == Role::Voter).map(|(node, _)| node).collect()
    }

    /// Its pod runs on the disk that it joined with.
    pub fn lives(&self, node: NodeId) -> bool {
        let runs = self
            .objects
            .get(&node)
            .and_then(|objects| objects.pod.as_ref())
            .is_some_and(|pod| pod.template.0 != BAD);
        let disk = self.disks.get(&node).map(|disk| &disk.id);
        runs && self.members.get(&node).is_some_and(|(joined, _)| Some(joined) == disk)
    }

    pub fn has_disk(&self, node: NodeId) -> bool {
        let disk = self.disks.get(&node).map(|disk| &disk.id);
        self.members.get(&node).is_some_and(|(joined, _)| Some(joined) == disk)
    }

    fn majority(&self, of: &BTreeMap<NodeId, (DiskId, Role)>) -> bool {
        let voters: Vec<&NodeId> =
            of.iter().filter(|(_, (_, role))| *role == Role::Voter).map(|(node, _)| node).collect();
        let living = voters.iter().filter(|node| self.lives(***node)).count();
        !voters.is_empty() && living * 2 > voters.len()
    }

    /// Kubernetes and the group go on: pods are made, learners catch up, a leader is elected.
    pub fn goes_on(&mut self) {
        let nodes: Vec<NodeId> = self.objects.keys().copied().collect();
        for node in nodes {
            let uid = Uid(self.serial());
            let disk = DiskId(format!("disk-{}", self.serial()));
            let Some(objects) = self.objects.get_mut(&node) else { continue };
            let wanted = objects.set.as_ref().filter(|set| set.replicas == 1).map(|set| set.template.clone());
            match (&wanted, &objects.claim, &objects.pod) {
                (Some(template), Some(_), None) => {
                    objects.pod = Some(Pod {
                        uid,
                        ready: false,
                        template: template.clone(),
                        deleting: false,
                        stuck: None,
                    });
                    self.disks.entry(node).or_insert(Disk { id: disk, node: None });
                }
                (None, _, Some(_)) => objects.pod = None,
                _ => {}
            }
        }
        self.behind.clear();
        if !self.leader.is_some_and(|leader| self.lives(leader) && self.voters().contains(&leader))
            || !self.majority(&self.members)
        {
            self.leader = self
                .voters()
                .into_iter()
                .find(|node| self.lives(*node))
                .filter(|_| self.majority(&self.members));
        }
        self.objects
            .retain(|_, objects| objects.claim.is_some() || objects.set.is_some() || objects.pod.is_some());
    }

    pub fn observe(&self) -> Observed {
        let mut objects = self.objects.clone();
        for (node, member) in &mut objects {
            let leads = self.leader.is_some();
            let lives = self.lives(*node);
            if let Some(pod) = &mut member.pod {
                pod.stuck = (pod.template.0 == BAD).then(|| "ImagePullBackOff".to_owned());
                pod.ready = lives && leads && !self.behind.contains(node);
                let disk = self.disks.get(node);
                member.report = disk.filter(|_| pod.stuck.is_none()).map(|disk| Report {
                    cluster_id: disk.node.and(self.recorded.cluster_id.clone()),
                    node: disk.node,
                    disk: Some(disk.id.clone()),
                    boot: 1,
                    state: if disk.node.is_some() { ReportedState::Member } else { ReportedState::Waiting },
                    fault: String::new(),
                    below_reserve: false,
                });
            }
        }
        let leader = self.leader.map(|leader| LeaderView {
            leader,
            members: self
                .members
                .iter()
                .map(|(node, (disk, role))| self.member(*node, disk, *role))
                .collect(),
            configuration_at: self.position(),
            committed: true,
            reserved: self.reserved,
            catch_up_stalled: Vec::new(),
            short_of_space: Vec::new(),
            skewed_clocks: Vec::new(),
        });
        Observed {
            spec: self.spec.clone(),
            recorded: self.recorded.clone(),
            leader,
            leaderless_millis: 0,
            objects,
        }
    }

    fn member(&self, node: NodeId, disk: &DiskId, role: Role) -> MemberView {
        let lives = self.lives(node);
        let silent_millis = if lives { 0 } else { 60_000 };
        let caught_up = lives && !self.behind.contains(&node);
        MemberView { node, disk: disk.clone(), role, matched: 0, silent_millis, answers: lives, caught_up }
    }

    fn position(&self) -> Position {
        Position { index: self.configuration, term: 1 }
    }

    /// What the operator notes after each look.
    pub fn note(&mut self) {
        if self.leader.is_some() {
            self.recorded.voters = self.voters();
            self.recorded.configuration_at = self.position();
        }
    }

    /// Performs an action as the real parts would: or refuses it, if something else has changed.
    pub fn perform(&mut self, action: &Action) {
        match action {
            Action::RecordClusterId => self.recorded.cluster_id = Some(ClusterId("cluster".to_owned())),
            Action::RecordAdoption { cluster_id } => {
                self.recorded.cluster_id = Some(cluster_id.clone());
                self.recorded.bootstrapped = true;
            }
            Action::RecordFirst { node, disk } => self.recorded.first = Some((*node, disk.clone())),
            Action::RecordBootstrapped => self.recorded.bootstrapped = true,
            Action::RecordAvailable => self.recorded.became_available = true,
            Action::Bootstrap { node, disk, .. } => self.bootstrap(*node, disk),
            Action::Reserve { planned_on, abandon } => self.reserve(*planned_on, *abandon),
            Action::AddLearner { planned_on, node, disk, .. } => self.add(*planned_on, *node, disk),
            Action::ChangeMembers { planned_on, changes } => self.change(*planned_on, changes),
            Action::Transfer { to } => {
                assert!(self.voters().contains(to), "a transfer to {to}, which is no voter");
                if self.lives(*to) && self.leader.is_some() {
                    self.leader = Some(*to);
                }
            }
            object => self.perform_on_objects(object),
        }
    }

    fn bootstrap(&mut self, node: NodeId, disk: &DiskId) {
        let Some(holds) = self.disks.get_mut(&node) else { return };
        if holds.id == *disk && holds.node.is_none() {
            assert!(!self.began, "the cluster begins a second time");
            self.began = true;
            holds.node = Some(node);
            self.members.insert(node, (disk.clone(), Role::Voter));
            self.joined.entry(node).or_default().insert(disk.clone());
            self.next_node = node.0 + 1;
            self.configuration = 1;
        }
    }

    fn reserve(&mut self, planned_on: Position, abandon: Option<NodeId>) {
        if planned_on == self.position()
            && self.leader.is_some()
            && (self.reserved.is_none() || self.reserved == abandon)
        {
            self.reserved = Some(NodeId(self.next_node));
            self.next_node += 1;
        }
    }

    fn add(&mut self, planned_on: Position, node: NodeId, disk: &DiskId) {
        if planned_on != self.position() || self.leader.is_none() || self.reserved != Some(node) {
            return;
        }
        self.reserved = None;
        self.configuration += 1;
        self.members.insert(node, (disk.clone(), Role::Learner));
        self.behind.insert(node);
        let disks = self.joined.entry(node).or_default();
        disks.insert(disk.clone());
        assert_eq!(disks.len(), 1, "id {node} is used with another disk");
        if let Some(holds) = self.disks.get_mut(&node).filter(|holds| holds.id == *disk) {
            holds.node = Some(node);
        }
    }

    fn change(&mut self, planned_on: Position, changes: &[Change]) {
        if planned_on != self.position() {
            return;
        }
        for change in changes {
            let mut next = self.members.clone();
            match change {
                Change::Promote(node) => {
                    let able = self.lives(*node) && !self.behind.contains(node);
                    let Some(member) = next.get_mut(node).filter(|_| able) else { return };
                    member.1 = Role::Voter;
                }
                Change::Demote(node) => {
                    assert_ne!(self.leader, Some(*node), "the leader is demoted without a transfer");
                    let Some(member) = next.get_mut(node) else { return };
                    member.1 = Role::Learner;
                }
                Change::Remove(node) => {
                    assert_ne!(self.leader, Some(*node), "the leader is removed without a transfer");
                    next.remove(node);
                }
            }
            // Refused as Unsafe.
            if self.leader.is_none() || !self.majority(&next) {
                return;
            }
            self.members = next;
            self.configuration += 1;
        }
    }

    fn perform_on_objects(&mut self, action: &Action) {
        let serial = self.serial();
        let template = self.spec.template.clone();
        let cluster_id = self.recorded.cluster_id.clone();
        match action {
            Action::CreateClaim { node } => {
                let claim = Claim {
                    uid: Uid(serial),
                    cluster_id,
                    removed: false,
                    deleting: false,
                    pinned_to_lost_node: false,
                };
                self.objects.entry(*node).or_default().claim.get_or_insert(claim);
            }
            Action::CreateSet { node } => {
                let set = Set { uid: Uid(serial), replicas: 1, template, replace: false, deleting: false };
                self.objects.entry(*node).or_default().set.get_or_insert(set);
            }
            Action::ScaleSet { node, uid, replicas } => {
                self.with_set(*node, uid, |set| set.replicas = *replicas)
            }
            Action::UpdateSet { node, uid } => self.with_set(*node, uid, |set| set.template = template),
            Action::DeletePod { node, uid } => {
                let Some(objects) = self.objects.get_mut(node) else { return };
                if objects.pod.as_ref().is_some_and(|pod| pod.uid == *uid) {
                    objects.pod = None;
                }
            }
            Action::DeleteSet { node, uid } => {
                assert!(!self.members.contains_key(node), "the StatefulSet of member {node} is deleted");
                let Some(objects) = self.objects.get_mut(node) else { return };
                if objects.set.as_ref().is_some_and(|set| set.uid == *uid) {
                    (objects.set, objects.pod) = (None, None);
                }
            }
            Action::DeleteClaim { node, uid } => {
                assert!(!self.members.contains_key(node), "the volume of member {node} is deleted");
                if self
                    .objects
                    .get(node)
                    .and_then(|objects| objects.claim.as_ref())
                    .is_some_and(|claim| claim.uid == *uid)
                {
                    self.drop_claim(*node);
                }
            }
            Action::MarkRemoved { node, uid } => {
                assert!(!self.members.contains_key(node), "the volume of member {node} is marked");
                let Some(objects) = self.objects.get_mut(node) else { return };
                if let Some(claim) = objects.claim.as_mut().filter(|claim| claim.uid == *uid) {
                    claim.removed = true;
                }
            }
            other => unreachable!("{other:?} is no action on objects"),
        }
    }

    fn with_set(&mut self, node: NodeId, uid: &Uid, edit: impl FnOnce(&mut Set)) {
        if let Some(set) =
            self.objects.get_mut(&node).and_then(|objects| objects.set.as_mut()).filter(|set| set.uid == *uid)
        {
            edit(set);
        }
    }

    fn drop_claim(&mut self, node: NodeId) {
        if let Some(objects) = self.objects.get_mut(&node) {
            objects.claim = None;
        }
        self.disks.remove(&node);
    }

    // -- what happens to it from outside

    pub fn kill_pod(&mut self, node: NodeId) {
        if let Some(objects) = self.objects.get_mut(&node) {
            objects.pod = None;
        }
        self.elect();
    }

    pub fn wipe(&mut self, node: NodeId) {
        self.drop_claim(node);
        self.kill_pod(node);
    }

    pub fn delete_set(&mut self, node: NodeId) {
        if let Some(objects) = self.objects.get_mut(&node) {
            objects.set = None;
        }
        self.kill_pod(node);
    }

    pub fn ask_to_replace(&mut self, node: NodeId) {
        if let Some(set) = self.objects.get_mut(&node).and_then(|objects| objects.set.as_mut()) {
            set.replace = true;
        }
    }

    pub fn claims(&self) -> impl Iterator<Item = (&NodeId, &Claim)> {
        self.objects.iter().filter_map(|(node, objects)| Some((node, objects.claim.as_ref()?)))
    }

    pub fn template_of(&self, node: NodeId) -> Option<&Template> {
        Some(&self.objects.get(&node)?.pod.as_ref()?.template)
    }

    fn elect(&mut self) {
        if !self.leader.is_some_and(|leader| self.lives(leader)) || !self.majority(&self.members) {
            self.leader = self
                .voters()
                .into_iter()
                .find(|node| self.lives(*node))
                .filter(|_| self.majority(&self.members));
        }
    }

    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }
}
