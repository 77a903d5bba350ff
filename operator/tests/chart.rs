//! What the Helm chart renders, as `dev/chart` keeps it in `charts/tests/` and `manifests/install.yaml`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, PodSpec, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use operator::metrics::{ClusterKey, ClusterSample, Metrics};
use planner::{Observed, Recorded, Remembered, Retention, Spec, Template};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const DEFAULT: &str = include_str!("../../charts/tests/default.yaml");
const NAMESPACED: &str = include_str!("../../charts/tests/namespaced.yaml");
const EVERYTHING: &str = include_str!("../../charts/tests/everything.yaml");
const INSTALL: &str = include_str!("../../manifests/install.yaml");
const ALERTS: &str = include_str!("../../charts/kvcluster/files/alerts.yaml");
const DASHBOARD: &str = include_str!("../../charts/kvcluster/files/dashboard.json");
const METRICS: &str = include_str!("../../docs/metrics.md");
const OPERATIONS: &str = include_str!("../../docs/operations.md");
const RUNBOOKS: &str = include_str!("../../docs/runbooks.md");

fn objects(rendered: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(rendered);
    let objects = documents.map(|document| Value::deserialize(document).unwrap());
    objects.filter(|object| !object.is_null()).collect()
}

fn of_kind<T: DeserializeOwned>(rendered: &str, kind: &str) -> Vec<T> {
    let objects = objects(rendered).into_iter().filter(|object| object["kind"] == kind);
    objects.map(|object| serde_json::from_value(object).unwrap()).collect()
}

/// The object as its type knows it, which drops fields that Kubernetes does not have.
fn known<T: DeserializeOwned + serde::Serialize>(object: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<T>(object.clone()).unwrap()).unwrap()
}

#[test]
fn every_field_exists_in_kubernetes() {
    for object in [DEFAULT, NAMESPACED, EVERYTHING, INSTALL].into_iter().flat_map(objects) {
        let known = match object["kind"].as_str().unwrap() {
            "ClusterRole" => known::<ClusterRole>(&object),
            "ClusterRoleBinding" => known::<ClusterRoleBinding>(&object),
            "ConfigMap" => known::<ConfigMap>(&object),
            "CustomResourceDefinition" => known::<CustomResourceDefinition>(&object),
            "Deployment" => known::<Deployment>(&object),
            "Namespace" => known::<Namespace>(&object),
            "NetworkPolicy" => known::<NetworkPolicy>(&object),
            "Pod" => known::<Pod>(&object),
            "Role" => known::<Role>(&object),
            "RoleBinding" => known::<RoleBinding>(&object),
            "ServiceAccount" => known::<ServiceAccount>(&object),
            // Kinds of the Prometheus operator.
            "PodMonitor" | "PrometheusRule" => continue,
            other => panic!("{other}: say here of which type it is"),
        };
        assert_eq!(known, object);
    }
}

/// `group/resource` and verbs of all rules; names of objects follow in parentheses.
fn rights(rules: impl IntoIterator<Item = PolicyRule>) -> BTreeMap<String, BTreeSet<String>> {
    let mut rights = BTreeMap::<String, BTreeSet<String>>::new();
    for rule in rules {
        let names = rule.resource_names.unwrap_or_default().join(", ");
        let names = if names.is_empty() { names } else { format!(" ({names})") };
        for group in rule.api_groups.unwrap() {
            for resource in rule.resources.as_deref().unwrap() {
                rights.entry(format!("{group}/{resource}{names}")).or_default().extend(rule.verbs.clone());
            }
        }
    }
    rights
}

fn all_rules(rendered: &str) -> Vec<PolicyRule> {
    let cluster = of_kind::<ClusterRole>(rendered, "ClusterRole").into_iter().filter_map(|role| role.rules);
    let namespaced = of_kind::<Role>(rendered, "Role").into_iter().filter_map(|role| role.rules);
    cluster.chain(namespaced).flatten().collect()
}

