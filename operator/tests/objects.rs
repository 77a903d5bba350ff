//! The objects of a cluster.
#![allow(clippy::unwrap_used, reason = "a test")]

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Container, PersistentVolumeClaim, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use operator::api::{KvCluster, KvClusterStatus, Retention};
use operator::objects::{self, labels, names, needs_apply, quantity};
use serde_json::json;

fn cluster(spec: serde_json::Value) -> KvCluster {
    let mut cluster: KvCluster = serde_json::from_value(json!({
        "apiVersion": "kvcluster.dev/v1alpha1", "kind": "KvCluster",
        "metadata": { "name": "kv", "namespace": "shop", "uid": "8f1d" },
        "spec": { "image": "kv-node:1", "storage": { "size": "1Gi" } }
    }))
    .unwrap();
    cluster.status =
        Some(KvClusterStatus { cluster_id: Some("00ff".repeat(8)), ..KvClusterStatus::default() });
    let mut merged = serde_json::to_value(&cluster).unwrap();
    merged["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(merged).unwrap()
}

fn everything() -> KvCluster {
    cluster(json!({
        "resources": { "limits": { "memory": "4Gi" } },
        "raft": { "heartbeat": "200ms", "electionTimeout": "2s" },
        "readMode": "ReadIndex", "snapshotBytesPerSecond": 1_048_576, "imagePullPolicy": "Always",
        "imagePullSecrets": [{ "name": "pull" }], "priorityClassName": "high",
        "tolerations": [{ "key": "dedicated", "operator": "Exists" }],
        "affinity": { "nodeAffinity": {} }, "topologySpreadConstraints": [],
        "podAnnotations": { "a": "b" }, "podLabels": { "team": "x" }
    }))
}

fn pod(set: &StatefulSet) -> &PodSpec {
    set.spec.as_ref().unwrap().template.spec.as_ref().unwrap()
}

fn container(set: &StatefulSet) -> &Container {
    &pod(set).containers[0]
}

fn env<'a>(set: &'a StatefulSet, name: &str) -> Option<&'a str> {
    let env = container(set).env.as_ref().unwrap();
    env.iter().find(|variable| variable.name == name).and_then(|variable| variable.value.as_deref())
}

#[test]
fn a_member_looks_like_this() {
    let text = serde_yaml::to_string(&objects::set(&cluster(json!({})), 4, 1)).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/statefulset.yaml");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(path).unwrap_or_default(), "UPDATE_GOLDEN=1 writes it");
}

/// Nothing but a deliberate change of meaning may change these: it would restart every member of every cluster.
#[test]
fn the_template_hash_stays_as_it_was() {
    assert_eq!(objects::template_hash(&cluster(json!({})).spec), "b1f8400fd9fb8c1d");
    assert_eq!(objects::template_hash(&everything().spec), "89e1c6dfef8e1a80");
}

#[test]
fn the_template_hash_follows_what_pods_are_made_from_and_nothing_else() {
    let hash = |spec| objects::template_hash(&cluster(spec).spec);
    let plain = hash(json!({}));
    for other in [
        json!({ "replicas": 7 }),
        json!({ "paused": true }),
        json!({ "storage": { "size": "2Gi", "retention": "Delete" } }),
        json!({ "retainedVolumes": "Adopt" }),
        json!({ "replaceAfter": "1h" }),
        json!({ "raft": {} }),
        json!({ "podLabels": {}, "tolerations": [] }),
    ] {
        assert_eq!(hash(other.clone()), plain, "{other}");
    }
    let all = serde_json::to_value(everything().spec).unwrap();
    for (name, value) in all.as_object().unwrap() {
        if !["replicas", "storage", "image", "raft"].contains(&name.as_str()) && *value != json!({}) {
            assert_ne!(hash(json!({ name: value })), plain, "{name}");
        }
    }
    assert_ne!(hash(json!({ "image": "kv-node:2" })), plain);
    assert_ne!(hash(json!({ "raft": { "heartbeat": "1s" } })), plain);
    let second = hash(json!({ "raft": { "heartbeat": "1000ms" } }));
    assert_eq!(second, hash(json!({ "raft": { "heartbeat": "1s" } })));
}

