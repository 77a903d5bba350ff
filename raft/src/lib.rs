//! Raft without I/O: one struct per group, [`Raft`]. Give it messages, time and completions; take from it
//! what to write, send and apply.
//!
//! ```text
//!        step · tick · propose · propose_change · read_index · transfer_leadership
//!                      │
//!                 ┌────▼────┐   take_output    ┌─ messages: send at once
//!                 │  Raft   ├─────────────────►├─ write:    one synced batch ──► log_persisted
//!                 └────▲────┘                  ├─ apply:    state machine ─────► applied
//!                      │                       ├─ reads:    serve
//!          log_persisted · applied · log_read  └─ snapshots: offer, fetch, install
//! ```
//!
//! Everything that must wait for the disk waits inside: whatever [`Output`] holds may be done at once and in
//! parallel. Sections (§) are those of Ongaro's dissertation, "Consensus: Bridging Theory and Practice".

pub mod canary;
pub mod codec;
mod compaction;
mod configuration;
mod durability;
mod election;
mod entry;
mod error;
mod identity;
mod lease;
mod log;
mod membership;
mod message;
mod output;
mod peers;
mod progress;
mod promise;
mod quorum;
mod raft;
mod reads;
mod replication;
mod restore;
mod rng;
mod settings;
mod snapshot;
mod status;
mod terms;
mod transfer;
mod types;
mod warm;

pub use configuration::{Change, Configuration, MAX_MEMBERS, Member, MemberRole};
pub use entry::{ENTRY_OVERHEAD, Entry, Payload, SnapshotMeta};
pub use error::{ChangeError, CompactError, ProposeError, ReadError, RestoreError, TransferError};
pub use identity::{Boot, ClusterId, DiskId, Header, Identity, Peer, Target};
pub use message::{
    Append, AppendAck, AppendReject, Body, BootStart, Commit, Envelope, Heartbeat, HeartbeatAck, LostDisk,
    Message, ReadReply, ReadRequest, SnapshotOffer, SnapshotReply, TimeoutNow, VoteReply, VoteRequest,
};
pub use output::{
    BaseWrite, ChangeResult, HardState, LogRead, LogWrite, Outgoing, Output, ReadPurpose, ReadReady,
    SnapshotFetch,
};
pub use raft::Raft;
pub use restore::{Restored, bootstrap};
pub use settings::{ReadMode, Settings, SettingsError};
pub use snapshot::TRANSFER_SILENCE;
pub use status::{Counters, FollowerState, FollowerStatus, RoleKind, Status};
pub use types::{
    CampaignId, LogIndex, LogPosition, NodeId, RangeId, ReadId, ReplicaId, Round, SnapshotId, Term, Time,
    WriteSeq,
};
