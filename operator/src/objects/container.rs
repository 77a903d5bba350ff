//! The container of a member: kv-node and how it is configured.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, Probe, ResourceRequirements,
    SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::names::{self, CLIENT_PORT, HTTP_PORT, PEER_PORT};
use super::pod::VOLUME;
use super::template::millis;
use crate::api::KvCluster;

/// The name of the container.
pub const CONTAINER: &str = "kv-node";
/// Where the volume is mounted.
const MOUNT: &str = "/data";
/// A folder of its own: the root of a volume may hold what is not ours.
const DATA_DIR: &str = "/data/kv";

/// The container of a member.
pub(super) fn container(cluster: &KvCluster, node: u64) -> Container {
    let spec = &cluster.spec;
    Container {
        name: CONTAINER.into(),
        image: Some(spec.image.clone()),
        image_pull_policy: spec.image_pull_policy.map(|policy| policy.name().into()),
        args: Some(vec!["run".into()]),
        env: Some(environment(cluster, node)),
        ports: Some(vec![port("client", CLIENT_PORT), port("peer", PEER_PORT), port("http", HTTP_PORT)]),
        resources: Some(spec.resources.clone().unwrap_or_else(default_resources)),
        volume_mounts: Some(vec![VolumeMount {
            name: VOLUME.into(),
            mount_path: MOUNT.into(),
            ..VolumeMount::default()
        }]),
        // It answers before it opens its data, however long that takes.
        startup_probe: Some(Probe { failure_threshold: Some(60), ..probe("/livez", 2, 2) }),
        // Much longer than it takes to give up by itself when its disk hangs.
        liveness_probe: Some(Probe { failure_threshold: Some(6), ..probe("/livez", 10, 5) }),
        readiness_probe: Some(Probe { failure_threshold: Some(3), ..probe("/readyz", 2, 2) }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn environment(cluster: &KvCluster, node: u64) -> Vec<EnvVar> {
    let spec = &cluster.spec;
    let anywhere = |port: u16| Some(format!("0.0.0.0:{port}"));
    let raft = spec.raft.clone().unwrap_or_default();
    let time = |time: Option<kube::core::Duration>| time.map(|time| format!("{}ms", millis(time)));
    let settings = [
        ("DATA_DIR", Some(DATA_DIR.into())),
        ("CLIENT_LISTEN", anywhere(CLIENT_PORT)),
        ("PEER_LISTEN", anywhere(PEER_PORT)),
        ("HTTP_LISTEN", anywhere(HTTP_PORT)),
        ("CLIENT_ADVERTISE", Some(names::client_address(cluster, node))),
        ("PEER_ADVERTISE", Some(names::peer_address(cluster, node))),
        ("PEER_ADDRESS_TEMPLATE", Some(names::peer_address_template(cluster))),
        ("LOG_FORMAT", Some("json".into())),
        ("HEARTBEAT", time(raft.heartbeat)),
        ("ELECTION_TIMEOUT", time(raft.election_timeout)),
        // It may be no longer than the election timeout, and the longer, the fewer rounds a lease takes.
        ("PROMISE", time(raft.election_timeout)),
        ("READ_MODE", spec.read_mode.map(|mode| mode.setting().into())),
        ("SNAPSHOT_BYTES_PER_SECOND", spec.snapshot_bytes_per_second.map(|bytes| bytes.to_string())),
    ];
    let variable = |(name, value): (&str, Option<String>)| EnvVar {
        name: format!("KV_NODE_{name}"),
        value,
        value_from: None,
    };
    settings.into_iter().filter(|(_, value)| value.is_some()).map(variable).collect()
}

fn default_resources() -> ResourceRequirements {
    let memory = || ("memory".to_owned(), Quantity("512Mi".into()));
    ResourceRequirements {
        requests: Some(BTreeMap::from([("cpu".to_owned(), Quantity("100m".into())), memory()])),
        limits: Some(BTreeMap::from([memory()])),
        claims: None,
    }
}

fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: number.into(),
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    }
}

fn probe(path: &str, period_seconds: i32, timeout_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String("http".into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(timeout_seconds),
        ..Probe::default()
    }
}
