//! The naive model of a log store.

use std::collections::BTreeMap;

use raft::{Entry, HardState, LogIndex, LogWrite, RangeId, SnapshotMeta};

use super::{expect, unexpected};
use crate::log_store::{DiskIdentity, LogBatch, LogItem, LogReader, StoredReplica};

/// What a log store holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct LogModel {
    pub(super) identity: Option<DiskIdentity>,
    pub(super) boot: u64,
    pub(super) logs: BTreeMap<RangeId, LogState>,
}

/// What it holds of one range.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct LogState {
    pub(super) stored: StoredReplica,
    pub(super) entries: Vec<Entry>,
}

impl LogModel {
    pub(super) fn apply(&mut self, batch: &LogBatch) {
        for item in &batch.items {
            match item {
                LogItem::Identity(identity) => self.identity = Some(*identity),
                LogItem::Boot(counter) => self.boot = *counter,
                LogItem::Create(range, replica) => {
                    let stored = StoredReplica {
                        replica: *replica,
                        hard_state: HardState::default(),
                        base: SnapshotMeta::empty(),
                        intent: None,
                        last: LogIndex::ZERO,
                    };
                    self.logs.insert(*range, LogState { stored, entries: Vec::new() });
                }
                LogItem::Write(range, write) => {
                    if let Some(log) = self.logs.get_mut(range) {
                        log.apply(write);
                    }
                }
                LogItem::Intent(range, intent) => {
                    if let Some(log) = self.logs.get_mut(range) {
                        log.stored.intent = Some(intent.clone());
                    }
                }
            }
        }
    }

    /// Compares everything but the entries.
    pub(super) fn compare(&self, reader: &impl LogReader) -> Result<(), String> {
        let identity = unexpected("reading the identity", reader.identity())?;
        expect("identity and boot", &identity, &self.identity.map(|identity| (identity, self.boot)))?;
        let replicas = unexpected("reading the replicas", reader.replicas())?;
        let expected: Vec<_> = self.logs.iter().map(|(range, log)| (*range, log.stored.clone())).collect();
        expect("the replicas", &replicas, &expected)
    }

    /// Compares everything.
    pub(super) fn compare_all(&self, reader: &impl LogReader) -> Result<(), String> {
        self.compare(reader)?;
        for (range, log) in &self.logs {
            let first = log.stored.base.last.index.next();
            let found = reader.entries(*range, first, LogIndex(u64::MAX), usize::MAX);
            expect(
                &format!("the entries of {range:?}"),
                &unexpected("reading entries", found)?,
                &log.entries,
            )?;
        }
        Ok(())
    }

    /// What [`LogReader::entries`] has to give.
    pub(super) fn entries(
        &self,
        range: RangeId,
        first: LogIndex,
        last: LogIndex,
        max_bytes: usize,
    ) -> Vec<Entry> {
        let entries = self.logs.get(&range).map_or(&[][..], |log| &log.entries);
        let wanted = || entries.iter().filter(|entry| (first..=last).contains(&entry.index));
        if wanted().next().is_none_or(|entry| entry.index != first) {
            return Vec::new();
        }
        let fits = |count: &usize| wanted().take(*count).map(Entry::size).sum::<usize>() <= max_bytes;
        let count = (1..=wanted().count()).rev().find(fits).unwrap_or(1);
        wanted().take(count).cloned().collect()
    }
}

impl LogState {
    fn apply(&mut self, write: &LogWrite) {
        if let Some(hard_state) = write.hard_state {
            self.stored.hard_state = hard_state;
        }
        if let Some(base) = &write.base {
            let covered = base.meta.last.index;
            self.entries.retain(|entry| !base.reset && entry.index > covered);
            if base.reset {
                self.stored.intent = None;
            }
            self.stored.base = base.meta.clone();
        }
        if let Some(from) = write.truncate_from {
            self.entries.retain(|entry| entry.index < from);
        }
        self.entries.extend(write.entries.iter().cloned());
        self.stored.last = self.entries.last().map_or(self.stored.base.last.index, |entry| entry.index);
    }
}
