//! The two Services of a cluster.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use super::names::{CLIENT_PORT, HTTP_PORT, PEER_PORT};
use super::{labels, metadata, names};
use crate::api::KvCluster;

/// Gives each pod a name. Also before it is ready: members must find each other to become ready.
#[must_use]
pub fn peer_service(cluster: &KvCluster) -> Service {
    Service {
        metadata: metadata::owned(cluster, names::peers(cluster), labels::of_cluster(cluster)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            publish_not_ready_addresses: Some(true),
            selector: Some(labels::select(cluster)),
            ports: Some(vec![port("peer", PEER_PORT), port("client", CLIENT_PORT), port("http", HTTP_PORT)]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// Where clients find the cluster: ready pods, once the cluster was available.
#[must_use]
pub fn client_service(cluster: &KvCluster) -> Service {
    Service {
        metadata: metadata::owned(cluster, cluster.name_any(), labels::of_cluster(cluster)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            selector: Some(labels::select_with(cluster, labels::SERVING, labels::TRUE)),
            ports: Some(vec![port("client", CLIENT_PORT)]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn port(name: &str, number: u16) -> ServicePort {
    ServicePort {
        name: Some(name.into()),
        port: number.into(),
        protocol: Some("TCP".into()),
        target_port: Some(IntOrString::String(name.into())),
        ..ServicePort::default()
    }
}
