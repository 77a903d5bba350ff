//! The pod of a member, but for its container.

use k8s_openapi::api::core::v1::{
    LocalObjectReference, PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, PodTemplateSpec,
    SeccompProfile, TopologySpreadConstraint, Volume,
};
use kube::api::ObjectMeta;

use super::{annotations, container, labels, names};
use crate::api::KvCluster;

/// The name of the volume in the pod.
pub(super) const VOLUME: &str = "data";
/// The user and group of the image.
const USER: i64 = 65532;
/// Longer than kv-node takes to hand leadership over, end what is under way and close its data.
const GRACE_SECONDS: i64 = 30;
/// What pods are spread over, as far as possible, if the user says nothing.
const SPREAD_OVER: [&str; 2] = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"];

/// The template of a member's pod.
pub(super) fn template(cluster: &KvCluster, node: u64, hash: String) -> PodTemplateSpec {
    let spec = &cluster.spec;
    let mut pod_labels = spec.pod_labels.clone();
    pod_labels.extend(labels::of_member(cluster, node));
    pod_labels.extend(labels::serving(cluster));
    let mut pod_annotations = spec.pod_annotations.clone();
    pod_annotations.insert(annotations::TEMPLATE_HASH.into(), hash);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(pod_labels),
            annotations: Some(pod_annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            containers: vec![container::container(cluster, node)],
            volumes: Some(vec![volume(cluster, node)]),
            affinity: spec.affinity.clone(),
            tolerations: some(&spec.tolerations),
            topology_spread_constraints: some(&spread(cluster)),
            priority_class_name: spec.priority_class_name.clone(),
            image_pull_secrets: some::<LocalObjectReference>(&spec.image_pull_secrets),
            security_context: Some(security()),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            automount_service_account_token: Some(false),
            // Variables of Services would be taken for settings: kv-node refuses those that it does not know.
            enable_service_links: Some(false),
            ..PodSpec::default()
        }),
    }
}

fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    Some(list.to_vec()).filter(|list| !list.is_empty())
}

fn volume(cluster: &KvCluster, node: u64) -> Volume {
    Volume {
        name: VOLUME.into(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: names::member(cluster, node),
            read_only: None,
        }),
        ..Volume::default()
    }
}

fn security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        // Else each start walks over all files of the volume.
        fs_group_change_policy: Some("OnRootMismatch".into()),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

fn spread(cluster: &KvCluster) -> Vec<TopologySpreadConstraint> {
    let ours = || Some(labels::selector(labels::select(cluster)));
    match &cluster.spec.topology_spread_constraints {
        Some(wanted) => wanted
            .iter()
            .map(|constraint| TopologySpreadConstraint {
                label_selector: constraint.label_selector.clone().or_else(ours),
                ..constraint.clone()
            })
            .collect(),
        None => SPREAD_OVER
            .into_iter()
            .map(|key| TopologySpreadConstraint {
                max_skew: 1,
                topology_key: key.into(),
                when_unsatisfiable: "ScheduleAnyway".into(),
                label_selector: ours(),
                ..TopologySpreadConstraint::default()
            })
            .collect(),
    }
}
