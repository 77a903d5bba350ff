//! Kubernetes: the StatefulSet controller, the kubelets and the volumes.

use planner::NodeId;
use raft::RoleKind;

use super::event::Event;
use super::objects::{Pod, is_bad};
use super::world::World;
use crate::world::Violation;

/// A node that was ready stays so for so many election timeouts without a leader.
const PATIENCE: u64 = 10;

impl World {
    /// Controllers will look at the objects of a member.
    pub(super) fn reconcile_soon(&mut self, node: NodeId) {
        let slowness = self.draw.slowness;
        self.later(1, slowness, Event::Reconcile(node));
    }

    /// Controllers and the kubelet look at the objects of a member, and do one thing.
    pub(super) fn reconcile(&mut self, node: NodeId) -> Result<(), Violation> {
        let claim = self.claims.get(node).map(|claim| claim.object.clone());
        let set = self.sets.get(node).map(|set| set.object.clone()).filter(|set| set.replicas > 0);
        match (self.pods.get(node).map(|pod| pod.object.clone()), set) {
            (None, Some(set)) => {
                self.pods.create(
                    node,
                    Pod { template: set.template, ready: false, deleting: false, started: false },
                );
            }
            (Some(pod), _) if pod.deleting => {
                self.stop(node)?;
                self.pods.delete(node);
            }
            (Some(_), None) => {
                self.pods.edit(node, |pod| pod.deleting = true);
            }
            (Some(pod), Some(_)) => match claim {
                Some(claim) if !pod.started && !is_bad(&pod.template) && !claim.is_on_lost_machine => {
                    self.check_volume(node, &claim)?;
                    self.start(node)?;
                }
                _ => return Ok(()),
            },
            (None, None) => {
                self.give_up_volume(node)?;
                return Ok(());
            }
        }
        self.reconcile_soon(node);
        Ok(())
    }

    /// The pod's process starts on its volume; without a free host it waits.
    fn start(&mut self, node: NodeId) -> Result<(), Violation> {
        let taken = |host: &usize| self.volumes.values().any(|other| other == host);
        let free = (0..self.nodes.hosts.len()).find(|host| !taken(host));
        let Some(host) = self.volumes.get(&node).copied().or(free) else { return Ok(()) };
        self.volumes.insert(node, host);
        self.nodes.address.insert(raft::NodeId(node.0), host);
        self.note([2, node.0, host as u64], || format!("the pod of member {node} starts on h{host}"));
        self.pods.edit(node, |pod| pod.started = true);
        self.nodes.hosts[host].held = false;
        self.nodes.boot(host)
    }

    /// The process of a pod ends, and does not start again by itself.
    pub(super) fn stop(&mut self, node: NodeId) -> Result<(), Violation> {
        let Some(host) = self.volumes.get(&node).copied() else { return Ok(()) };
        self.note([3, node.0, host as u64], || format!("the pod of member {node} on h{host} ends"));
        self.nodes.hosts[host].held = true;
        self.nodes.stop(host)
    }

    /// What was on a volume is gone for ever; another takes its place.
    pub(super) fn destroy(&mut self, node: NodeId) -> Result<(), Violation> {
        let Some(host) = self.volumes.remove(&node) else { return Ok(()) };
        self.note([4, node.0, host as u64], || format!("the volume of member {node} on h{host} is gone"));
        self.nodes.hosts[host].held = true;
        self.nodes.replace_disk(host)?;
        self.nodes.address.retain(|_, other| *other != host);
        Ok(())
    }

    /// The kubelets look how the processes in all pods are.
    pub(super) fn probe(&mut self) -> Result<(), Violation> {
        let nodes: Vec<NodeId> = self.pods.list().keys().copied().collect();
        for node in nodes {
            let Some(pod) = self.pods.get(node) else { continue };
            let (was, uid) = (pod.object.ready, pod.uid);
            let ready = pod.object.started && self.is_ready(node, was);
            if ready != was {
                self.pods.edit(node, |pod| pod.ready = ready);
            }
            self.probed(node, uid, ready);
            // A host may have become free.
            self.reconcile_soon(node);
        }
        let claims: Vec<NodeId> = self.claims.list().keys().copied().collect();
        claims.into_iter().for_each(|node| self.reconcile_soon(node));
        self.look_for_trouble();
        let interval = self.election() / 4;
        self.later(interval, 1, Event::Probe);
        Ok(())
    }

    /// As the node itself judges.
    fn is_ready(&self, node: NodeId, was: bool) -> bool {
        let Some(host) = self.volumes.get(&node).copied() else { return false };
        if !self.nodes.hosts[host].is_live() {
            return false;
        }
        let Some(status) = self.nodes.status(host).map(|status| status.raft) else { return false };
        let is_member = status.configuration.members.contains_key(&status.node);
        if status.role == RoleKind::LostDisk || !is_member || status.receiving_snapshot {
            return false;
        }
        let near = status.commit.0.saturating_sub(status.applied.0)
            <= self.draw.nodes.settings.raft.caught_up_entries;
        match (status.leader, status.behind) {
            (Some(_), Some(behind)) => !behind && near,
            _ => was && self.rules.leaderless_for(self.now()) < self.election() * PATIENCE,
        }
    }
}
