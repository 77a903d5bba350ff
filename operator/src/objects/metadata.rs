//! What all objects have.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use kube::{Resource, ResourceExt};

use crate::api::KvCluster;

/// Metadata of an object that goes when the KvCluster goes.
#[must_use]
pub fn owned(cluster: &KvCluster, name: String, labels: BTreeMap<String, String>) -> ObjectMeta {
    ObjectMeta { owner_references: owner(cluster).map(|owner| vec![owner]), ..free(cluster, name, labels) }
}

/// Metadata of an object that stays.
#[must_use]
pub fn free(cluster: &KvCluster, name: String, labels: BTreeMap<String, String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: cluster.namespace(),
        labels: Some(labels),
        ..ObjectMeta::default()
    }
}

/// The KvCluster as owner; none only for one that was never stored.
#[must_use]
pub fn owner(cluster: &KvCluster) -> Option<OwnerReference> {
    cluster.controller_owner_ref(&())
}
