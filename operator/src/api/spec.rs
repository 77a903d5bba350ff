//! What users write.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, ResourceRequirements, Toleration, TopologySpreadConstraint,
};
use kube::core::Duration;
use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::pods::{self, PullPolicy};
use super::raft::{self, RaftTimings, ReadMode};
use super::status::KvClusterStatus;
use super::storage::{RetainedVolumes, Storage};

/// What a cluster should be.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "kvcluster.dev",
    version = "v1alpha1",
    kind = "KvCluster",
    plural = "kvclusters",
    shortname = "kvc",
    category = "all",
    namespaced,
    doc = "A key-value store that is replicated by Raft: as many members as wanted, each with a volume of its own.",
    derive = "PartialEq",
    status = "KvClusterStatus",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".spec.replicas",
        description = "Members wanted"
    ),
    printcolumn(
        name = "Members",
        type_ = "integer",
        json_path = ".status.replicas",
        description = "Members in the Raft configuration"
    ),
    printcolumn(
        name = "Voters",
        type_ = "integer",
        json_path = ".status.voters",
        description = "Members that count in majorities"
    ),
    printcolumn(
        name = "Leader",
        type_ = "integer",
        json_path = ".status.leader",
        description = "Node id of the leader"
    ),
    printcolumn(
        name = "Available",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Available\")].status",
        description = "Whether it serves, with all voters that are wanted"
    ),
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "What it is doing, in a word"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.clusterVersion",
        description = "Version that the members agreed on",
        priority = 1
    ),
    printcolumn(
        name = "Progress",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Progressing\")].message",
        description = "What the operator does or waits for",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 40").message(
        "the name of a KvCluster may have at most 40 characters: the names of its members are longer"
    ),
    validation = Rule::new(
        "self.metadata.name.matches('^[a-z][-a-z0-9]*$') && !self.metadata.name.endsWith('-peers')"
    )
    .message(
        "the name of a KvCluster begins with a lower-case letter, has only lower-case letters, digits and '-', \
         and does not end in '-peers': its Services have names made from it"
    )
)]
#[x_kube(
    validation = Rule::new("!has(self.tls)")
        .message("tls is reserved for a later version, and there is no TLS yet: remove it, and use trusted networks only")
)]
#[serde(rename_all = "camelCase")]
pub struct KvClusterSpec {
    /// Members wanted. The largest odd number of them, at most 7, are voters; the others are learners, which serve
    /// follower reads. One or two members survive no loss; three survive one, five survive two.
    #[serde(default = "default_replicas")]
    #[x_kube(
        validation = Rule::new("self >= 1")
            .message("replicas must be at least 1: to stop using a cluster, delete it (its volumes are retained)"),
        validation = Rule::new("self <= 99").message("replicas may be at most 99")
    )]
    pub replicas: u32,

    /// The image of kv-node. A new one is rolled out one member at a time, the leader last.
    #[schemars(length(max = 512))]
    #[x_kube(
        validation = Rule::new("self.matches('^[^[:space:]]+$')")
            .message("image must name an image of kv-node, as in registry.example/kv-node:0.1.0, without spaces")
    )]
    pub image: String,

    /// When the image is pulled. Default: that of Kubernetes, which depends on the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,

    /// Secrets with which the image is pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<LocalObjectReference>,

    /// CPU and memory of a member's container. A member divides its memory limit among its caches. Default: 100m CPU and
    /// 512Mi memory requested, and a limit of 512Mi memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(
        validation = Rule::new(
            "!has(self.limits) || !('memory' in self.limits) || \
             quantity(string(self.limits['memory'])).compareTo(quantity('192Mi')) >= 0"
        )
        .message("the memory limit of a member must be at least 192Mi")
    )]
    pub resources: Option<ResourceRequirements>,

    /// The volume of each member.
    pub storage: Storage,

    /// What to do with volumes of an earlier KvCluster of this name. Without it the operator does not begin while there
    /// are any, and says so in the condition RetainedVolumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_volumes: Option<RetainedVolumes>,

    /// Where pods may run, relative to nodes and other pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// Taints of nodes that pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,

    /// How pods are spread. A constraint without labelSelector counts the pods of this cluster. Default: over machines and
    /// over zones, both as far as possible. An empty list: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology_spread_constraints: Option<Vec<TopologySpreadConstraint>>,

    /// The priority class of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,

    /// Annotations of pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    #[x_kube(validation = pods::foreign_keys("podAnnotations"))]
    pub pod_annotations: BTreeMap<String, String>,

    /// Labels of pods, beside those of the operator.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    #[x_kube(validation = pods::foreign_keys("podLabels"))]
    pub pod_labels: BTreeMap<String, String>,

    /// Timings of Raft. The defaults suit one data centre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raft: Option<RaftTimings>,

    /// How linearizable reads are confirmed. Default: Lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_mode: Option<ReadMode>,

    /// How fast a member sends snapshots to others, in bytes a second. Default: 67108864 (64 MiB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(
        validation = Rule::new("self >= 1048576")
            .message("snapshotBytesPerSecond must be at least 1048576 (1 MiB): a slower snapshot may never end")
    )]
    pub snapshot_bytes_per_second: Option<u64>,

    /// The operator only looks and reports, and changes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,

    /// Replace a member after its leader has heard nothing of it for so long, as in `30m`: its volume is then given up.
    /// Without it a member is replaced only if its data are gone for certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "raft::time")]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('10s')").message("replaceAfter must be at least 10s")
    )]
    pub replace_after: Option<Duration>,

    /// Reserved: there is no TLS yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "anything")]
    pub tls: Option<serde_json::Value>,
}

fn default_replicas() -> u32 {
    3
}

fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
