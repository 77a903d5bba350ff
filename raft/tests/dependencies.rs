//! Holds the line around the deterministic crates: no database, no runtime, no Kubernetes, no protobuf in
//! them, and no planted bug outside the simulator.

#![expect(clippy::expect_used, reason = "clippy takes only the test functions themselves for tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Folders whose crates must stay deterministic.
const GUARDED: [&str; 5] = ["canaries", "planner", "raft", "sim", "store"];

/// What they must not depend on, nor on anything that begins with one of these and a hyphen.
const FORBIDDEN: [&str; 8] =
    ["k8s-openapi", "kube", "librocksdb-sys", "prost", "protobuf", "rocksdb", "tokio", "tonic"];

/// The feature that plants bugs, the crate that has it, and the only crate that may switch it on.
const CANARY: (&str, &str, &str) = ("canary", "raft", "sim");

#[test]
fn deterministic_crates_keep_to_themselves() {
    let root = workspace_root();
    let metadata = metadata(&root);
    let guarded: BTreeSet<_> = guarded(&metadata).into_values().collect();
    for folder in GUARDED {
        let exists = root.join(folder).join("Cargo.toml").exists();
        assert_eq!(guarded.contains(folder), exists, "is {folder}/ a member of the workspace?");
    }
    assert!(guarded.contains("raft"));
    assert_eq!(forbidden_dependencies(&metadata), Vec::<String>::new());
}

#[test]
fn only_the_simulator_plants_bugs() {
    assert_eq!(canaries_switched_on(&metadata(&workspace_root())), Vec::<String>::new());
}