#[test]
fn a_member_is_configured_by_its_environment() {
    let plain = objects::set(&cluster(json!({})), 12, 1);
    assert_eq!(env(&plain, "KV_NODE_PEER_ADVERTISE"), Some("kv-m12-0.kv-peers.shop.svc:7401"));
    assert_eq!(env(&plain, "KV_NODE_CLIENT_ADVERTISE"), Some("kv-m12-0.kv-peers.shop.svc:7400"));
    assert_eq!(env(&plain, "KV_NODE_PEER_ADDRESS_TEMPLATE"), Some("kv-m{node}-0.kv-peers.shop.svc:7401"));
    for name in ["HEARTBEAT", "ELECTION_TIMEOUT", "PROMISE", "READ_MODE", "SNAPSHOT_BYTES_PER_SECOND"] {
        assert_eq!(env(&plain, &format!("KV_NODE_{name}")), None, "kv-node has its own default");
    }
    let all = objects::set(&everything(), 12, 1);
    assert_eq!(env(&all, "KV_NODE_HEARTBEAT"), Some("200ms"));
    assert_eq!(env(&all, "KV_NODE_ELECTION_TIMEOUT"), Some("2000ms"));
    assert_eq!(env(&all, "KV_NODE_PROMISE"), Some("2000ms"));
    assert_eq!(env(&all, "KV_NODE_READ_MODE"), Some("read_index"));
    assert_eq!(env(&all, "KV_NODE_SNAPSHOT_BYTES_PER_SECOND"), Some("1048576"));
}

