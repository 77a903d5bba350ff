//! The disruption budget over voters.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use super::{labels, metadata};
use crate::api::KvCluster;

/// Lets so many voters be there at least when machines are drained. A pod that is not ready can always be evicted: it
/// does no good, and would block the drain of its machine.
#[must_use]
pub fn budget(cluster: &KvCluster, min_available: u32) -> PodDisruptionBudget {
    let voters = labels::select_with(cluster, labels::ROLE, labels::VOTER);
    PodDisruptionBudget {
        metadata: metadata::owned(cluster, cluster.name_any(), labels::of_cluster(cluster)),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(i32::try_from(min_available).unwrap_or(i32::MAX))),
            selector: Some(labels::selector(voters)),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
