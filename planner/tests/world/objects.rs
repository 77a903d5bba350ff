//! Kubernetes: objects and disks.

use planner::{Action, Claim, DiskId, NodeId, Pod, Set, Uid};

use super::{Disk, Held, World, hold};

impl World {
    pub(super) fn objects_go_on(&mut self) {
        let nodes: Vec<NodeId> = self.objects.keys().copied().collect();
        for node in nodes {
            let uid = Uid(self.serial());
            let disk = DiskId(format!("disk-{}", self.serial()));
            let Some(objects) = self.objects.get_mut(&node) else { continue };
            let wanted = objects.set.as_ref().filter(|set| set.replicas == 1).map(|set| set.template.clone());
            let claim_is_kept = objects.claim.as_ref().map(|claim| !claim.deleting);
            match (wanted, claim_is_kept, &objects.pod) {
                (_, Some(false), None) => self.drop_claim(node),
                (Some(template), Some(true), None) => {
                    objects.pod = Some(Pod { uid, ready: false, template, deleting: false, stuck: None });
                    self.disks.entry(node).or_insert(Disk { id: disk, holds: None, damaged: false });
                    if self.group.members.contains_key(&node) {
                        self.behind.entry(node).or_insert(2);
                    }
                }
                (None, _, Some(_)) => objects.pod = None,
                _ => {}
            }
        }
        self.objects
            .retain(|_, objects| objects.claim.is_some() || objects.set.is_some() || objects.pod.is_some());
    }

    pub(super) fn perform_on_objects(&mut self, action: &Action) -> Held {
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
                if *replicas == 0 {
                    self.is_no_member(*node, "is stopped")?;
                }
                self.with_set(*node, uid, |set| set.replicas = *replicas);
            }
            Action::UpdateSet { node, uid } => self.with_set(*node, uid, |set| set.template = template),
            Action::DeletePod { node, uid } => {
                let Some(objects) = self.objects.get_mut(node) else { return Ok(()) };
                if objects.pod.as_ref().is_some_and(|pod| pod.uid == *uid) {
                    objects.pod = None;
                    self.elect();
                }
            }
            Action::DeleteSet { node, uid } => {
                self.is_no_member(*node, "loses its StatefulSet")?;
                let Some(objects) = self.objects.get_mut(node) else { return Ok(()) };
                if objects.set.as_ref().is_some_and(|set| set.uid == *uid) {
                    (objects.set, objects.pod) = (None, None);
                }
            }
            Action::DeleteClaim { node, uid } => {
                self.is_no_member(*node, "loses its volume")?;
                self.delete_claim(*node, uid);
            }
            Action::MarkRemoved { node, uid } => {
                self.is_no_member(*node, "has its volume marked")?;
                let Some(objects) = self.objects.get_mut(node) else { return Ok(()) };
                if let Some(claim) = objects.claim.as_mut().filter(|claim| claim.uid == *uid) {
                    claim.removed = true;
                }
            }
            other => unreachable!("{other:?} is no action on objects"),
        }
        Ok(())
    }

    fn is_no_member(&self, node: NodeId, what: &str) -> Held {
        hold(!self.group.may_be_member(node), || format!("member {node} {what}"))
    }

    fn with_set(&mut self, node: NodeId, uid: &Uid, edit: impl FnOnce(&mut Set)) {
        let set = self.objects.get_mut(&node).and_then(|objects| objects.set.as_mut());
        if let Some(set) = set.filter(|set| set.uid == *uid) {
            edit(set);
        }
    }

    fn delete_claim(&mut self, node: NodeId, uid: &Uid) {
        if !self.may_delete_claims {
            self.remembered.undeletable.insert(uid.clone());
            return;
        }
        let Some(objects) = self.objects.get_mut(&node) else { return };
        let has_set = objects.set.is_some();
        if let Some(claim) = objects.claim.as_mut().filter(|claim| claim.uid == *uid) {
            claim.deleting = true;
            let is_of_next = has_set && self.group.reserved == Some(node);
            if let Some(disk) = self.disks.get(&node).filter(|_| is_of_next) {
                self.discarded.insert(node, disk.id.clone());
            }
        }
    }

    pub(super) fn drop_claim(&mut self, node: NodeId) {
        if let Some(objects) = self.objects.get_mut(&node) {
            objects.claim = None;
        }
        self.disks.remove(&node);
    }
}
