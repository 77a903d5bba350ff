//! Names of objects and addresses of members.

use kube::ResourceExt;

use crate::api::KvCluster;

/// Where clients are served.
pub const CLIENT_PORT: u16 = 7400;
/// Where peers and administrators are served.
pub const PEER_PORT: u16 = 7401;
/// Where health and metrics are served.
pub const HTTP_PORT: u16 = 7402;

/// Of the StatefulSet and the claim of a member.
#[must_use]
pub fn member(cluster: &KvCluster, node: u64) -> String {
    format!("{}-m{node}", cluster.name_any())
}

/// Of the pod of a member.
#[must_use]
pub fn pod(cluster: &KvCluster, node: u64) -> String {
    format!("{}-0", member(cluster, node))
}

/// Of the Service that gives each pod a name, also before it is ready.
#[must_use]
pub fn peers(cluster: &KvCluster) -> String {
    format!("{}-peers", cluster.name_any())
}

/// The node id in the name of a member's object; none: it is not one of this cluster's.
#[must_use]
pub fn node_of(cluster: &KvCluster, member: &str) -> Option<u64> {
    let digits = member.strip_prefix(&cluster.name_any())?.strip_prefix("-m")?;
    digits.parse().ok().filter(|node: &u64| *node > 0 && node.to_string() == digits)
}

/// Where a member's pod is found. With `{node}` as the node: a template.
fn host(cluster: &KvCluster, node: &str) -> String {
    let (name, peers) = (cluster.name_any(), peers(cluster));
    format!("{name}-m{node}-0.{peers}.{}.svc", cluster.namespace().unwrap_or_default())
}

/// Where clients find a member.
#[must_use]
pub fn client_address(cluster: &KvCluster, node: u64) -> String {
    format!("{}:{CLIENT_PORT}", host(cluster, &node.to_string()))
}

/// Where peers and administrators find a member.
#[must_use]
pub fn peer_address(cluster: &KvCluster, node: u64) -> String {
    format!("{}:{PEER_PORT}", host(cluster, &node.to_string()))
}

/// Where peers find any member, with `{node}` for its id.
#[must_use]
pub fn peer_address_template(cluster: &KvCluster) -> String {
    format!("{}:{PEER_PORT}", host(cluster, "{node}"))
}