/// Clippy refuses clocks, threads and hash order; nobody may tell it not to.
#[test]
fn lints_are_not_silenced() {
    let root = workspace_root();
    for folder in GUARDED.iter().map(|folder| root.join(folder)).filter(|folder| folder.exists()) {
        let manifest = read(&folder.join("Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", folder.display());
        if folder.ends_with("sim") {
            continue; // Its command line measures how fast it is.
        }
        for file in rust_files(&folder.join("src")) {
            let silenced = read(&file).contains("clippy::disallowed");
            assert!(!silenced, "{} silences a lint that keeps the crate deterministic", file.display());
        }
    }
}

// ---- the checks --------------------------------------------------------------------------------------

/// The guarded packages by id, with their folders.
fn guarded(metadata: &Value) -> BTreeMap<&str, &str> {
    let root = Path::new(text(&metadata["workspace_root"]));
    let members: BTreeSet<_> = list(&metadata["workspace_members"]).map(text).collect();
    list(&metadata["packages"])
        .filter(|package| members.contains(text(&package["id"])))
        .filter_map(|package| {
            let folder = Path::new(text(&package["manifest_path"])).strip_prefix(root).ok()?;
            let top = folder.components().next()?.as_os_str().to_str()?;
            GUARDED.contains(&top).then_some((text(&package["id"]), top))
        })
        .collect()
}

/// Every way from a guarded crate to a forbidden one: through normal and build dependencies, and through its
/// own dev-dependencies.
fn forbidden_dependencies(metadata: &Value) -> Vec<String> {
    let names: BTreeMap<_, _> =
        list(&metadata["packages"]).map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    let nodes: BTreeMap<_, _> = list(&metadata["resolve"]["nodes"]).map(|n| (text(&n["id"]), n)).collect();
    let mut found = Vec::new();
    for (start, folder) in guarded(metadata) {
        let mut seen = BTreeSet::from([start]);
        let mut open = vec![(start, folder.to_owned())];
        while let Some((id, way)) = open.pop() {
            for dependency in list(&nodes[id]["deps"]) {
                let dev_only = list(&dependency["dep_kinds"]).all(|kind| kind["kind"] == "dev");
                let next = text(&dependency["pkg"]);
                if (dev_only && id != start) || !seen.insert(next) {
                    continue;
                }
                let way = format!("{way} -> {}", names[next]);
                if is_forbidden(names[next]) {
                    found.push(way.clone());
                }
                open.push((next, way));
            }
        }
    }
    found.sort();
    found
}

fn is_forbidden(name: &str) -> bool {
    FORBIDDEN.iter().any(|forbidden| {
        name.strip_prefix(forbidden).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

/// Every place but the allowed one that switches the planted bugs on.
fn canaries_switched_on(metadata: &Value) -> Vec<String> {
    let (feature, owner, allowed) = CANARY;
    let mut found = Vec::new();
    for package in list(&metadata["packages"]) {
        let name = text(&package["name"]);
        if name == allowed {
            continue;
        }
        let by_dependency = list(&package["dependencies"])
            .any(|d| d["name"] == owner && list(&d["features"]).any(|f| f == feature));
        let features = package["features"].as_object().expect("features are an object");
        let by_feature = features.values().flat_map(list).map(text).any(|enabled| {
            enabled == format!("{owner}/{feature}")
                || enabled == format!("{owner}?/{feature}")
                || (name == owner && enabled == feature)
        });
        if by_dependency || by_feature {
            found.push(name.to_owned());
        }
    }
    found
}

// ---- what they look at -------------------------------------------------------------------------------

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

/// All features on, so that an optional dependency counts as well.
fn metadata(root: &Path) -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("the file can be read")
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list").iter()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

// ---- the checks can fail -----------------------------------------------------------------------------

/// A workspace of `raft`, `sim` and `node` with these edges: from, to, kind.
fn sample(edges: &[(&str, &str, Option<&str>)]) -> Value {
    let folders = BTreeMap::from([("raft", "raft"), ("sim", "sim"), ("kv-node", "node")]);
    let names: BTreeSet<_> =
        folders.keys().copied().chain(edges.iter().flat_map(|(from, to, _)| [*from, *to])).collect();
    let packages: Vec<_> = names
        .iter()
        .map(|name| {
            let folder = folders.get(name).map_or(format!("/registry/{name}"), |f| format!("/w/{f}"));
            let manifest = format!("{folder}/Cargo.toml");
            json!({"id": name, "name": name, "manifest_path": manifest, "dependencies": [], "features": {}})
        })
        .collect();
    let nodes: Vec<_> = names
        .iter()
        .map(|name| {
            let of_name = edges.iter().filter(|(from, _, _)| from == name);
            let deps: Vec<_> =
                of_name.map(|(_, to, kind)| json!({"pkg": to, "dep_kinds": [{"kind": kind}]})).collect();
            json!({"id": name, "deps": deps})
        })
        .collect();
    let members: Vec<_> = folders.keys().collect();
    json!({
        "workspace_root": "/w", "workspace_members": members, "packages": packages,
        "resolve": {"nodes": nodes},
    })
}

#[test]
fn a_forbidden_dependency_is_found_wherever_it_hides() {
    let (normal, build, dev) = (None, Some("build"), Some("dev"));
    for (edges, way) in [
        (vec![("raft", "tokio", normal)], "raft -> tokio"),
        (
            vec![("sim", "a", normal), ("a", "b", normal), ("b", "rocksdb", normal)],
            "sim -> a -> b -> rocksdb",
        ),
        (vec![("raft", "prost-build", build)], "raft -> prost-build"),
        (vec![("raft", "a", normal), ("a", "tonic", build)], "raft -> a -> tonic"),
        (vec![("raft", "kube", dev)], "raft -> kube"),
        (vec![("raft", "a", dev), ("a", "k8s-openapi", normal)], "raft -> a -> k8s-openapi"),
    ] {
        assert_eq!(forbidden_dependencies(&sample(&edges)), [way]);
    }
}

#[test]
fn what_is_allowed_is_not_found() {
    let none = Vec::<String>::new();
    let dev_of_others = [("raft", "bytes", None), ("bytes", "tokio", Some("dev"))];
    assert_eq!(forbidden_dependencies(&sample(&dev_of_others)), none);
    let elsewhere = [("kv-node", "tokio", None), ("kv-node", "raft", None)];
    assert_eq!(forbidden_dependencies(&sample(&elsewhere)), none);
    assert_eq!(forbidden_dependencies(&sample(&[("raft", "tokiodb", None)])), none);
}

#[test]
fn a_planted_bug_outside_the_simulator_is_found() {
    let with = |name: &str, key: &str, value: Value| {
        let mut metadata = sample(&[]);
        let packages = metadata["packages"].as_array_mut().expect("a list");
        let package = packages.iter_mut().find(|p| p["name"] == name).expect("it is in the sample");
        package[key] = value;
        canaries_switched_on(&metadata)
    };
    let dependency = json!([{"name": "raft", "features": ["canary"]}]);
    assert_eq!(with("kv-node", "dependencies", dependency.clone()), ["kv-node"]);
    assert_eq!(with("kv-node", "features", json!({"x": ["raft/canary"]})), ["kv-node"]);
    assert_eq!(with("kv-node", "features", json!({"x": ["raft?/canary"]})), ["kv-node"]);
    assert_eq!(with("raft", "features", json!({"canary": [], "default": ["canary"]})), ["raft"]);
    assert_eq!(with("raft", "features", json!({"canary": []})), Vec::<String>::new());
    assert_eq!(with("sim", "dependencies", dependency), Vec::<String>::new());
}
