//! The definition of the resource, and what is made from it: files, reference and examples.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use operator::api::KvCluster;
use operator::crd;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The file has the text that kv-operator prints.
fn hold(file: &str, arguments: &[&str]) {
    let printed = Command::new(env!("CARGO_BIN_EXE_kv-operator")).args(arguments).output().unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let there = std::fs::read(root().join(file)).unwrap_or_default();
    let command = arguments.join(" ");
    assert!(
        there == printed.stdout,
        "{file} is not what the types make: write it again by \"dev/cargo run -p operator -- {command} >{file}\""
    );
}

fn schema() -> Value {
    crd::definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

fn walk(path: &str, value: &Value, see: &mut impl FnMut(&str, &Value)) {
    see(path, value);
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| walk(&format!("{path}.{name}"), value, see))
        }
        Value::Array(items) => items.iter().for_each(|value| walk(path, value, see)),
        _ => {}
    }
}

#[test]
fn the_files_are_what_the_types_make() {
    hold("crds/kvcluster.dev_kvclusters.yaml", &["crd"]);
    hold("docs/kvcluster.md", &["crd", "--reference"]);
}

#[test]
fn the_definition_is_small_enough_for_a_client_side_apply() {
    // The annotation that holds it may have 256 KiB.
    assert!(serde_json::to_string(&crd::definition()).unwrap().len() < 200 << 10);
}

#[test]
fn scale_goes_by_the_selector() {
    let version = &crd::definition()["spec"]["versions"][0];
    let scale = &version["subresources"]["scale"];
    assert_eq!(scale["specReplicasPath"], ".spec.replicas");
    assert_eq!(scale["statusReplicasPath"], ".status.replicas");
    assert_eq!(scale["labelSelectorPath"], ".status.selector");
    assert_eq!(version["subresources"]["status"], serde_json::json!({}));
}

#[test]
fn every_field_is_described_and_every_rule_has_a_message() {
    let mut fields = 0;
    walk("", &schema(), &mut |path, value| {
        if path.ends_with(".properties") {
            for (name, field) in value.as_object().unwrap() {
                let standard =
                    path == ".properties" || ["apiVersion", "kind", "metadata"].contains(&name.as_str());
                assert!(standard || field["description"].is_string(), "{path}.{name} has no description");
                fields += 1;
            }
        }
        for rule in value["x-kubernetes-validations"].as_array().into_iter().flatten() {
            assert!(rule["message"].is_string(), "{path}: {rule}");
        }
        assert!(!path.ends_with(".nullable"), "{path}: null has to be dropped");
        let format = value["format"].as_str().unwrap_or_default();
        assert!(!format.starts_with("uint"), "{path}: the API server does not know {format}");
    });
    assert!(fields > 40);
}

#[test]
fn lists_of_the_status_merge_by_their_keys() {
    let status = &schema()["properties"]["status"]["properties"];
    for (list, key) in [("conditions", "type"), ("members", "node")] {
        assert_eq!(status[list]["x-kubernetes-list-type"], "map", "{list}");
        assert_eq!(status[list]["x-kubernetes-list-map-keys"], serde_json::json!([key]));
    }
}

#[test]
fn examples_have_no_field_that_the_type_does_not_know() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join("manifests/examples")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let written =
                serde_yaml::with::singleton_map_recursive::deserialize::<Value, _>(document).unwrap();
            if written["kind"] != "KvCluster" {
                continue;
            }
            let read: KvCluster = serde_json::from_value(written.clone()).unwrap();
            let back = serde_json::to_value(&read).unwrap();
            walk_both(&path.display().to_string(), &written, &back);
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    names.sort();
    for name in ["every-field.yaml", "minimal.yaml", "one-member.yaml", "production.yaml"] {
        assert!(names.iter().any(|found| found == name), "{name} is missing");
    }
}

/// All that was written came back, but for values that are the default.
fn walk_both(path: &str, written: &Value, back: &Value) {
    match written {
        Value::Object(fields) => {
            for (name, value) in fields {
                let kept = back.get(name).unwrap_or(&Value::Null);
                if name != "paused" || value == &Value::Bool(true) {
                    walk_both(&format!("{path}.{name}"), value, kept);
                }
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                walk_both(&format!("{path}[{at}]"), value, back.get(at).unwrap_or(&Value::Null));
            }
        }
        plain
            if path.ends_with(".electionTimeout")
                || path.ends_with(".heartbeat")
                || path.ends_with("After") =>
        {
            let time = |value: &Value| value.as_str().unwrap().parse::<kube::core::Duration>().unwrap();
            assert_eq!(time(plain), time(back), "{path}");
        }
        plain => assert_eq!(plain, back, "{path} is lost"),
    }
}

#[test]
fn one_example_shows_every_field_of_the_spec() {
    let text = std::fs::read_to_string(root().join("manifests/examples/every-field.yaml")).unwrap();
    let example: Value = serde_yaml::from_str(&text).unwrap();
    for (section, path) in
        [("spec", ""), ("spec.storage", "/properties/storage"), ("spec.raft", "/properties/raft")]
    {
        let fields = schema()["properties"]["spec"].pointer(&format!("{path}/properties")).cloned().unwrap();
        let shown = example.pointer(&format!("/{}", section.replace('.', "/"))).unwrap();
        for name in fields.as_object().unwrap().keys().filter(|name| *name != "tls") {
            assert!(shown.get(name).is_some(), "{section}.{name} is not shown");
        }
    }
}
