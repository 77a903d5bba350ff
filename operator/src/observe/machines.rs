//! Volumes that can only be used on a machine that is gone. Asked only about members that do not report, since it takes
//! rights on the whole Kubernetes cluster: without them no volume is given up for this reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use k8s_openapi::api::core::v1::{Node, PersistentVolume};
use kube::api::{Api, ListParams};
use planner::NodeId;

use super::Sight;
use crate::error::Error;
use crate::kubernetes::Kube;
use crate::memory::Memory;

/// The label of a machine, and the key of affinities, that local volumes use.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// Finds out about the members that do not report.
pub async fn check(kube: &Kube, members: &mut BTreeMap<NodeId, Sight>, memory: &mut Memory) {
    for (node, sight) in members {
        let volume = sight.claim.as_ref().and_then(|claim| claim.spec.as_ref()?.volume_name.as_deref());
        let Some(volume) = volume.filter(|_| sight.status.is_none()) else { continue };
        let now = Instant::now();
        let known = memory.known_lost(*node, now);
        sight.is_pinned_to_lost = match known {
            Some(known) => known,
            None => {
                let found = is_lost(kube, volume).await.unwrap_or_else(|error| {
                    tracing::debug!(%node, volume, %error, "whether its machine is there is not known");
                    false
                });
                memory.learn_lost(*node, found, now);
                found
            }
        };
    }
}

async fn is_lost(kube: &Kube, volume: &str) -> Result<bool, Error> {
    let volumes = Api::<PersistentVolume>::all(kube.client());
    let Some(volume) = kube.read("get PersistentVolume", volumes.get_opt(volume)).await? else {
        return Ok(false);
    };
    let hosts = pinned_to(&volume);
    if hosts.is_empty() {
        return Ok(false);
    }
    let hosts = hosts.into_iter().collect::<Vec<_>>().join(",");
    let wanted = ListParams::default().labels(&format!("{HOSTNAME} in ({hosts})")).limit(1);
    let machines = Api::<Node>::all(kube.client());
    let found = kube.read("list Nodes", machines.list_metadata(&wanted)).await?;
    Ok(found.items.is_empty())
}

/// The machines by name that the volume can be used on; none: it does not say so by name.
fn pinned_to(volume: &PersistentVolume) -> BTreeSet<String> {
    let affinity = volume.spec.as_ref().and_then(|spec| spec.node_affinity.as_ref()?.required.as_ref());
    let mut hosts = BTreeSet::new();
    for term in affinity.map(|required| required.node_selector_terms.as_slice()).unwrap_or_default() {
        let expressions = term.match_expressions.iter().flatten();
        let mut named = expressions.filter(|one| one.key == HOSTNAME && one.operator == "In").peekable();
        if named.peek().is_none() {
            // This term lets it be used elsewhere.
            return BTreeSet::new();
        }
        hosts.extend(named.flat_map(|one| one.values.clone().unwrap_or_default()));
    }
    hosts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn volume(terms: &serde_json::Value) -> PersistentVolume {
        let spec = json!({ "nodeAffinity": { "required": { "nodeSelectorTerms": terms } } });
        serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap()
    }

    #[test]
    fn a_local_volume_is_pinned_to_its_machine() {
        let host = json!({ "key": HOSTNAME, "operator": "In", "values": ["a"] });
        let zone = json!({ "key": "topology.kubernetes.io/zone", "operator": "In", "values": ["z"] });
        let pinned = volume(&json!([{ "matchExpressions": [host, zone] }]));
        assert_eq!(pinned_to(&pinned), BTreeSet::from(["a".to_owned()]));
        let elsewhere = volume(&json!([{ "matchExpressions": [host] }, { "matchExpressions": [zone] }]));
        assert!(pinned_to(&elsewhere).is_empty());
        assert!(pinned_to(&PersistentVolume::default()).is_empty());
    }
}