#[test]
fn no_right_is_wider_than_its_use() {
    for rendered in [DEFAULT, NAMESPACED, EVERYTHING, INSTALL] {
        for (what, verbs) in rights(all_rules(rendered)) {
            assert!(!what.contains('*') && !verbs.contains("*"), "{what}: {verbs:?}");
            let resource = what.split(['/', ' ']).nth(1).unwrap();
            let secret =
                ["secrets", "configmaps", "serviceaccounts", "roles", "rolebindings", "clusterroles"];
            assert!(!secret.contains(&resource), "{what}");
            assert!(!what.contains("pods/"), "no shell in a pod: {what}");
            for verb in ["deletecollection", "escalate", "bind", "impersonate"] {
                assert!(!verbs.contains(verb), "{what}: {verb}");
            }
        }
    }
}

#[test]
fn claims_are_deleted_only_where_the_values_say_so() {
    let deletes = |rendered| {
        let rights = rights(all_rules(rendered));
        rights["/persistentvolumeclaims"].contains("delete")
    };
    assert!(deletes(DEFAULT));
    assert!(!deletes(NAMESPACED));
}

#[test]
fn an_operator_of_one_namespace_has_no_rights_elsewhere() {
    let kinds: Vec<Value> = objects(NAMESPACED).into_iter().map(|object| object["kind"].clone()).collect();
    assert!(!kinds.iter().any(|kind| kind.as_str().unwrap().starts_with("Cluster")), "{kinds:?}");
    for role in of_kind::<Role>(NAMESPACED, "Role") {
        let namespace = role.metadata.namespace.unwrap();
        let only_the_lease = rights(role.rules.unwrap()).keys().all(|what| what.contains("/leases"));
        assert!(namespace == "data" || only_the_lease, "{namespace}");
    }
}

