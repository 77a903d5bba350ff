//! What must hold whatever operators, Kubernetes and the user do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use planner::{Kind, NodeId, Truth, voters_of};
use raft::{Configuration, DiskId, Payload};

use super::coverage::Mark;
use super::event::Write;
use super::objects::{Claim, Status};
use super::world::{CLUSTER, World};
use crate::world::Violation;

/// A voter that is down for so many election timeouts is known to be: what is planned is older than this in no case.
const KNOWN_DOWN: u64 = 10;
/// What was planned before a pause arrives within so many.
const LATE: u64 = 8;
/// At rest for so many there is nothing left to write.
const REST: u64 = 6;

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Rules {
    /// Entries of the log that were looked at.
    looked_at: usize,
    committed: Option<(u64, Arc<Configuration>)>,
    /// Every disk that a member joined with.
    disks: BTreeMap<raft::NodeId, DiskId>,
    gone: BTreeSet<raft::NodeId>,
    /// The disk that began the cluster.
    first: Option<DiskId>,
    /// Voters that the operator restarts, by the pod that ends.
    restarted: BTreeMap<NodeId, u64>,
    down_since: BTreeMap<NodeId, u64>,
    led_at: u64,
    at_rest_since: Option<u64>,
    paused_since: Option<u64>,
}

impl Rules {
    /// The user wants the operator to look only, or not.
    pub fn paused(&mut self, paused: bool, now: u64) {
        self.paused_since = paused.then(|| self.paused_since.unwrap_or(now));
    }

    /// How long nobody has led.
    pub fn leaderless_for(&self, now: u64) -> u64 {
        now - self.led_at
    }
}

fn broken(rule: &str, detail: String) -> Result<(), Violation> {
    Err(Violation::new(rule, detail))
}

impl World {
    /// Looks at what the log says of members: an id is used with one disk, once.
    pub(super) fn check_log(&mut self) -> Result<(), Violation> {
        let entries = self.nodes.monitor.entries();
        for entry in &entries[self.rules.looked_at..] {
            let Payload::Configuration(next) = &entry.payload else { continue };
            if let Some((_, last)) = &self.rules.committed {
                let gone = last.members.keys().filter(|node| !next.members.contains_key(node));
                self.rules.gone.extend(gone);
            }
            for (node, member) in &next.members {
                if self.rules.gone.contains(node) {
                    return broken("an id that was removed never returns", format!("{node} in {next:?}"));
                }
                let disk = *self.rules.disks.entry(*node).or_insert(member.disk);
                if disk != member.disk {
                    return broken("an id is used with one disk", format!("{node} of {disk:?} in {next:?}"));
                }
            }
            self.rules.committed = Some((entry.index.0, Arc::clone(next)));
        }
        self.rules.looked_at = entries.len();
        Ok(())
    }

    /// The last configuration that anybody knows to be committed.
    fn committed(&self) -> Option<Arc<Configuration>> {
        let mut latest = self.rules.committed.clone();
        for host in 0..self.nodes.hosts.len() {
            let Some(status) = self.nodes.status(host).map(|status| status.raft) else { continue };
            let at = status.configuration_at.index;
            if at <= status.commit && latest.as_ref().is_none_or(|(index, _)| at.0 > *index) {
                latest = Some((at.0, status.configuration));
            }
        }
        latest.map(|(_, configuration)| configuration)
    }

    /// An operator takes something away from a member.
    pub(super) fn check_teardown(&self, node: NodeId, what: &str) -> Result<(), Violation> {
        match self.committed() {
            Some(members) if members.members.contains_key(&raft::NodeId(node.0)) => {
                broken("nothing is taken away from a member", format!("{node} is one, and {what}"))
            }
            _ => Ok(()),
        }
    }

    /// An operator deletes the pod of a member.
    pub(super) fn check_restart(&mut self, node: NodeId) -> Result<(), Violation> {
        let Some(committed) = self.committed() else { return Ok(()) };
        let voters: Vec<NodeId> = committed.voters().map(|voter| NodeId(voter.0)).collect();
        let healthy = |node: &NodeId| self.pods.get(*node).is_some_and(|pod| pod.object.ready);
        if !voters.contains(&node) || !healthy(&node) {
            return Ok(());
        }
        let others: Vec<NodeId> = voters.into_iter().filter(|other| *other != node).collect();
        let known = self.now().saturating_sub(self.election() * KNOWN_DOWN);
        let down =
            others.iter().find(|other| self.rules.down_since.get(other).is_some_and(|since| *since < known));
        if let Some(down) = down {
            let detail = format!("{node} is restarted, and {down} has long been down");
            return broken("a healthy voter is restarted when all others are well", detail);
        }
        if let Some(other) = others.iter().find(|other| self.rules.restarted.contains_key(other)) {
            let detail = format!("{node} is restarted, and so is {other}");
            return broken("one voter is restarted at a time", detail);
        }
        if let Some(pod) = self.pods.get(node) {
            self.rules.restarted.insert(node, pod.uid);
        }
        Ok(())
    }

    /// The kubelet has found out how a pod is.
    pub(super) fn probed(&mut self, node: NodeId, pod: u64, ready: bool) {
        if ready {
            self.rules.down_since.remove(&node);
            if self.rules.restarted.get(&node).is_some_and(|old| *old != pod) {
                self.rules.restarted.remove(&node);
            }
        } else {
            let now = self.now();
            self.rules.down_since.entry(node).or_insert(now);
        }
    }

    /// A pod starts on a volume.
    pub(super) fn check_volume(&self, node: NodeId, claim: &Claim) -> Result<(), Violation> {
        if claim.given_up {
            return broken("a volume is of one member, once", format!("that of {node}, which was removed"));
        }
        Ok(())
    }

