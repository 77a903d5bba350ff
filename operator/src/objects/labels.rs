//! Keys and values of labels.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;

use crate::api::KvCluster;

/// The name of the application.
pub const NAME: &str = "app.kubernetes.io/name";
/// The name of the KvCluster, for tools that know the usual labels.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Who makes the objects.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Selects what the operator made, in all clusters.
pub const MANAGED_BY_SELECTOR: &str = "app.kubernetes.io/managed-by=kvcluster-operator";
/// The name of the KvCluster.
pub const CLUSTER: &str = "kvcluster.dev/cluster";
/// The random id of the cluster: tells an earlier cluster of the same name from this one.
pub const CLUSTER_ID: &str = "kvcluster.dev/cluster-id";
/// The node id of a member.
pub const NODE_ID: &str = "kvcluster.dev/node-id";
/// On pods, kept right by the operator: `voter` or `learner`.
pub const ROLE: &str = "kvcluster.dev/role";
/// The value of [`ROLE`] for a member that counts in majorities.
pub const VOTER: &str = "voter";
/// The value of [`ROLE`] for a member that does not.
pub const LEARNER: &str = "learner";
/// On pods, with the value "true": clients may be sent here.
pub const SERVING: &str = "kvcluster.dev/serving";
/// On a claim, with the value "true": of a member that was removed; no member uses it again.
pub const REMOVED: &str = "kvcluster.dev/removed";
/// Said of true things.
pub const TRUE: &str = "true";

const APPLICATION: &str = "kvcluster";
const OPERATOR: &str = "kvcluster-operator";

/// Labels of every object of a cluster.
#[must_use]
pub fn of_cluster(cluster: &KvCluster) -> BTreeMap<String, String> {
    let name = cluster.name_any();
    let id = cluster.status.as_ref().and_then(|status| status.cluster_id.clone());
    let fixed = [(NAME, APPLICATION), (MANAGED_BY, OPERATOR), (INSTANCE, &name), (CLUSTER, &name)];
    let fixed = fixed.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    fixed.chain(id.map(|id| (CLUSTER_ID.to_owned(), id))).collect()
}

/// Labels of the objects of a member.
#[must_use]
pub fn of_member(cluster: &KvCluster, node: u64) -> BTreeMap<String, String> {
    let mut labels = of_cluster(cluster);
    labels.insert(NODE_ID.into(), node.to_string());
    labels
}

/// The label of pods that clients are sent to when they are ready; none: the cluster has not been available yet.
#[must_use]
pub fn serving(cluster: &KvCluster) -> Option<(String, String)> {
    let is_open = cluster.status.as_ref().is_some_and(|status| status.became_available);
    is_open.then(|| (SERVING.to_owned(), TRUE.to_owned()))
}

/// Selects the pods of a cluster.
#[must_use]
pub fn select(cluster: &KvCluster) -> BTreeMap<String, String> {
    BTreeMap::from([(CLUSTER.to_owned(), cluster.name_any())])
}

/// Selects the pods of a cluster that have another label, too.
#[must_use]
pub fn select_with(cluster: &KvCluster, key: &str, value: &str) -> BTreeMap<String, String> {
    let mut labels = select(cluster);
    labels.insert(key.to_owned(), value.to_owned());
    labels
}

/// The same as a selector object.
#[must_use]
pub fn selector(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), match_expressions: None }
}

/// Selects the pods of a cluster, as text: for the scale subresource.
#[must_use]
pub fn selector_text(cluster: &KvCluster) -> String {
    format!("{CLUSTER}={}", cluster.name_any())
}
