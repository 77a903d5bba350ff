//! Objects of members, as the caches hold them, and what of them a plan needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::runtime::reflector::Store;
use kube::{Resource, ResourceExt};
use planner::{ClusterId, NodeId, Template, Uid};

use super::Sight;
use crate::api::KvCluster;
use crate::caches::Caches;
use crate::objects::{annotations, labels, names};

/// Why a container does not start that will not start by waiting.
const STUCK: [&str; 8] = [
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// All objects with names of members of this cluster.
pub fn of(caches: &Caches, cluster: &KvCluster) -> BTreeMap<NodeId, Sight> {
    let mut members: BTreeMap<NodeId, Sight> = BTreeMap::new();
    for claim in all(&caches.claims, cluster) {
        if let Some(node) = node(cluster, &claim.name_any()) {
            members.entry(node).or_default().claim = Some(claim);
        }
    }
    for set in all(&caches.sets, cluster) {
        if let Some(node) = node(cluster, &set.name_any()) {
            members.entry(node).or_default().set = Some(set);
        }
    }
    for pod in all(&caches.pods, cluster) {
        if let Some(node) = pod.name_any().strip_suffix("-0").and_then(|name| node(cluster, name)) {
            members.entry(node).or_default().pod = Some(pod);
        }
    }
    members
}

fn node(cluster: &KvCluster, name: &str) -> Option<NodeId> {
    names::node_of(cluster, name).map(NodeId)
}

fn all<K>(store: &Store<K>, cluster: &KvCluster) -> Vec<Arc<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let (name, namespace) = (cluster.name_any(), cluster.namespace());
    store.state_filter(|object| {
        object.labels().get(labels::CLUSTER) == Some(&name) && object.meta().namespace == namespace
    })
}

fn uid(object: &impl ResourceExt) -> Uid {
    Uid(object.uid().unwrap_or_default())
}

fn is_deleting(object: &impl Resource) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// A claim, for a plan.
pub fn claim(claim: &PersistentVolumeClaim, pinned_to_lost_node: bool) -> planner::Claim {
    planner::Claim {
        uid: uid(claim),
        cluster_id: claim.labels().get(labels::CLUSTER_ID).cloned().map(ClusterId),
        removed: claim.labels().get(labels::REMOVED).is_some_and(|value| value == labels::TRUE),
        deleting: is_deleting(claim),
        pinned_to_lost_node,
    }
}

/// A StatefulSet, for a plan.
pub fn set(set: &StatefulSet, cluster: &KvCluster) -> planner::Set {
    let replicas = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let replace = set.annotations().get(annotations::REPLACE);
    // One of an earlier KvCluster of this name goes with it: the garbage collector needs a moment.
    let is_foreign = set
        .owner_references()
        .iter()
        .any(|owner| owner.controller == Some(true) && Some(&owner.uid) != cluster.metadata.uid.as_ref());
    planner::Set {
        uid: uid(set),
        replicas: u32::try_from(replicas).unwrap_or_default(),
        template: template(set),
        replace: replace.is_some_and(|value| value == labels::TRUE),
        deleting: is_deleting(set) || is_foreign,
    }
}

fn template(object: &impl ResourceExt) -> Template {
    Template(object.annotations().get(annotations::TEMPLATE_HASH).cloned().unwrap_or_default())
}

/// A pod, for a plan.
pub fn pod(pod: &Pod) -> planner::Pod {
    planner::Pod {
        uid: uid(pod),
        ready: is_ready(pod),
        template: template(pod),
        deleting: is_deleting(pod),
        stuck: stuck(pod),
    }
}

/// Whether its node says that it can serve.
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|(status, _, _)| status == "True")
}

/// The address of a pod that runs, or may run.
pub fn pod_ip(pod: &Pod) -> Option<&str> {
    let status = pod.status.as_ref()?;
    let ended = matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"));
    status.pod_ip.as_deref().filter(|ip| !ended && !ip.is_empty())
}

/// Status, reason and message of a condition.
fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|condition| condition.type_ == type_)?;
    let text = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
    Some((&found.status, text(&found.reason), text(&found.message)))
}

fn stuck(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if let Some(("False", reason @ "Unschedulable", message)) = condition(pod, "PodScheduled") {
        return Some(format!("{reason}: {message}"));
    }
    if status.phase.as_deref() == Some("Failed") {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        return Some(format!("Failed: {} {}", text(&status.reason), text(&status.message)));
    }
    let containers = status.container_statuses.iter().flatten();
    let waiting = containers.filter_map(|container| container.state.as_ref()?.waiting.as_ref());
    let mut reasons = waiting.filter_map(|waiting| waiting.reason.as_deref());
    // Its message counts, with the time until the next attempt: it would never be the same twice.
    reasons.find(|reason| STUCK.contains(reason)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn a_pod(status: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({ "metadata": { "name": "c-m1-0" }, "status": status })).unwrap()
    }

    #[test]
    fn a_pod_that_only_starts_is_not_stuck() {
        let starting = json!({ "phase": "Pending", "containerStatuses": [{ "name": "kv-node", "image": "i",
            "imageID": "", "ready": false, "restartCount": 0, "state": { "waiting": { "reason": "ContainerCreating" } } }] });
        assert_eq!(pod(&a_pod(&starting)).stuck, None);
    }

    #[test]
    fn what_does_not_get_better_by_waiting_is_told() {
        let image = json!({ "phase": "Pending", "containerStatuses": [{ "name": "kv-node", "image": "i",
            "imageID": "", "ready": false, "restartCount": 0, "state": { "waiting": { "reason": "ErrImagePull" } } }] });
        assert_eq!(pod(&a_pod(&image)).stuck.as_deref(), Some("ErrImagePull"));
        let unschedulable = json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled",
            "status": "False", "reason": "Unschedulable", "message": "no machine" }] });
        assert_eq!(pod(&a_pod(&unschedulable)).stuck.as_deref(), Some("Unschedulable: no machine"));
    }

    #[test]
    fn a_pod_that_ended_has_no_address() {
        let pod = a_pod(&json!({ "phase": "Failed", "podIP": "10.0.0.1" }));
        assert_eq!(pod_ip(&pod), None);
        assert_eq!(pod_ip(&a_pod(&json!({ "phase": "Running", "podIP": "10.0.0.1" }))), Some("10.0.0.1"));
    }
}
