//! The StatefulSet of a member: of no pod or one.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};

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
