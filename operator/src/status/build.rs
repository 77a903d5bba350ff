//! What the status should say.

use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use planner::{Kind, Plan, Truth};

use super::{conditions, members};
use crate::api::{Configuration, KvCluster, KvClusterStatus, Phase};
use crate::objects::labels;
use crate::observe::Seen;

/// What a status is made from.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The cluster as it was read.
    pub cluster: &'a KvCluster,
    /// What was seen of its members.
    pub seen: &'a Seen,
    /// What is to be done about it.
    pub plan: &'a Plan,
}

/// The status after a look. What only an action may change is taken over as it is, and what cannot be known without a
/// leader is left as it was.
#[must_use]
pub fn build(look: Look<'_>, now: Timestamp) -> KvClusterStatus {
    let Look { cluster, seen, plan } = look;
    let mut status = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation.unwrap_or_default();
    status.observed_generation = Some(generation);
    status.selector = Some(labels::selector_text(cluster));
    status.conditions =
        conditions::merged(&status.conditions, &plan.conditions, generation, plan.settled, now);
    status.phase = Some(phase(cluster, plan, &status));
    status.leader = seen.leader.map(|node| node.0);
    if let Some(leader) = seen.leader_status() {
        status.cluster_version = Some(leader.cluster_version.to_string());
        let voters = members::voters(leader);
        status.replicas = Some(count(leader.members.len()));
        status.voters = Some(count(voters.len()));
        let at = leader.configuration_at.unwrap_or_default();
        let latest = status.configuration.as_ref().map_or(0, |known| known.index);
        if leader.configuration_committed && at.index >= latest {
            status.configuration = Some(Configuration { index: at.index, term: at.term, voters });
        }
    }
    status.members = members::table(cluster, seen, &status.members);
    status
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

fn phase(cluster: &KvCluster, plan: &Plan, status: &KvClusterStatus) -> Phase {
    let is = |kind: Kind| {
        plan.conditions.iter().any(|condition| condition.kind == kind && condition.status == Truth::True)
    };
    if cluster.meta().deletion_timestamp.is_some() {
        Phase::Deleting
    } else if cluster.spec.paused {
        Phase::Paused
    } else if !status.became_available {
        Phase::Starting
    } else if !is(Kind::Available) {
        Phase::Unavailable
    } else if plan.settled {
        Phase::Running
    } else if plan.action.is_none() && is(Kind::Degraded) {
        Phase::Degraded
    } else {
        Phase::Changing
    }
}
