//! The hash of what the user decides about pods.
//!
//! Nothing that the operator decides is in it, so that another version of the operator restarts no pod. A field that is
//! added to the spec later must be left out of the hash where the user does not set it, and the tests hold two hashes as
//! they were in the first version.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::api::{KvClusterSpec, RaftTimings};

/// The hash of what the user decides about pods: 16 hexadecimal digits.
#[must_use]
pub fn template_hash(spec: &KvClusterSpec) -> String {
    let digest = Sha256::digest(canonical(&inputs(spec)));
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whole milliseconds of a time: the unit in which kv-node is configured.
pub(super) fn millis(time: kube::core::Duration) -> u64 {
    u64::try_from(std::time::Duration::from(time).as_millis()).unwrap_or(u64::MAX)
}

fn inputs(spec: &KvClusterSpec) -> Value {
    let RaftTimings { heartbeat, election_timeout } = spec.raft.clone().unwrap_or_default();
    let fields = [
        ("affinity", value(&spec.affinity)),
        ("electionTimeoutMillis", value(&election_timeout.map(millis))),
        ("heartbeatMillis", value(&heartbeat.map(millis))),
        ("image", value(&spec.image)),
        ("imagePullPolicy", value(&spec.image_pull_policy)),
        ("imagePullSecrets", value(&spec.image_pull_secrets)),
        ("podAnnotations", value(&spec.pod_annotations)),
        ("podLabels", value(&spec.pod_labels)),
        ("priorityClassName", value(&spec.priority_class_name)),
        ("readMode", value(&spec.read_mode)),
        ("resources", value(&spec.resources)),
        ("snapshotBytesPerSecond", value(&spec.snapshot_bytes_per_second)),
        ("tolerations", value(&spec.tolerations)),
    ];
    let mut fields: Map<String, Value> = fields
        .into_iter()
        .filter(|(_, value)| !is_nothing(value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    // No constraints is another wish than none that are named.
    if let Some(constraints) = &spec.topology_spread_constraints {
        fields.insert("topologySpreadConstraints".into(), value(constraints));
    }
    Value::Object(fields)
}

/// None of the fields can fail to be JSON: their keys are text.
fn value(field: &impl Serialize) -> Value {
    serde_json::to_value(field).unwrap_or_default()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// JSON with sorted keys and without spaces.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            let fields = fields
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}
