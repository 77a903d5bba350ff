//! The volume claim of a member.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};

use super::{labels, metadata, names};
use crate::api::{AccessMode, KvCluster, Retention};

/// The claim of a member. It outlives the KvCluster, unless the spec says that volumes are deleted.
#[must_use]
pub fn claim(cluster: &KvCluster, node: u64) -> PersistentVolumeClaim {
    let storage = &cluster.spec.storage;
    let (name, labels) = (names::member(cluster, node), labels::of_member(cluster, node));
    let metadata = match storage.retention {
        Retention::Retain => metadata::free(cluster, name, labels),
        Retention::Delete => metadata::owned(cluster, name, labels),
    };
    let mode = storage.access_mode.unwrap_or(AccessMode::ReadWriteOnce);
    PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![mode.name().into()]),
            storage_class_name: storage.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".into(), storage.size.clone())])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
