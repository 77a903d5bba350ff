//! Budgets and periods of a node's replicas.

use std::sync::Arc;
use std::time::Duration;

use crate::effects::ClusterVersion;
use crate::request::Limits;

/// Everything about a store that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of the consensus core, for every range.
    pub raft: Arc<raft::Settings>,
    /// What is too large.
    pub limits: Limits,
    /// The newest cluster version that this program understands.
    pub supported: ClusterVersion,
    /// When the log is compacted.
    pub compaction: Compaction,
    /// Applied entries, in bytes, after which the data engine is flushed.
    pub flush_bytes: usize,
    /// The same as a number of entries.
    pub flush_entries: usize,
    /// How long versions can be read after they were replaced.
    pub retention: Duration,
    /// A session without a write for so long has ended.
    pub session_expiry: Duration,
    /// Between two looks at what grows old.
    pub upkeep: Duration,
    /// Requests of one range that wait, of each kind.
    pub waiting: usize,
    /// What is read before output is taken; the rest waits for the next output.
    pub answer_bytes: usize,
    /// Free space below which a node is short of it.
    pub reserve_bytes: u64,
    /// Versions that a step of a sweep looks at.
    pub sweep_versions: usize,
}

/// When a log is compacted, and what stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Compaction {
    /// When it has so many bytes,
    pub bytes: usize,
    /// or so many entries.
    pub entries: u64,
    /// At most so many bytes stay for laggards,
    pub tail_bytes: usize,
    /// and at most so many entries.
    pub tail_entries: u64,
}

impl Default for Compaction {
    fn default() -> Self {
        Self { bytes: 64 << 20, entries: 100_000, tail_bytes: 16 << 20, tail_entries: 25_000 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        // An entry of the limits must pass the core, which counts its overhead.
        let limits = Limits::default();
        let mut raft = raft::Settings::default();
        raft.entry_bytes = limits.entry_bytes + raft::ENTRY_OVERHEAD;
        Self {
            raft: Arc::new(raft),
            limits,
            supported: ClusterVersion::FIRST,
            compaction: Compaction::default(),
            flush_bytes: 32 << 20,
            flush_entries: 50_000,
            retention: Duration::from_secs(600),
            session_expiry: Duration::from_secs(3_600),
            upkeep: Duration::from_secs(1),
            waiting: 65_536,
            answer_bytes: 4 << 20,
            reserve_bytes: 64 << 20,
            sweep_versions: 1_000,
        }
    }
}
