//! How members work together.

use kube::KubeSchema;
use kube::core::Duration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Timings of Raft.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "[has(self.heartbeat) ? duration(self.heartbeat) : duration('100ms')].all(beat, \
         beat + beat + beat + beat + beat <= \
         (has(self.electionTimeout) ? duration(self.electionTimeout) : duration('1s')))"
    )
    .message(
        "raft.electionTimeout must be at least five times raft.heartbeat, or one lost heartbeat may cause an election \
         (defaults: 1s and 100ms)"
    )
)]
pub struct RaftTimings {
    /// Between two heartbeats of a leader, as in `100ms`: about the longest round trip between two members. Default: 100ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('10ms') && duration(self) <= duration('10s')")
            .message("raft.heartbeat must be from 10ms to 10s")
    )]
    pub heartbeat: Option<Duration>,

    /// Shortest silence of a leader before another member campaigns, as in `1s`; the longest is twice that. It is also how
    /// long followers promise not to vote for another leader, which leases rest on. Default: 1s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('100ms') && duration(self) <= duration('60s')")
            .message("raft.electionTimeout must be from 100ms to 60s")
    )]
    pub election_timeout: Option<Duration>,
}

/// How linearizable reads are confirmed. Default: Lease.
/// Lease: by leases, which need no messages and trust that clocks drift apart by less than 10 %.
/// ReadIndex: by a round of heartbeats, which trusts no clock.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// By leases: no messages, trusts that clocks drift apart by less than 10 %.
    Lease,
    /// By a round of heartbeats: trusts no clock.
    ReadIndex,
}

impl ReadMode {
    /// As the configuration of kv-node calls it.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::ReadIndex => "read_index",
        }
    }
}

/// A time as kv-node reads it, too. Six digits of hours are what the API server's arithmetic can hold.
pub(super) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 8, "pattern": "^[1-9][0-9]{0,5}(ms|s|m|h)$" })
}
