//! The logs of a node in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use raft::{Entry, HardState, LogIndex, LogWrite, Payload, RangeId, ReplicaId, SnapshotMeta};

use super::{Choose, DiskFault, Faults, lock};
use crate::log_store::{
    DiskIdentity, LogBatch, LogItem, LogReader, LogShape, LogStore, LogStoreError, StoredReplica,
};

/// The logs of a node in memory; see [`LogStore`]. A write may also be begun and completed in two steps, so that
/// other things happen in between.
#[derive(Clone, Debug, Default)]
pub struct MemoryLogStore {
    shared: Arc<Mutex<Shared>>,
}

/// Reads a [`MemoryLogStore`].
#[derive(Clone, Debug)]
pub struct MemoryLogReader {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    disk: Disk,
    /// Written and not synced, in order.
    begun: VecDeque<LogBatch>,
    /// Of the disk and of what was begun.
    shape: LogShape,
    faults: Faults,
}

/// What is durable.
#[derive(Clone, Debug, Default)]
struct Disk {
    identity: Option<DiskIdentity>,
    boot: u64,
    logs: BTreeMap<RangeId, Log>,
}

#[derive(Clone, Debug)]
struct Log {
    replica: ReplicaId,
    hard_state: HardState,
    base: SnapshotMeta,
    intent: Option<Bytes>,
    last: LogIndex,
    entries: BTreeMap<LogIndex, Entry>,
    damaged: BTreeSet<LogIndex>,
}

impl MemoryLogStore {
    /// Begins a write; a crash may or may not leave it.
    ///
    /// # Errors
    /// The process must stop.
    pub fn begin(&self, batch: LogBatch) -> Result<(), LogStoreError> {
        let mut shared = lock(&self.shared);
        shared.shape.admit(&batch)?;
        shared.begun.push_back(batch);
        Ok(())
    }

    /// Completes the oldest `writes` that were begun, in one sync.
    ///
    /// # Errors
    /// The process must stop.
    pub fn complete(&self, writes: usize) -> Result<(), LogStoreError> {
        let mut shared = lock(&self.shared);
        match shared.faults.strike() {
            None => {
                shared.persist(writes);
                Ok(())
            }
            Some(DiskFault::NoSpace) => Err(LogStoreError::NoSpace),
            Some(DiskFault::Io) => Err(LogStoreError::Sync { detail: "an injected fault".into() }),
        }
    }

    /// How many writes are begun and not complete.
    #[must_use]
    pub fn incomplete(&self) -> usize {
        lock(&self.shared).begun.len()
    }

    /// The process or the machine stops: of the writes that were begun, the newest are gone. Says whether the
    /// first of these was torn, and dropped by the next start for that.
    pub fn crash(&self, choose: Choose<'_>) -> bool {
        let mut shared = lock(&self.shared);
        let kept = choose(shared.begun.len() + 1);
        let torn = kept < shared.begun.len() && choose(2) == 1;
        shared.persist(kept);
        shared.begun.clear();
        shared.shape = shared.disk.shape();
        shared.faults = Faults::default();
        torn
    }