#[test]
fn a_member_keeps_to_the_restricted_pod_security_standard() {
    for cluster in [cluster(json!({})), everything()] {
        let set = objects::set(&cluster, 1, 1);
        let security = pod(&set).security_context.as_ref().unwrap();
        assert_eq!(security.run_as_non_root, Some(true));
        assert!(security.run_as_user.unwrap() > 0);
        assert_eq!(security.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault");
        let container = container(&set).security_context.as_ref().unwrap();
        assert_eq!(container.allow_privilege_escalation, Some(false));
        assert_eq!(container.read_only_root_filesystem, Some(true));
        let capabilities = container.capabilities.as_ref().unwrap();
        assert_eq!((capabilities.drop.as_deref(), &capabilities.add), (Some(&["ALL".to_owned()][..]), &None));
        assert_eq!(pod(&set).automount_service_account_token, Some(false));
        assert!(pod(&set).volumes.iter().flatten().all(|volume| volume.persistent_volume_claim.is_some()));
        let host = [pod(&set).host_network, pod(&set).host_pid, pod(&set).host_ipc];
        assert_eq!(host, [None; 3]);
        assert!(self::container(&set).ports.iter().flatten().all(|port| port.host_port.is_none()));
    }
}

#[test]
fn users_cannot_take_the_labels_of_the_operator() {
    let own = json!({ "podLabels": { labels::NODE_ID: "9", "team": "x" } });
    let set = objects::set(&cluster(own), 1, 1);
    let labels = set.spec.unwrap().template.metadata.unwrap().labels.unwrap();
    assert_eq!(labels[labels::NODE_ID], "1");
    assert_eq!(labels["team"], "x");
}

#[test]
fn pods_are_spread_softly_unless_the_user_says_how() {
    let soft = objects::set(&cluster(json!({})), 1, 1);
    let constraints = pod(&soft).topology_spread_constraints.clone().unwrap();
    assert_eq!(constraints.len(), 2);
    assert!(constraints.iter().all(|constraint| constraint.when_unsatisfiable == "ScheduleAnyway"));
    assert_eq!(pod(&objects::set(&everything(), 1, 1)).topology_spread_constraints, None);
    let own = json!([{ "maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule" }]);
    let hard = objects::set(&cluster(json!({ "topologySpreadConstraints": own })), 1, 1);
    let constraint = &pod(&hard).topology_spread_constraints.as_ref().unwrap()[0];
    let selected = constraint.label_selector.as_ref().unwrap().match_labels.as_ref().unwrap();
    assert_eq!(selected[labels::CLUSTER], "kv");
}

#[test]
fn members_are_found_before_they_are_ready_and_clients_find_only_pods_that_serve() {
    let cluster = cluster(json!({}));
    let peers = objects::peer_service(&cluster).spec.unwrap();
    assert_eq!(peers.publish_not_ready_addresses, Some(true));
    assert_eq!(peers.cluster_ip.as_deref(), Some("None"));
    let clients = objects::client_service(&cluster).spec.unwrap();
    assert_eq!(clients.publish_not_ready_addresses, None);
    assert_eq!(clients.selector.unwrap()[labels::SERVING], "true");
}

fn available(cluster: &KvCluster) -> KvCluster {
    let mut cluster = cluster.clone();
    cluster.status.as_mut().unwrap().became_available = true;
    cluster
}

/// As a JSON merge patch does it.
fn merged(live: &StatefulSet, patch: &serde_json::Value) -> StatefulSet {
    fn merge(live: &mut serde_json::Value, patch: &serde_json::Value) {
        match patch.as_object() {
            Some(fields) => fields.iter().for_each(|(name, field)| merge(&mut live[name], field)),
            None => *live = patch.clone(),
        }
    }
    let mut value = serde_json::to_value(live).unwrap();
    merge(&mut value, patch);
    serde_json::from_value(value).unwrap()
}

#[test]
fn pods_that_are_made_while_no_operator_runs_serve_once_the_cluster_was_available() {
    let young = cluster(json!({}));
    let served = |set: &StatefulSet| {
        let template = set.spec.as_ref().unwrap().template.metadata.as_ref().unwrap();
        template.labels.as_ref().unwrap().get(labels::SERVING).cloned()
    };
    let mut live = objects::set(&young, 1, 1);
    assert_eq!(served(&live), None);
    assert_eq!(objects::set::serving(&young, &live), None, "it was never available");

    let open = available(&young);
    let wanted = objects::set(&open, 1, 1);
    assert_eq!(served(&wanted).as_deref(), Some("true"));
    let hash = |set: &StatefulSet| set.metadata.annotations.clone().unwrap();
    assert_eq!(hash(&wanted), hash(&live), "nothing is rolled for it");

    live.metadata.uid = Some("u1".into());
    let patch = objects::set::serving(&open, &live).unwrap();
    assert_eq!(patch["metadata"], json!({ "uid": "u1" }));
    let labelled = merged(&live, &patch);
    assert_eq!(labelled.spec, wanted.spec, "the label is all that is new");
    assert_eq!(objects::set::serving(&open, &labelled), None, "once");

    let mut foreign = live.clone();
    foreign.metadata.owner_references.as_mut().unwrap()[0].uid = "another".into();
    assert_eq!(objects::set::serving(&open, &foreign), None);
}

#[test]
fn scaling_touches_nothing_but_the_number_of_pods() {
    let mut live = objects::set(&cluster(json!({ "image": "kv-node:bad" })), 3, 1);
    (live.metadata.uid, live.metadata.resource_version) = (Some("u3".into()), Some("9".into()));
    let patch = objects::set::scaling(&live, 0);
    let expected = json!({ "metadata": { "uid": "u3", "resourceVersion": "9" }, "spec": { "replicas": 0 } });
    assert_eq!(patch, expected);
    let mut wanted = live.clone();
    wanted.spec.as_mut().unwrap().replicas = Some(0);
    assert_eq!(merged(&live, &patch), wanted);
}

#[test]
fn the_budget_counts_voters_and_never_keeps_a_sick_pod() {
    let budget = objects::budget(&cluster(json!({})), 4).spec.unwrap();
    assert_eq!(serde_json::to_value(budget.min_available).unwrap(), json!(4));
    assert_eq!(budget.selector.unwrap().match_labels.unwrap()[labels::ROLE], "voter");
    assert_eq!(budget.unhealthy_pod_eviction_policy.as_deref(), Some("AlwaysAllow"));
}

#[test]
fn names_lead_back_to_members() {
    let cluster = cluster(json!({}));
    assert_eq!(names::node_of(&cluster, &names::member(&cluster, 17)), Some(17));
    for other in
        ["kv-m0", "kv-m07", "kv-m", "kv-m1-0", "kv-peers", "kv2-m1", "kv-m18446744073709551616", "kv-m+1"]
    {
        assert_eq!(names::node_of(&cluster, other), None, "{other}");
    }
}

#[test]
fn volumes_outlive_the_cluster_unless_the_user_says_otherwise() {
    let retained = objects::claim(&cluster(json!({})), 1);
    assert_eq!(retained.metadata.owner_references, None);
    let mut cluster = cluster(json!({}));
    cluster.spec.storage.retention = Retention::Delete;
    let deleted = objects::claim(&cluster, 1);
    assert_eq!(deleted.metadata.owner_references.as_ref().unwrap()[0].uid, "8f1d");
    assert!(needs_apply(&deleted, &retained) && needs_apply(&retained, &deleted));
}

/// As the API server returns it: with defaults, and numbers in its own writing.
fn stored(claim: &PersistentVolumeClaim, size: &str) -> PersistentVolumeClaim {
    let mut stored = claim.clone();
    stored.metadata.uid = Some("1".into());
    stored.metadata.labels.as_mut().unwrap().insert("added/by".into(), "somebody".into());
    stored.metadata.finalizers = Some(vec!["kubernetes.io/pvc-protection".into()]);
    let spec = stored.spec.as_mut().unwrap();
    spec.volume_mode = Some("Filesystem".into());
    spec.storage_class_name = Some("standard".into());
    spec.resources
        .as_mut()
        .unwrap()
        .requests
        .as_mut()
        .unwrap()
        .insert("storage".into(), Quantity(size.into()));
    stored
}

#[test]
fn what_others_add_is_no_reason_to_write() {
    let wanted = objects::claim(&cluster(json!({ "storage": { "size": "1024Mi" } })), 1);
    assert!(!needs_apply(&stored(&wanted, "1Gi"), &wanted));
    assert!(needs_apply(&stored(&wanted, "1023Mi"), &wanted));
    let mut unlabelled = stored(&wanted, "1Gi");
    unlabelled.metadata.labels = None;
    assert!(needs_apply(&unlabelled, &wanted));

    let wanted = objects::peer_service(&cluster(json!({})));
    let mut live = wanted.clone();
    let spec = live.spec.as_mut().unwrap();
    spec.session_affinity = Some("None".into());
    spec.ip_families = Some(vec!["IPv4".into()]);
    assert!(!needs_apply(&live, &wanted));
    live.spec.as_mut().unwrap().ports.as_mut().unwrap().pop();
    assert!(needs_apply(&live, &wanted));
}

#[test]
fn quantities_are_compared_by_value() {
    let value = |text: &str| quantity::thousandths(&Quantity(text.into()));
    for (one, other) in
        [("1Gi", "1024Mi"), ("1.5Gi", "1536Mi"), ("1", "1000m"), ("1k", "1000"), ("0.5", "500m")]
    {
        assert_eq!(value(one), value(other));
        assert!(value(one).is_some());
    }
    for wrong in ["", "Gi", "-1", "1e3", "1.2.3", "1 Gi", "+1m"] {
        assert_eq!(value(wrong), None, "{wrong}");
    }
}
