//! What happens to a cluster from outside.

use std::collections::BTreeSet;

use planner::{Claim, ClusterId, NodeId, Recorded, Remembered, RetainedVolumes, Retention, Template};

use super::{Group, World};

impl World {
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

    /// The claim is deleted by a person: it goes when no pod uses it.
    pub fn doom(&mut self, node: NodeId) {
        if let Some(claim) = self.claim_mut(node) {
            claim.deleting = true;
        }
    }

    /// The machine is gone that the volume is on.
    pub fn lose_machine(&mut self, node: NodeId) {
        if let Some(claim) = self.claim_mut(node) {
            claim.pinned_to_lost_node = true;
        }
        self.kill_pod(node);
    }

    pub fn damage(&mut self, node: NodeId) {
        if let Some(disk) = self.disks.get_mut(&node) {
            disk.damaged = true;
        }
        self.elect();
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

    fn claim_mut(&mut self, node: NodeId) -> Option<&mut Claim> {
        self.objects.get_mut(&node)?.claim.as_mut()
    }

    /// The KvCluster is deleted, and one of the same name is made.
    pub fn recreate(&mut self) {
        let keeps = self.spec.retention == Retention::Retain;
        for objects in self.objects.values_mut() {
            (objects.set, objects.pod) = (None, None);
            objects.claim = objects.claim.take().filter(|claim| keeps || claim.removed);
        }
        self.objects.retain(|_, objects| objects.claim.is_some());
        self.disks.retain(|node, _| self.objects.contains_key(node));
        (self.recorded, self.remembered) = (Recorded::default(), Remembered::default());
        self.spec.retained_volumes = None;
        self.group.leader = None;
        // No call is under way any more that could tell of one.
        self.discarded.clear();
        if self.claims().all(|(_, claim)| claim.deleting) {
            self.forget_group();
        }
    }

    /// The person who is asked about volumes of an earlier cluster decides. Only one whose voters are there is adopted.
    pub fn decide(&mut self, adopt: bool) {
        if self.recorded.cluster_id.is_some() || self.spec.retained_volumes.is_some() {
            return;
        }
        let claims = self.claims().filter(|(_, claim)| !claim.removed && !claim.deleting);
        let clusters: BTreeSet<Option<ClusterId>> =
            claims.map(|(_, claim)| claim.cluster_id.clone()).collect();
        let voters = self.voters();
        let kept = voters.iter().filter(|node| self.keeps_disk(**node)).count();
        if adopt && clusters.len() == 1 && kept * 2 > voters.len() {
            self.spec.retained_volumes = Some(RetainedVolumes::Adopt);
        } else {
            self.spec.retained_volumes = Some(RetainedVolumes::StartNew);
            self.forget_group();
        }
    }

    fn forget_group(&mut self) {
        self.group = Group::default();
        self.behind.clear();
        self.silent_since.clear();
    }

    /// Its disk is there, and will be.
    fn keeps_disk(&self, node: NodeId) -> bool {
        self.has_disk(node) && !self.is_doomed(node)
    }

    pub fn is_doomed(&self, node: NodeId) -> bool {
        let claim = self.object(node).and_then(|objects| objects.claim.as_ref());
        claim.is_some_and(|claim| claim.deleting)
    }

    /// Its loss leaves a majority of voters with their disks, whatever becomes of a change under way.
    pub fn can_lose_disk(&self, node: NodeId) -> bool {
        let before = self.group.uncommitted.as_ref().map(|(members, ..)| members);
        [Some(&self.group.members), before].into_iter().flatten().all(|members| {
            let voters = || members.iter().filter(|(_, (_, role))| *role == planner::Role::Voter);
            let kept = voters().filter(|(voter, _)| **voter != node && self.keeps_disk(**voter)).count();
            !voters().any(|(voter, _)| *voter == node) || kept * 2 > voters().count()
        })
    }

    pub fn claims(&self) -> impl Iterator<Item = (&NodeId, &Claim)> {
        self.objects.iter().filter_map(|(node, objects)| Some((node, objects.claim.as_ref()?)))
    }

    pub fn template_of(&self, node: NodeId) -> Option<&Template> {
        Some(&self.objects.get(&node)?.pod.as_ref()?.template)
    }
}