    /// Another disk that holds what is durable on this one.
    #[must_use]
    pub fn durable_copy(&self) -> Self {
        let disk = lock(&self.shared).disk.clone();
        let shared = Shared { shape: disk.shape(), disk, ..Shared::default() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Lets the sync after `calls` more fail, and all after it.
    pub fn fail_after(&self, calls: usize, fault: DiskFault) {
        lock(&self.shared).faults.armed = Some((calls, fault));
    }

    /// A bit of an entry flips: who reads it is told so. Says whether it is there.
    pub fn damage(&self, range: RangeId, index: LogIndex) -> bool {
        let mut shared = lock(&self.shared);
        let log = shared.disk.logs.get_mut(&range).filter(|log| log.entries.contains_key(&index));
        log.is_some_and(|log| log.damaged.insert(index))
    }

    /// A bit of the command of an entry flips before the checksum of the log was made: only the command's own one
    /// tells. Says whether there is a command.
    pub fn flip_bit(&self, range: RangeId, index: LogIndex, bit: usize) -> bool {
        let mut shared = lock(&self.shared);
        let entry = shared.disk.logs.get_mut(&range).and_then(|log| log.entries.get_mut(&index));
        let Some(Payload::Command(command)) = entry.map(|entry| &mut entry.payload) else { return false };
        let mut bytes = command.to_vec();
        let at = bit / 8 % bytes.len().max(1);
        let Some(byte) = bytes.get_mut(at) else { return false };
        *byte ^= 1 << (bit % 8);
        *command = bytes.into();
        true
    }

    /// An entry is gone, as with a file of the log that was lost. Says whether it was there.
    pub fn lose(&self, range: RangeId, index: LogIndex) -> bool {
        let mut shared = lock(&self.shared);
        shared.disk.logs.get_mut(&range).is_some_and(|log| log.entries.remove(&index).is_some())
    }
}

impl Shared {
    fn persist(&mut self, writes: usize) {
        for batch in self.begun.drain(..writes.min(self.begun.len())) {
            for item in batch.items {
                self.disk.apply(item);
            }
        }
    }
}

impl Disk {
    fn shape(&self) -> LogShape {
        let replicas: Vec<_> = self.logs.iter().map(|(range, log)| (*range, log.stored())).collect();
        LogShape::new(self.identity.map(|identity| (identity, self.boot)), &replicas)
    }

    fn apply(&mut self, item: LogItem) {
        match item {
            LogItem::Identity(identity) => self.identity = Some(identity),
            LogItem::Boot(counter) => self.boot = counter,
            LogItem::Create(range, replica) => {
                self.logs.insert(range, Log::new(replica));
            }
            LogItem::Write(range, write) => {
                if let Some(log) = self.logs.get_mut(&range) {
                    log.apply(write);
                }
            }
            LogItem::Intent(range, intent) => {
                if let Some(log) = self.logs.get_mut(&range) {
                    log.intent = Some(intent);
                }
            }
        }
    }
}

impl Log {
    fn new(replica: ReplicaId) -> Self {
        Self {
            replica,
            hard_state: HardState::default(),
            base: SnapshotMeta::empty(),
            intent: None,
            last: LogIndex::ZERO,
            entries: BTreeMap::new(),
            damaged: BTreeSet::new(),
        }
    }

    fn apply(&mut self, write: LogWrite) {
        if let Some(hard_state) = write.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(base) = write.base {
            let from = base.meta.last.index.next();
            if base.reset {
                self.entries.clear();
                self.intent = None;
                self.last = base.meta.last.index;
            } else {
                self.entries = self.entries.split_off(&from);
            }
            self.base = base.meta;
        }
        if let Some(from) = write.truncate_from {
            self.entries.split_off(&from);
            self.last = self.last.min(from.prev());
        }
        for entry in write.entries {
            self.last = entry.index;
            self.damaged.remove(&entry.index);
            self.entries.insert(entry.index, entry);
        }
    }

    fn stored(&self) -> StoredReplica {
        StoredReplica {
            replica: self.replica,
            hard_state: self.hard_state,
            base: self.base.clone(),
            intent: self.intent.clone(),
            last: self.last,
        }
    }

    /// The entry of an index that is part of the log.
    fn entry(&self, range: RangeId, index: LogIndex) -> Result<&Entry, LogStoreError> {
        let damage = |what| LogStoreError::Corruption { detail: format!("{range:?}: {index:?} {what}") };
        if self.damaged.contains(&index) {
            return Err(damage("has a wrong checksum"));
        }
        self.entries.get(&index).ok_or_else(|| damage("is missing"))
    }
}

impl LogStore for MemoryLogStore {
    type Reader = MemoryLogReader;

    fn write(&mut self, batch: &LogBatch) -> Result<(), LogStoreError> {
        self.begin(batch.clone())?;
        self.complete(usize::MAX)
    }

    fn reader(&self) -> MemoryLogReader {
        MemoryLogReader { shared: Arc::clone(&self.shared) }
    }
}

impl LogReader for MemoryLogReader {
    fn identity(&self) -> Result<Option<(DiskIdentity, u64)>, LogStoreError> {
        let shared = lock(&self.shared);
        Ok(shared.disk.identity.map(|identity| (identity, shared.disk.boot)))
    }

    fn replicas(&self) -> Result<Vec<(RangeId, StoredReplica)>, LogStoreError> {
        let shared = lock(&self.shared);
        for (range, log) in &shared.disk.logs {
            for index in log.base.last.index.0 + 1..=log.last.0 {
                log.entry(*range, LogIndex(index))?;
            }
        }
        Ok(shared.disk.logs.iter().map(|(range, log)| (*range, log.stored())).collect())
    }

    fn entries(
        &self,
        range: RangeId,
        first: LogIndex,
        last: LogIndex,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, LogStoreError> {
        let shared = lock(&self.shared);
        let Some(log) = shared.disk.logs.get(&range) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        if first <= log.base.last.index {
            return Ok(found);
        }
        let mut bytes: usize = 0;
        for index in first.0..=last.min(log.last).0 {
            let entry = log.entry(range, LogIndex(index))?;
            bytes = bytes.saturating_add(entry.size());
            if bytes > max_bytes && !found.is_empty() {
                break;
            }
            found.push(entry.clone());
        }
        Ok(found)
    }
}
