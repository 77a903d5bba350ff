//! Writing the status: by server-side apply, and only over the version that was read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use planner::{Kind, Truth};
use serde_json::json;

use super::conditions;
use crate::api::{KvCluster, KvClusterStatus};
use crate::caches::Written;
use crate::error::Error;
use crate::kubernetes::Kube;

/// The owner of all fields of the status.
const MANAGER: &str = "kvcluster-operator-status";
/// The owner of the condition that an unreadable KvCluster gets: the fields of the other stay as they are.
const REFUSING_MANAGER: &str = "kvcluster-operator-refusal";

/// Writes `status` over that of `cluster`, and returns the cluster as it is then.
///
/// # Errors
/// The cluster is not any more as it was read, the lease is not held, or the API server cannot be reached.
pub async fn write(kube: &Kube, cluster: &KvCluster, status: &KvClusterStatus) -> Result<KvCluster, Error> {
    let clusters: Api<KvCluster> = Api::namespaced(kube.client(), &cluster.namespace().unwrap_or_default());
    let name = cluster.name_any();
    let patch = json!({
        "apiVersion": KvCluster::api_version(&()),
        "kind": KvCluster::kind(&()),
        "metadata": { "name": name, "resourceVersion": cluster.metadata.resource_version },
        "status": status,
    });
    let parameters = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(patch);
    kube.change("apply status", clusters.patch_status(&name, &parameters, &patch)).await
}

/// Says of a KvCluster that it cannot be read, and why.
///
/// # Errors
/// The lease is not held, or the API server refuses or cannot be reached.
pub async fn refuse(kube: &Kube, metadata: &ObjectMeta, why: &str) -> Result<(), Error> {
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let name = metadata.name.as_deref().unwrap_or_default();
    let condition = Condition {
        type_: Kind::Progressing.name().to_owned(),
        status: conditions::word(Truth::False).to_owned(),
        reason: "Unreadable".to_owned(),
        message: conditions::shortened(&format!(
            "this KvCluster cannot be read, and is left as it is: correct it, or install the custom resource of this \
             version of the operator: {why}"
        )),
        observed_generation: metadata.generation,
        last_transition_time: Time(Timestamp::now()),
    };
    let patch = Patch::Apply(json!({
        "apiVersion": KvCluster::api_version(&()),
        "kind": KvCluster::kind(&()),
        "metadata": { "name": name, "resourceVersion": metadata.resource_version },
        "status": { "conditions": [condition] },
    }));
    let clusters: Api<Written> = Api::namespaced(kube.client(), namespace);
    let parameters = PatchParams::apply(REFUSING_MANAGER).force();
    let patched = clusters.patch_subresource("status", name, &parameters, &patch);
    kube.change("apply status", patched).await.map(drop)
}