/// The standard "restricted" of Kubernetes, and more: a read-only root, memory bounded, no service variables.
fn assert_restricted(pod: &PodSpec) {
    let security = pod.security_context.as_ref().unwrap();
    assert_eq!(security.run_as_non_root, Some(true));
    assert_eq!(security.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault");
    assert_eq!(pod.enable_service_links, Some(false));
    assert!(pod.host_network.is_none() && pod.host_pid.is_none() && pod.host_ipc.is_none());
    assert!(pod.volumes.is_none());
    for container in &pod.containers {
        let security = container.security_context.as_ref().unwrap();
        assert_eq!(security.allow_privilege_escalation, Some(false));
        assert_eq!(security.read_only_root_filesystem, Some(true));
        let capabilities = security.capabilities.as_ref().unwrap();
        assert_eq!(capabilities.drop.as_deref(), Some(["ALL".to_owned()].as_slice()));
        assert!(capabilities.add.is_none());
        let resources = container.resources.as_ref().unwrap();
        assert!(resources.limits.as_ref().unwrap().contains_key("memory"));
    }
}

#[test]
fn pods_are_restricted() {
    let mut pods = 0;
    for rendered in [DEFAULT, NAMESPACED, EVERYTHING, INSTALL] {
        for deployment in of_kind::<Deployment>(rendered, "Deployment") {
            assert_restricted(&deployment.spec.unwrap().template.spec.unwrap());
            pods += 1;
        }
        for pod in of_kind::<Pod>(rendered, "Pod") {
            assert_restricted(&pod.spec.unwrap());
            pods += 1;
        }
    }
    assert_eq!(pods, 7, "an operator each, and a test in all but install.yaml");
}

#[test]
fn the_custom_resource_is_the_generated_one_and_stays_when_the_chart_goes() {
    let generated = include_str!("../../crds/kvcluster.dev_kvclusters.yaml");
    assert!(generated == include_str!("../../charts/kvcluster/files/crd.yaml"), "run \"dev/chart render\"");
    let generated: Value = serde_yaml::from_str(generated).unwrap();
    let installed = objects(INSTALL).into_iter().find(|object| object["kind"] == generated["kind"]).unwrap();
    assert_eq!(installed["spec"], generated["spec"]);
    let template = include_str!("../../charts/kvcluster/templates/crd.yaml");
    assert!(template.contains(r#""helm.sh/resource-policy" "keep""#));
}

#[derive(Deserialize)]
struct Alerts {
    groups: Vec<AlertGroup>,
}

#[derive(Deserialize)]
struct AlertGroup {
    rules: Vec<Alert>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alert {
    alert: String,
    expr: String,
    #[serde(rename = "for")]
    pending: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

fn alerts() -> Vec<Alert> {
    let alerts: Alerts = serde_yaml::from_str(ALERTS).unwrap();
    alerts.groups.into_iter().flat_map(|group| group.rules).collect()
}

#[test]
fn every_alert_has_a_runbook() {
    for alert in alerts() {
        let name = &alert.alert;
        assert!(RUNBOOKS.contains(&format!("\n### {name}\n")), "docs/runbooks.md has no heading {name}");
        assert_eq!(alert.annotations["runbook_url"], format!("RUNBOOK_URL#{}", name.to_lowercase()));
        assert!(["warning", "critical"].contains(&alert.labels["severity"].as_str()), "{name}");
        assert!(alert.pending.ends_with(['m', 'h']), "{name} fires at once");
    }
}

#[test]
fn every_condition_has_a_runbook() {
    let spec = Spec {
        replicas: 3,
        paused: false,
        deleting: false,
        retention: Retention::Retain,
        retained_volumes: None,
        replace_after_millis: None,
        template: Template(String::new()),
    };
    let recorded = Recorded::default();
    let observed = Observed {
        spec,
        recorded,
        remembered: Remembered::default(),
        leader: None,
        leaderless_millis: 0,
        objects: BTreeMap::new(),
    };
    for condition in planner::plan(&observed).conditions {
        let name = condition.kind.name();
        assert!(RUNBOOKS.contains(&format!("\n### {name}\n")), "docs/runbooks.md has no heading {name}");
    }
}

/// Names of metrics in queries and documentation.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("kvcluster_")).collect()
}

/// Names in the first column of the tables, of nodes and of the operator.
fn documented() -> BTreeSet<&'static str> {
    let lines = METRICS.lines().chain(OPERATIONS.lines());
    let names = lines.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    names.filter(|name| name.starts_with("kvcluster_")).collect()
}

/// That those of nodes exist is tested with a node.
#[test]
fn every_metric_of_the_operator_is_documented_and_there() {
    let metrics = Metrics::default();
    metrics.passed(Duration::from_millis(1));
    metrics.failed("Api");
    metrics.acted("create-set");
    metrics.watch_failed("pods");
    let conditions = vec![("Available", 1)];
    let sample = ClusterSample { replicas: 3, members: 3, voters: 3, conditions };
    metrics.clusters().set(ClusterKey::new("data", "kv"), sample);
    let page = metrics.page().unwrap();
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let names = samples.filter_map(|line| line.split(['{', ' ']).next());
    let served: BTreeSet<&str> = names.map(whole).collect();
    let documented = documented().into_iter().filter(|name| name.starts_with("kvcluster_operator_"));
    assert_eq!(served, documented.collect());
}

/// Without what a histogram adds to the names of its series.
fn whole(name: &str) -> &str {
    let parts = ["_bucket", "_sum", "_count"];
    parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)
}

fn unknown<'a>(query: &'a str, known: &BTreeSet<&str>) -> Vec<&'a str> {
    metrics_in(query)
        .into_iter()
        .filter(|name| !known.contains(name) && !known.contains(whole(name)))
        .collect()
}

#[test]
fn alerts_ask_for_metrics_that_exist() {
    let known = documented();
    for Alert { alert, expr, .. } in alerts() {
        assert!(!metrics_in(&expr).is_empty(), "{alert} asks for no metric");
        assert_eq!(unknown(&expr, &known), Vec::<&str>::new(), "{alert}");
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    let known = documented();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64()), "{title}: its id is taken");
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            assert!(!metrics_in(query).is_empty(), "{title} asks for no metric");
            assert_eq!(unknown(query, &known), Vec::<&str>::new(), "{title}");
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let query = variable["query"].as_str().unwrap();
        assert_eq!(unknown(query, &known), Vec::<&str>::new(), "{query}");
    }
}
