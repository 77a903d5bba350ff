//! The StatefulSet of a member: of no pod or one.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};

use kube::ResourceExt;
use serde_json::{Value, json};

use super::{annotations, labels, metadata, names, pod, template};
use crate::api::KvCluster;

/// The StatefulSet of a member, with so many pods: 0 or 1. A new template reaches the pod when it is deleted.
#[must_use]
pub fn set(cluster: &KvCluster, node: u64, replicas: u32) -> StatefulSet {
    let hash = template::template_hash(&cluster.spec);
    let mut metadata =
        metadata::owned(cluster, names::member(cluster, node), labels::of_member(cluster, node));
    metadata.annotations = Some(BTreeMap::from([(annotations::TEMPLATE_HASH.into(), hash.clone())]));
    StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            replicas: Some(i32::from(replicas > 0)),
            service_name: Some(names::peers(cluster)),
            selector: labels::selector(labels::select_with(cluster, labels::NODE_ID, &node.to_string())),
            // In order would mean: a pod that is not ready is never replaced by a better one.
            pod_management_policy: Some("Parallel".into()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".into()),
                rolling_update: None,
            }),
            revision_history_limit: Some(1),
            template: pod::template(cluster, node, hash),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// What makes the StatefulSet `live`, in this version, run so many pods: 0 or 1. Its template stays as it is: who scales
/// neither rolls nor spreads a template that may be bad.
#[must_use]
pub fn scaling(live: &StatefulSet, replicas: u32) -> Value {
    // Refused if it is another one by now, or in another version.
    let version = json!({ "uid": live.uid(), "resourceVersion": live.resource_version() });
    json!({ "metadata": version, "spec": { "replicas": i32::from(replicas > 0) } })
}

/// What gives the pods that `live` makes from now on the label of pods that clients are sent to, so that they have it
/// while no operator runs, too; none: nothing is to be done. The pod that there is stays, because of `OnDelete`.
#[must_use]
pub fn serving(cluster: &KvCluster, live: &StatefulSet) -> Option<Value> {
    let (key, value) = labels::serving(cluster)?;
    let is_ours = live
        .owner_references()
        .iter()
        .any(|owner| owner.controller == Some(true) && Some(&owner.uid) == cluster.metadata.uid.as_ref());
    let given =
        live.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref()?.labels.as_ref()?.get(&key));
    if !is_ours || live.metadata.deletion_timestamp.is_some() || given == Some(&value) {
        return None;
    }
    Some(json!({
        "metadata": { "uid": live.uid() },
        "spec": { "template": { "metadata": { "labels": { key: value } } } },
    }))
}
