//! All that was seen of one replica.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use raft::{
    Boot, BootStart, Configuration, HardState, LogIndex, LogPosition, NodeId, ReadId, Round, SnapshotMeta,
    Term, Time, WriteSeq,
};

use super::chain::{Link, LogView, ORIGIN};
use super::ledger::Ledger;

/// A write under way to the disk.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) seq: WriteSeq,
    pub(super) links: Vec<Link>,
    /// The chain at the new base of a reset.
    pub(super) base_chain: u64,
}

/// The highest log position that was acknowledged to the leader of a term.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked {
    pub(super) term: Term,
    pub(super) matched: LogIndex,
}

/// One replica: its disk, and what its present boot did.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    /// The start that runs, if one does.
    pub(super) boot: Option<Boot>,
    pub(super) last_boot: Boot,
    /// As handed to the disk: the log in memory.
    pub(super) accepted: LogView,
    /// As synced.
    pub(super) durable: LogView,
    pub(super) hard_submitted: HardState,
    pub(super) hard: HardState,
    pub(super) pending: VecDeque<Pending>,
    pub(super) last_seq: WriteSeq,
    /// What disks held that a fault took away.
    pub(super) graves: Vec<LogView>,
    /// A fault took the disk away: the next start may show anything.
    pub(super) destroyed: bool,
    pub(super) acked: Option<Acked>,
    /// The furthest that this disk's state machine ever got.
    pub(super) applied_ever: LogIndex,

    // ---- of this boot
    /// Committed, by what it showed, told others or wrote down.
    pub(super) commit: LogIndex,
    /// The commit index of the last status.
    pub(super) shown_commit: LogIndex,
    pub(super) applied: Option<LogIndex>,
    /// The term that it leads.
    pub(super) office: Option<Term>,
    /// What was durable when it began.
    pub(super) start: BootStart,
    /// A snapshot up to here is in the state machine, and the log not reset yet.
    pub(super) installing: Option<LogIndex>,
    /// Until here an earlier boot may have promised to help nobody else.
    pub(super) embargo_until: Time,
    /// When each recent round of heartbeats of a leader arrived.
    pub(super) heartbeats: VecDeque<(NodeId, Round, Time)>,
    /// Until when it promised to help nobody but this leader.
    pub(super) promises: BTreeMap<NodeId, Time>,
    /// The longest promise given.
    pub(super) promised: Duration,
    /// Takes no part any more.
    pub(super) lost: bool,
    /// `TimeoutNow` was sent in this term.
    pub(super) handed_over_in: Option<Term>,
    /// What was committed when each read request was sent.
    pub(super) reads: BTreeMap<ReadId, LogIndex>,
    /// Committed configurations that a membership call was told of in this event.
    pub(super) told: Vec<(LogPosition, Arc<Configuration>)>,
}

impl Replica {
    pub(super) fn new() -> Self {
        let empty = LogView::after(&SnapshotMeta::empty(), ORIGIN);
        Self {
            boot: None,
            last_boot: Boot::default(),
            accepted: empty.clone(),
            durable: empty,
            hard_submitted: HardState::default(),
            hard: HardState::default(),
            pending: VecDeque::new(),
            last_seq: WriteSeq(0),
            graves: Vec::new(),
            destroyed: false,
            acked: None,
            applied_ever: LogIndex::ZERO,
            commit: LogIndex::ZERO,
            shown_commit: LogIndex::ZERO,
            applied: None,
            office: None,
            start: BootStart::default(),
            installing: None,
            embargo_until: Time::ZERO,
            heartbeats: VecDeque::new(),
            promises: BTreeMap::new(),
            promised: Duration::ZERO,
            lost: false,
            handed_over_in: None,
            reads: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    /// Another disk, or another state of it, takes the place of the one that is known: of that nothing but
    /// what it held is remembered.
    pub(super) fn take_disk(&mut self, log: LogView) {
        let grave = std::mem::replace(&mut self.durable, log.clone());
        if self.destroyed {
            self.graves.push(grave);
        }
        self.destroyed = false;
        self.accepted = log;
        self.acked = None;
    }

    /// What was in memory is gone.
    pub(super) fn forget_boot(&mut self) {
        self.boot = None;
        self.accepted = self.durable.clone();
        self.hard_submitted = self.hard;
        self.pending.clear();
        self.last_seq = WriteSeq(0);
        self.commit = LogIndex::ZERO;
        self.shown_commit = LogIndex::ZERO;
        self.applied = None;
        self.office = None;
        self.installing = None;
        self.heartbeats.clear();
        self.promises.clear();
        self.promised = Duration::ZERO;
        self.lost = false;
        self.handed_over_in = None;
        self.reads.clear();
        self.told.clear();
    }

    /// Whether its disk holds the entry at `index` with this chain, or held it when a fault took it.
    pub(super) fn holds(&self, index: LogIndex, chain: u64, ledger: &Ledger) -> bool {
        let in_view = |view: &LogView| chain_in(view, index, ledger) == Some(chain);
        in_view(&self.durable) || self.graves.iter().any(in_view)
    }
}

/// The chain of a log at `index`; what it compacted is committed.
pub(super) fn chain_in(view: &LogView, index: LogIndex, ledger: &Ledger) -> Option<u64> {
    if index < view.base().index { ledger.chain(index) } else { view.chain(index) }
}
