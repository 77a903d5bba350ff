//! What the operator writes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a cluster is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KvClusterStatus {
    /// The generation of the spec that the operator acted on last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// What it is doing, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,

    /// Members in the Raft configuration, as its leader says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,

    /// How many of them count in majorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voters: Option<u32>,

    /// Node id of the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u64>,

    /// The version that the members agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_version: Option<String>,

    /// Label selector of the pods, for `kubectl scale` and autoscalers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,

    /// Members, by node id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["node".into()]))]
    pub members: Vec<MemberStatus>,

    /// What is true of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// Random id of the cluster, drawn once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,

    /// The member that began the cluster, recorded before it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstMember>,

    /// The first member began the cluster: never again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bootstrapped: bool,

    /// The voters reached their number once: since then the Service for clients selects pods.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub became_available: bool,

    /// The last committed configuration that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configuration>,
}

/// What the cluster is doing, in a word. Starting: it has not been available yet. Running: it is as the spec wants it.
/// Changing: it serves, and members are added, removed, replaced or restarted. Degraded: it serves, with less than is
/// wanted. Unavailable: it has no leader, or not enough voters. Paused: the operator only looks. Deleting: it goes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has not been available yet.
    Starting,
    /// It is as the spec wants it.
    Running,
    /// It serves, and members are added, removed, replaced or restarted.
    Changing,
    /// It serves, with less than is wanted.
    Degraded,
    /// It has no leader, or not enough voters.
    Unavailable,
    /// The operator only looks.
    Paused,
    /// It is being deleted.
    Deleting,
}

/// The member that began a cluster.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FirstMember {
    /// Its node id.
    pub node: u64,
    /// The disk that it was given: 32 hexadecimal digits.
    pub disk_id: String,
}

/// A committed configuration of Raft.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// Its index in the log.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// Node ids of its voters.
    pub voters: Vec<u64>,
}

/// A member.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Its node id: minted by the group, used with one disk, once.
    pub node: u64,
    /// Its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
    /// It leads.
    #[serde(default)]
    pub leader: bool,
    /// It would be given traffic: a voter, or a learner that has caught up.
    #[serde(default)]
    pub ready: bool,
    /// Log entries that it is behind the leader, 0 if it has caught up: at most 1,000 behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// The id of its disk: 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// Free bytes on its volume, rounded so that an idle cluster's status does not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// The version of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The name of its pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
}

/// Its role: a Voter counts in majorities, a Learner receives the log and serves follower reads. Without a role it is on
/// its way in or out.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// It does.
    Voter,
    /// It receives the log and serves follower reads.
    Learner,
}