    /// Nothing runs on a volume. If its member was removed, nothing may ever again.
    pub(super) fn give_up_volume(&mut self, node: NodeId) -> Result<(), Violation> {
        let claim = self.claims.get(node).map(|claim| claim.object.given_up);
        if claim == Some(false) && self.rules.gone.contains(&raft::NodeId(node.0)) {
            self.claims.edit(node, |claim| claim.given_up = true);
            self.destroy(node)?;
        }
        Ok(())
    }

    /// A node says that it began the cluster.
    pub(super) fn check_bootstrap(&mut self, host: usize) -> Result<(), Violation> {
        let disk = self.nodes.hosts[host].disk.id;
        let first = *self.rules.first.get_or_insert(disk);
        if first != disk {
            return broken("a cluster begins once", format!("on {first:?}, and then on {disk:?}"));
        }
        Ok(())
    }

    /// The status is about to be written.
    pub(super) fn check_status(&mut self, next: &Status) -> Result<(), Violation> {
        let cluster = self.clusters.list()[&CLUSTER].object.clone();
        let last = &cluster.status;
        let id_changes =
            last.recorded.cluster_id.is_some() && next.recorded.cluster_id != last.recorded.cluster_id;
        let first_changes = last.recorded.first.is_some() && next.recorded.first != last.recorded.first;
        if id_changes
            || first_changes
            || last.recorded.bootstrapped && !next.recorded.bootstrapped
            || last.recorded.became_available && !next.recorded.became_available
            || next.recorded.configuration_at.index < last.recorded.configuration_at.index
        {
            return broken("what is recorded stays", format!("{next:?} over {last:?}"));
        }
        if next.settled == cluster.generation && last.settled != next.settled {
            self.hit(Mark::Settled);
            let members = self.committed().unwrap_or_default();
            let (count, voters) = (members.members.len(), members.voters().count());
            let wanted = cluster.spec.replicas as usize;
            if count != wanted || voters != voters_of(cluster.spec.replicas) {
                let detail = format!("{voters} voters of {count} members, {wanted} are wanted");
                return broken("done is said when it is done", detail);
            }
        }
        if next.recorded.became_available && !last.recorded.became_available {
            let voters = self.committed().unwrap_or_default().voters().count();
            if voters != voters_of(cluster.spec.replicas) {
                let detail = format!("there are {voters} voters");
                return broken("clients are let in when the voters have reached their number", detail);
            }
        }
        // A clock on the verge of being off is told, and told again.
        if next.conditions != last.conditions {
            return Ok(());
        }
        self.check_rest(&Write::Status(None, Box::default()))
    }

    /// An operator changes an object or the members.
    pub(super) fn check_pause(&self, what: &dyn Debug) -> Result<(), Violation> {
        let since = self.rules.paused_since.map(|since| self.now() - since);
        if since.is_some_and(|since| since > self.election() * LATE) {
            return broken("a paused cluster is left alone", format!("{what:?}"));
        }
        Ok(())
    }

    /// Something is written.
    pub(super) fn check_rest(&self, write: &Write) -> Result<(), Violation> {
        let since = self.rules.at_rest_since.map(|since| self.now() - since);
        if since.is_some_and(|since| since > self.election() * REST) {
            return broken("at rest nothing is written", format!("{write:?}"));
        }
        Ok(())
    }

    /// After the faults: is everything as the user wants it?
    pub(super) fn look_for_trouble(&mut self) {
        let now = self.now();
        if self.nodes.leader().is_some() {
            self.rules.led_at = now;
        }
        if !self.heals() {
            return;
        }
        let mut trouble = self.trouble();
        self.rules.at_rest_since = trouble.is_none().then(|| self.rules.at_rest_since.unwrap_or(now));
        let long = self.rules.at_rest_since.is_some_and(|since| now - since > self.election() * REST * 2);
        if !long && trouble.is_none() {
            trouble = Some("it is not at rest for long".to_owned());
        }
        if let Some(outside) = &mut self.nodes.outside {
            outside.trouble = trouble;
        }
    }

    fn trouble(&self) -> Option<String> {
        let cluster = self.clusters.list()[&CLUSTER].object.clone();
        let Some((_, leader)) = self.nodes.leader() else { return Some("there is no leader".to_owned()) };
        let (spec, status) = (&cluster.spec, &cluster.status);
        let configuration = &leader.configuration;
        let (count, voters) = (configuration.members.len(), configuration.voters().count());
        if count != spec.replicas as usize || voters != voters_of(spec.replicas) {
            return Some(format!("{voters} voters of {count} members, {} are wanted", spec.replicas));
        }
        for node in configuration.members.keys().map(|node| NodeId(node.0)) {
            let pod = self.pods.get(node).map(|pod| &pod.object);
            let well = pod.is_some_and(|pod| pod.ready && !pod.deleting && pod.template == spec.template);
            let replace = self.sets.get(node).is_some_and(|set| set.object.replace);
            if !well || replace {
                return Some(format!("member {node} has the pod {pod:?}"));
            }
        }
        let extra = self.sets.list().keys().chain(self.pods.list().keys());
        if let Some(extra) =
            extra.copied().find(|node| !configuration.members.contains_key(&raft::NodeId(node.0)))
        {
            return Some(format!("objects of {extra} are left"));
        }
        let is_available =
            |one: &planner::Condition| one.kind == Kind::Available && one.status == Truth::True;
        if status.settled != cluster.generation || !status.conditions.iter().any(is_available) {
            return Some(format!("the status of generation {} is {status:?}", cluster.generation));
        }
        None
    }
}
