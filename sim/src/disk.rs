//! A simulated disk: one log writer, whose queue a crash cuts at an arbitrary place.
//!
//! The queue holds writes that were submitted and not yet synced. A sync takes everything queued so far and
//! ends after the latency; then all of it is durable at once. A crash keeps a prefix of the queue: the
//! system may have written any of it, in order. The record at the cut is torn; opening the log recognises it
//! by its checksum and drops it, so that it is never half there.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use raft::{
    DiskId, Entry, HardState, LogIndex, LogWrite, NodeId, RangeId, ReplicaId, SnapshotId, SnapshotMeta,
};

use crate::machine::Machine;
use crate::rng::Rng;

/// A snapshot that a disk keeps for others, or has received.
#[derive(Clone, Debug)]
pub struct StoredSnapshot {
    /// Its id, of this disk.
    pub id: SnapshotId,
    /// What it covers.
    pub meta: SnapshotMeta,
    /// The whole state.
    pub data: Bytes,
}

/// A snapshot of another node, as far as it was received.
#[derive(Clone, Debug)]
pub struct PartialSnapshot {
    /// Whose it is.
    pub from: NodeId,
    /// Its id there.
    pub id: SnapshotId,
    /// The bytes so far, in order.
    pub data: Vec<u8>,
}

/// The decision, durable before it is carried out, to replace the state machine.
#[derive(Clone, Debug)]
pub struct Intent {
    /// What the snapshot covers.
    pub meta: SnapshotMeta,
    /// The new state.
    pub data: Bytes,
}

/// What is durable of one replica.
#[derive(Clone, Debug)]
pub struct ReplicaDisk {
    /// Its replica id.
    pub replica: ReplicaId,
    /// Term, vote and the like.
    pub hard: HardState,
    /// What the log begins after.
    pub base: SnapshotMeta,
    /// The log.
    pub entries: VecDeque<Entry>,
    /// An install that must be finished first.
    pub intent: Option<Intent>,
    /// The state machine as last flushed.
    pub machine: Machine,
    /// Snapshots for others, oldest first.
    pub snapshots: Vec<StoredSnapshot>,
    /// The id of the next snapshot.
    pub next_snapshot: u64,
    /// An unfinished transfer.
    pub partial: Option<PartialSnapshot>,
}

impl ReplicaDisk {
    /// An empty replica.
    #[must_use]
    pub fn empty(replica: ReplicaId) -> Self {
        Self {
            replica,
            hard: HardState::default(),
            base: SnapshotMeta::empty(),
            entries: VecDeque::new(),
            intent: None,
            machine: Machine::default(),
            snapshots: Vec::new(),
            next_snapshot: 1,
            partial: None,
        }
    }

    /// The last index of the log.
    #[must_use]
    pub fn last(&self) -> LogIndex {
        self.entries.back().map_or(self.base.last.index, |e| e.index)
    }

    /// The entries from `first` to `last`, as many as `max_bytes` take, one at least; none if the first is
    /// not there.
    #[must_use]
    pub fn read(&self, first: LogIndex, last: LogIndex, max_bytes: usize) -> Vec<Entry> {
        let Some(start) = first.0.checked_sub(self.base.last.index.0 + 1) else { return Vec::new() };
        let mut bytes = 0;
        let mut found = Vec::new();
        for entry in self.entries.iter().skip(start as usize).take_while(|e| e.index <= last) {
            bytes += entry.size();
            if !found.is_empty() && bytes > max_bytes {
                break;
            }
            found.push(entry.clone());
        }
        found
    }

    /// Makes one write durable.
    fn apply(&mut self, write: &LogWrite) {
        if let Some(hard) = write.hard_state {
            self.hard = hard;
        }
        if let Some(base) = &write.base {
            if base.reset {
                self.entries.clear();
                self.intent = None;
            } else {
                while self.entries.front().is_some_and(|e| e.index <= base.meta.last.index) {
                    self.entries.pop_front();
                }
            }
            self.base = base.meta.clone();
        }
        if let Some(from) = write.truncate_from {
            while self.entries.back().is_some_and(|e| e.index >= from) {
                self.entries.pop_back();
            }
        }
        for entry in &write.entries {
            assert_eq!(entry.index, self.last().next(), "the log writer was given a gap or an overlap");
            self.entries.push_back(entry.clone());
        }
    }

    /// What a start does before anything else: carry out an intent that was found.
    pub fn finish_intent(&mut self) -> bool {
        let Some(intent) = self.intent.take() else { return false };
        if let Some(machine) = Machine::from_snapshot(&intent.data) {
            self.machine = machine;
        }
        self.hard.commit = self.hard.commit.max(intent.meta.last.index);
        self.base = intent.meta;
        self.entries.clear();
        true
    }
}

/// A write that waits for its sync.
#[derive(Clone, Debug)]
pub enum Item {
    /// A batch of the log of a range.
    Log(RangeId, LogWrite),
    /// The intent to install a snapshot.
    Intent(RangeId, Intent),
}

/// One disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Random when it was first found empty.
    pub id: DiskId,
    /// The node that it is, once it is one.
    pub node: Option<NodeId>,
    /// How often it was started.
    pub boot: u64,
    /// By range.
    pub replicas: BTreeMap<RangeId, ReplicaDisk>,
    queue: VecDeque<Item>,
    /// The first so many of the queue are being synced.
    syncing: usize,
}

