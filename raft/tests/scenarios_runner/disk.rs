//! A disk: what is durable, and the writes on their way to it.

use std::collections::VecDeque;

use raft::{Entry, HardState, LogIndex, LogWrite, SnapshotMeta};

/// The state machine is the list of the entries that it applied, from index 1 on.
pub(super) type Machine = Vec<Entry>;

/// A snapshot: what it says of itself, and its content.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) meta: SnapshotMeta,
    pub(super) content: Machine,
}

/// What one node has on disk.
#[derive(Clone)]
pub(super) struct Disk {
    pub(super) hard_state: HardState,
    pub(super) base: SnapshotMeta,
    pub(super) entries: Vec<Entry>,
    /// The state machine as it was last flushed.
    pub(super) flushed: Machine,
    /// An install that was begun: a restart finishes it first.
    pub(super) intent: Option<Snapshot>,
    /// How often the node was started from this disk.
    pub(super) boots: u64,
    /// Handed out and not synced.
    pub(super) pending: VecDeque<LogWrite>,
}

impl Disk {
    pub(super) fn new(hard_state: HardState, entries: Vec<Entry>) -> Self {
        Self {
            hard_state,
            base: SnapshotMeta::empty(),
            entries,
            flushed: Vec::new(),
            intent: None,
            boots: 0,
            pending: VecDeque::new(),
        }
    }

    /// Makes the oldest pending write durable.
    pub(super) fn sync_one(&mut self) -> Option<LogWrite> {
        let write = self.pending.pop_front()?;
        if let Some(hard_state) = write.hard_state {
            self.hard_state = hard_state;
        }
        if write.base.as_ref().is_some_and(|base| base.reset) {
            self.intent = None;
        }
        perform(&write, &mut self.base, &mut self.entries);
        Some(write)
    }

    /// The log as it will be when all pending writes are durable.
    pub(super) fn log_after_pending(&self) -> (SnapshotMeta, Vec<Entry>) {
        let (mut base, mut entries) = (self.base.clone(), self.entries.clone());
        for write in &self.pending {
            perform(write, &mut base, &mut entries);
        }
        (base, entries)
    }

    /// Loses what was not synced.
    pub(super) fn crash(&mut self) {
        self.pending.clear();
    }

    /// Finishes an install that a crash interrupted, as a start does before anything else.
    pub(super) fn finish_intent(&mut self) {
        if let Some(snapshot) = self.intent.take() {
            self.base = snapshot.meta;
            self.flushed = snapshot.content;
            self.entries.clear();
            self.hard_state.commit = self.hard_state.commit.max(self.base.last.index);
        }
    }

    /// Entries of the durable log from `first` to `last`, as many as fit but one at least.
    pub(super) fn read(&self, first: LogIndex, last: LogIndex, max_bytes: usize) -> Vec<Entry> {
        let mut bytes = 0;
        let wanted = self.entries.iter().filter(|entry| (first..=last).contains(&entry.index));
        let fitting = wanted.take_while(|entry| {
            bytes += entry.size();
            entry.index == first || bytes <= max_bytes
        });
        fitting.cloned().collect()
    }
}

fn perform(write: &LogWrite, base: &mut SnapshotMeta, entries: &mut Vec<Entry>) {
    if let Some(new) = &write.base {
        entries.retain(|entry| !new.reset && entry.index > new.meta.last.index);
        *base = new.meta.clone();
    }
    if let Some(from) = write.truncate_from {
        entries.retain(|entry| entry.index < from);
    }
    entries.extend(write.entries.iter().cloned());
}
