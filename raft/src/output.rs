//! What the core wants done. The caller takes it, does it, and reports completions.

use std::sync::Arc;

use crate::configuration::Configuration;
use crate::entry::{Entry, SnapshotMeta};
use crate::error::{ChangeError, ReadError};
use crate::identity::{Boot, Target};
use crate::message::Message;
use crate::types::{LogIndex, LogPosition, NodeId, SnapshotId, Term, WriteSeq};
use std::time::Duration;

/// Everything since the last `take_output`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Output {
    /// To be sent at once, before `write` is durable: whatever had to wait was held back in the core.
    pub messages: Vec<Outgoing>,
    /// To be written in one synced batch; then call `log_persisted`.
    pub write: Option<LogWrite>,
    /// Committed and locally durable, in order, each once per boot; then call `applied`.
    pub apply: Vec<Entry>,
    /// Reads that may be served now: everything that they must see is applied.
    pub reads: Vec<ReadReady>,
    /// Reads given up.
    pub failed_reads: Vec<(u64, ReadError)>,
    /// Entries that the core no longer has in memory; answer with `log_read`.
    pub log_reads: Vec<LogRead>,
    /// Followers that need a snapshot; answer with `offer_snapshot`.
    pub snapshots_wanted: Vec<NodeId>,
    /// A snapshot to fetch from its sender; then call `snapshot_received` or `snapshot_failed`.
    pub fetch: Option<SnapshotFetch>,
    /// A received snapshot to install into the state machine; then call `snapshot_ingested`.
    pub install: Option<SnapshotMeta>,
    /// Membership calls that ended.
    pub changes: Vec<ChangeResult>,
}

impl Output {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.write.is_none()
            && self.apply.is_empty()
            && self.reads.is_empty()
            && self.failed_reads.is_empty()
            && self.log_reads.is_empty()
            && self.snapshots_wanted.is_empty()
            && self.fetch.is_none()
            && self.install.is_none()
            && self.changes.is_empty()
    }
}

/// An output that is being gathered. Most inputs want nothing done, and there are many groups: an empty one
/// takes no memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered(Option<Box<Output>>);

impl Gathered {
    /// To add something.
    pub(crate) fn add(&mut self) -> &mut Output {
        self.0.get_or_insert_default()
    }

    pub(crate) fn take(&mut self) -> Option<Box<Output>> {
        self.0.take().filter(|output| !output.is_empty())
    }
}

/// A message and where it goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// The node and its disk.
    pub to: Target,
    /// What to send.
    pub message: Message,
}

/// What must be durable beside the entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HardState {
    /// The current term.
    pub term: Term,
    /// Whom this replica voted for in it.
    pub vote: Option<NodeId>,
    /// The longest promise of this boot, or of an earlier one until it is waited out.
    pub promise: Duration,
    /// Known committed; never beyond the entries of the same write.
    pub commit: LogIndex,
    /// The disk lost acknowledged data: the replica takes no part any more.
    pub lost_disk: bool,
}

/// One atomic, synced write of the log. Writes become durable in the order of `seq`. The parts apply in the
/// order of the fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogWrite {
    /// To be named by `log_persisted`.
    pub seq: WriteSeq,
    /// The new hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// The new start of the log, if it moved.
    pub base: Option<BaseWrite>,
    /// Delete every entry from this index on, before `entries` are added.
    pub truncate_from: Option<LogIndex>,
    /// Consecutive entries to add.
    pub entries: Vec<Entry>,
}

/// A new start of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BaseWrite {
    /// The log begins after this.
    pub meta: SnapshotMeta,
    /// A snapshot was installed: the whole old log goes, and the intent is cleared in the same write.
    pub reset: bool,
}

/// A read that may be served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadReady {
    /// The caller's token.
    pub token: u64,
    /// The read index: applied already.
    pub index: LogIndex,
    /// The lease answered it, without a round.
    pub by_lease: bool,
}

/// What entries are read back for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ReadPurpose {
    /// To be applied here.
    Apply,
    /// To be sent to this follower.
    Send(NodeId),
}

/// Entries to read from the log on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogRead {
    /// To be named by `log_read`.
    pub purpose: ReadPurpose,
    /// The first entry.
    pub first: LogIndex,
    /// The last entry wanted.
    pub last: LogIndex,
    /// Stop before this many bytes ([`Entry::size`]), but read one entry at least.
    pub max_bytes: usize,
}

/// A snapshot to fetch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotFetch {
    /// Who has it.
    pub from: Target,
    /// The boot that offered it.
    pub boot: Boot,
    /// Its id there.
    pub id: SnapshotId,
    /// What it covers.
    pub meta: SnapshotMeta,
}

/// How a membership call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeResult {
    /// The caller's token.
    pub token: u64,
    /// How many of its changes are committed, those that held already included.
    pub committed: usize,
    /// Why the rest is not.
    pub error: Option<ChangeError>,
    /// The committed configuration after the last of them, and its place for the next call's fence.
    pub configuration: Option<(LogPosition, Arc<Configuration>)>,
}
