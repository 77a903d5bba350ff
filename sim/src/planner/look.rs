//! What an operator sees: what nodes say of themselves, and what a plan depends on.

use std::collections::BTreeMap;
use std::time::Duration;

use planner::{
    ClusterId, DiskId, LeaderView, MemberObjects, MemberView, NodeId, Observed, Position, Report,
    ReportedState, Role,
};
use raft::{MemberRole, RoleKind};
use store::replica::ReplicaStatus;
use store::store::NodeStatus;

use super::canary::Bug;
use super::objects::Cluster;
use super::operator::Pass;
use super::world::World;
use crate::host::Condition;

/// What the node in a pod says.
#[derive(Clone, Debug)]
pub struct Said {
    /// Of itself.
    pub report: Report,
    /// Of the members, with its term, if it leads.
    pub leads: Option<(u64, LeaderView)>,
}

pub fn disk(id: raft::DiskId) -> DiskId {
    DiskId(format!("{:032x}", id.0))
}

fn node(id: raft::NodeId) -> NodeId {
    NodeId(id.0)
}

impl World {
    /// A time as the planner counts it: an election timeout is a second there.
    pub(super) fn millis(&self, nanos: u64) -> u64 {
        nanos * 1_000 / self.election()
    }

    /// What the node in the pod of a member says; none if it does not answer.
    pub(super) fn said(&self, of: NodeId) -> Option<Said> {
        let host = &self.nodes.hosts[*self.volumes.get(&of)?];
        if !host.up || host.paused {
            return None;
        }
        let Some(store) = &host.store else {
            let state = match host.condition {
                Condition::Fine => return None,
                Condition::Corrupt => ReportedState::Corruption,
                Condition::Lost => ReportedState::LostDisk,
            };
            let report = Report {
                cluster_id: None,
                node: host.disk.node().map(node),
                disk: Some(disk(host.disk.id)),
                boot: 0,
                state,
                fault: "damaged".to_owned(),
                below_reserve: false,
            };
            return Some(Said { report, leads: None });
        };
        let status = store.status(host.now(self.now()));
        let leads = status.replicas.first().filter(|replica| replica.raft.role == RoleKind::Leader);
        let leads = leads.map(|replica| (replica.raft.term.0, self.view(replica)));
        Some(Said { report: report(&status), leads })
    }

    fn view(&self, replica: &ReplicaStatus) -> LeaderView {
        let raft = &replica.raft;
        let member = |(id, member): (&raft::NodeId, &raft::Member)| {
            let follower = raft.followers.iter().find(|follower| follower.node == *id);
            let is_leader = *id == raft.node;
            let silent = follower.map_or(Duration::ZERO, |follower| follower.silent_for);
            MemberView {
                node: node(*id),
                disk: disk(member.disk),
                role: if member.role == MemberRole::Voter { Role::Voter } else { Role::Learner },
                matched: follower.map_or(raft.persisted, |follower| follower.matched).0,
                silent_millis: self.millis(silent.as_nanos() as u64),
                answers: is_leader || follower.is_some_and(|follower| follower.answers),
                caught_up: is_leader || follower.is_some_and(|follower| follower.caught_up),
            }
        };
        let ids = |ids: &[raft::NodeId]| ids.iter().copied().map(node).collect();
        LeaderView {
            leader: node(raft.node),
            members: raft.configuration.members.iter().map(member).collect(),
            configuration_at: Position {
                index: raft.configuration_at.index.0,
                term: raft.configuration_at.term.0,
            },
            committed: raft.configuration_at.index <= raft.commit,
            reserved: raft.configuration.reserved.map(node),
            catch_up_stalled: ids(&replica.catch_up_stalled),
            short_of_space: ids(&replica.short_of_space),
            skewed_clocks: ids(&replica.skewed),
        }
    }

    /// What a plan for this version of the KvCluster depends on.
    pub(super) fn observed(&self, pass: &Pass, cluster: &Cluster) -> Observed {
        let mut objects: BTreeMap<NodeId, MemberObjects> = BTreeMap::new();
        for (node, claim) in pass.claims.iter() {
            objects.entry(*node).or_default().claim = Some(planner::Claim {
                uid: uid(claim.uid),
                cluster_id: claim.object.cluster_id.clone(),
                removed: claim.object.removed || pass.removed.contains(node),
                deleting: false,
                pinned_to_lost_node: claim.object.is_on_lost_machine && !pass.said.contains_key(node),
            });
        }
        for (node, set) in pass.sets.iter() {
            objects.entry(*node).or_default().set = Some(planner::Set {
                uid: uid(set.uid),
                replicas: set.object.replicas,
                template: set.object.template.clone(),
                replace: set.object.replace,
                deleting: false,
            });
        }
        for (node, pod) in pass.pods.iter() {
            let claim = pass.claims.get(node).map(|claim| &claim.object);
            let entry = objects.entry(*node).or_default();
            entry.pod = Some(planner::Pod {
                uid: uid(pod.uid),
                ready: pod.object.ready,
                template: pod.object.template.clone(),
                deleting: pod.object.deleting,
                stuck: pod.object.stuck(claim),
            });
            entry.report = pass.said.get(node).map(|said| said.report.clone());
        }
        let mut observed = Observed {
            spec: cluster.spec.clone(),
            recorded: cluster.status.recorded.clone(),
            remembered: pass.remembered.clone(),
            leader: pass.view.clone(),
            leaderless_millis: pass.leaderless,
            objects,
        };
        self.spoil(&mut observed);
        observed
    }

    fn spoil(&self, observed: &mut Observed) {
        match self.bug() {
            Some(Bug::RestartsSeveral) => {
                for pod in observed.objects.values_mut().filter_map(|objects| objects.pod.as_mut()) {
                    pod.ready = true;
                }
                for member in observed.leader.iter_mut().flat_map(|view| &mut view.members) {
                    (member.answers, member.caught_up) = (true, true);
                }
            }
            Some(Bug::BeginsAgain) => {
                let Some((first, _)) = observed.recorded.first.clone() else { return };
                let report = observed.objects.get(&first).and_then(|objects| objects.report.as_ref());
                let is_empty = |report: &Report| report.cluster_id.is_none();
                if report.is_some_and(is_empty) {
                    (observed.recorded.first, observed.recorded.bootstrapped) = (None, false);
                }
            }
            _ => {}
        }
    }
}

fn uid(number: u64) -> planner::Uid {
    planner::Uid(number.to_string())
}

fn report(status: &NodeStatus) -> Report {
    let role = status.replicas.first().map(|replica| replica.raft.role);
    let member = status.identity.member;
    Report {
        cluster_id: member.map(|(cluster, _)| ClusterId(format!("{:032x}", cluster.0))),
        node: member.map(|(_, id)| node(id)),
        disk: Some(disk(status.identity.disk)),
        boot: status.boot.counter,
        state: match role {
            None => ReportedState::Waiting,
            Some(RoleKind::LostDisk) => ReportedState::LostDisk,
            Some(_) => ReportedState::Member,
        },
        fault: String::new(),
        below_reserve: status.free_bytes < status.reserve_bytes,
    }
}