impl Disk {
    /// A new, empty disk.
    #[must_use]
    pub fn empty(id: DiskId) -> Self {
        Self { id, node: None, boot: 0, replicas: BTreeMap::new(), queue: VecDeque::new(), syncing: 0 }
    }

    /// Queues a write.
    pub fn submit(&mut self, item: Item) {
        self.queue.push_back(item);
    }

    /// Starts a sync of everything queued; false if one is under way or nothing is queued.
    pub fn start_sync(&mut self) -> bool {
        let idle = self.syncing == 0 && !self.queue.is_empty();
        if idle {
            self.syncing = self.queue.len();
        }
        idle
    }

    /// The sync ended well: what it covered is durable.
    pub fn finish_sync(&mut self) -> Vec<Item> {
        let done: Vec<Item> = self.queue.drain(..self.syncing).collect();
        self.syncing = 0;
        for item in &done {
            self.persist(item);
        }
        done
    }

    /// The process or the machine stopped. Gives what survived of the queue and whether a record was torn.
    pub fn crash(&mut self, rng: &mut Rng) -> (Vec<Item>, bool) {
        let kept = rng.index(self.queue.len() + 1);
        let torn = kept < self.queue.len() && rng.coin();
        let survivors: Vec<Item> = self.queue.drain(..kept).collect();
        self.queue.clear();
        self.syncing = 0;
        for item in &survivors {
            self.persist(item);
        }
        (survivors, torn)
    }

    /// The disk as a crash would leave it at the worst: nothing of what is queued.
    #[must_use]
    pub fn durable_copy(&self) -> Disk {
        Disk { queue: VecDeque::new(), syncing: 0, ..self.clone() }
    }

    /// How many writes wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    fn persist(&mut self, item: &Item) {
        match item {
            Item::Log(range, write) => {
                if let Some(replica) = self.replicas.get_mut(range) {
                    replica.apply(write);
                }
            }
            Item::Intent(range, intent) => {
                if let Some(replica) = self.replicas.get_mut(range) {
                    replica.intent = Some(intent.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raft::{Payload, Term, WriteSeq};

    const RANGE: RangeId = RangeId(1);

    fn disk() -> Disk {
        let mut disk = Disk::empty(DiskId(1));
        disk.replicas.insert(RANGE, ReplicaDisk::empty(ReplicaId(1)));
        disk
    }

    fn entry(index: u64) -> Entry {
        Entry { index: LogIndex(index), term: Term(1), payload: Payload::Noop }
    }

    fn write(seq: u64, truncate: Option<u64>, entries: std::ops::RangeInclusive<u64>) -> Item {
        let write = LogWrite {
            seq: WriteSeq(seq),
            hard_state: None,
            base: None,
            truncate_from: truncate.map(LogIndex),
            entries: entries.map(entry).collect(),
        };
        Item::Log(RANGE, write)
    }

    #[test]
    fn nothing_is_durable_before_its_sync_ends() {
        let mut disk = disk();
        disk.submit(write(1, None, 1..=2));
        assert!(disk.start_sync());
        disk.submit(write(2, None, 3..=3));
        assert!(!disk.start_sync(), "one sync at a time");
        assert_eq!(disk.replicas[&RANGE].last(), LogIndex(0));
        assert_eq!(disk.finish_sync().len(), 1);
        assert_eq!((disk.replicas[&RANGE].last(), disk.queued()), (LogIndex(2), 1));
    }

    #[test]
    fn a_crash_keeps_any_prefix_and_never_half_a_write() {
        let mut seen = std::collections::BTreeSet::new();
        let mut torn_seen = false;
        for seed in 0..200 {
            let mut disk = disk();
            disk.submit(write(1, None, 1..=2));
            disk.start_sync();
            disk.submit(write(2, Some(2), 2..=4));
            disk.submit(write(3, None, 5..=5));
            let (survivors, torn) = disk.crash(&mut Rng::new(seed, 0));
            torn_seen |= torn;
            assert!(!torn || survivors.len() < 3);
            assert_eq!(disk.queued(), 0);
            seen.insert((survivors.len(), disk.replicas[&RANGE].last().0));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(0, 0), (1, 2), (2, 4), (3, 5)]);
        assert!(torn_seen);
    }

    #[test]
    fn an_intent_is_finished_at_start() {
        let mut disk = disk();
        let mut state = Machine::default();
        for index in 1..=7 {
            state.apply(&entry(index));
        }
        let meta = SnapshotMeta { last: state.applied(), ..SnapshotMeta::empty() };
        disk.submit(write(1, None, 1..=2));
        disk.submit(Item::Intent(RANGE, Intent { meta, data: state.to_snapshot() }));
        disk.start_sync();
        disk.finish_sync();
        let replica = disk.replicas.get_mut(&RANGE).expect("made above");
        assert!(replica.finish_intent());
        assert_eq!((replica.last(), replica.machine), (LogIndex(7), state));
        assert!(replica.entries.is_empty() && !replica.finish_intent());
    }

    #[test]
    fn reads_stop_at_the_budget_but_give_one_entry() {
        let mut disk = disk();
        disk.submit(write(1, None, 1..=5));
        disk.start_sync();
        disk.finish_sync();
        let replica = &disk.replicas[&RANGE];
        assert_eq!(replica.read(LogIndex(2), LogIndex(5), 0).len(), 1);
        assert_eq!(replica.read(LogIndex(2), LogIndex(4), usize::MAX).len(), 3);
        assert!(replica.read(LogIndex(6), LogIndex(9), 10).is_empty());
    }
}
