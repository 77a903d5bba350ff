//! One look at a cluster: what the caches hold, what the nodes say.

mod leader;
mod machines;
mod objects;
mod reports;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use planner::{
    ClusterId, DiskId, LeaderView, MemberObjects, NodeId, Observed, Position, Recorded, Remembered,
};
use proto::admin::v1::NodeStatusResponse;

pub use objects::is_ready;

use crate::admin::Node;
use crate::api::{self, KvCluster};
use crate::caches::Caches;
use crate::kubernetes::Kube;
use crate::memory::Memory;
use crate::objects::template_hash;

/// What was seen of one member, or of what was one.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// Its volume claim.
    pub claim: Option<Arc<PersistentVolumeClaim>>,
    /// Its StatefulSet.
    pub set: Option<Arc<StatefulSet>>,
    /// Its pod.
    pub pod: Option<Arc<Pod>>,
    /// The node in its pod.
    pub node: Option<Node>,
    /// What its node says.
    pub status: Option<NodeStatusResponse>,
    /// Its volume can only be used on a machine that is gone.
    pub is_pinned_to_lost: bool,
}

/// What was seen of a cluster.
#[derive(Clone, Debug)]
pub struct Seen {
    /// By node id.
    pub members: BTreeMap<NodeId, Sight>,
    /// The node that leads, by the latest of those that say so.
    pub leader: Option<NodeId>,
    view: Option<LeaderView>,
    leaderless: Duration,
    remembered: Remembered,
}

impl Seen {
    /// Looks. Asks each node how it is, all at the same time.
    pub async fn look(kube: &Kube, caches: &Caches, cluster: &KvCluster, memory: &mut Memory) -> Self {
        let mut members = objects::of(caches, cluster);
        for (node, sight) in &mut members {
            let ip = sight.pod.as_deref().and_then(objects::pod_ip);
            sight.node = ip.and_then(|ip| memory.node(*node, ip));
        }
        for node in reports::ask(&mut members).await {
            memory.disconnect(node);
        }
        machines::check(kube, &mut members, memory).await;
        let cluster_id = cluster.status.as_ref().and_then(|status| status.cluster_id.as_deref());
        let leader = leader::of(&members, cluster_id);
        let now = Instant::now();
        let view = leader.and_then(|node| {
            let status = members.get(&node)?.status.as_ref()?;
            leader::view(node, status, |member, answers, silent| memory.silence(member, answers, silent, now))
        });
        let leaderless = memory.leaderless(view.is_some(), now);
        let is_member =
            |node| view.as_ref().is_some_and(|view| view.members.iter().any(|one| one.node == node));
        memory.keep(|node| members.contains_key(&node) || is_member(node));
        Self { members, leader, view, leaderless, remembered: memory.remembered(now) }
    }

    /// The leader's status.
    #[must_use]
    pub fn leader_status(&self) -> Option<&NodeStatusResponse> {
        self.members.get(&self.leader?)?.status.as_ref()
    }

    /// What a plan for this version of the cluster depends on.
    #[must_use]
    pub fn observed(&self, cluster: &KvCluster) -> Observed {
        let member = |(node, sight): (&NodeId, &Sight)| {
            let objects = MemberObjects {
                claim: sight.claim.as_ref().map(|claim| objects::claim(claim, sight.is_pinned_to_lost)),
                set: sight.set.as_ref().map(|set| objects::set(set, cluster)),
                pod: sight.pod.as_ref().map(|pod| objects::pod(pod)),
                report: sight.status.as_ref().map(reports::report),
            };
            (*node, objects)
        };
        Observed {
            spec: spec(cluster),
            recorded: recorded(cluster),
            remembered: self.remembered.clone(),
            leader: self.view.clone(),
            leaderless_millis: millis(self.leaderless),
            objects: self.members.iter().map(member).collect(),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn spec(cluster: &KvCluster) -> planner::Spec {
    let spec = &cluster.spec;
    planner::Spec {
        replicas: spec.replicas,
        paused: spec.paused,
        deleting: cluster.metadata.deletion_timestamp.is_some(),
        retention: match spec.storage.retention {
            api::Retention::Retain => planner::Retention::Retain,
            api::Retention::Delete => planner::Retention::Delete,
        },
        retained_volumes: spec.retained_volumes.map(|wish| match wish {
            api::RetainedVolumes::Adopt => planner::RetainedVolumes::Adopt,
            api::RetainedVolumes::StartNew => planner::RetainedVolumes::StartNew,
        }),
        replace_after_millis: spec.replace_after.map(|after| millis(after.into())),
        template: planner::Template(template_hash(spec)),
    }
}

fn recorded(cluster: &KvCluster) -> Recorded {
    let Some(status) = &cluster.status else { return Recorded::default() };
    let configuration = status.configuration.clone().unwrap_or_default();
    Recorded {
        cluster_id: status.cluster_id.clone().map(ClusterId),
        first: status.first.as_ref().map(|first| (NodeId(first.node), DiskId(first.disk_id.clone()))),
        bootstrapped: status.bootstrapped,
        became_available: status.became_available,
        voters: configuration.voters.into_iter().map(NodeId).collect(),
        configuration_at: Position { index: configuration.index, term: configuration.term },
    }
}
