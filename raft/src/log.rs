//! The log in memory: terms of all entries, the payloads of the latest, and the configurations in it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::configuration::Configuration;
use crate::entry::{Entry, Payload, SnapshotMeta};
use crate::output::{BaseWrite, LogWrite};
use crate::terms::Terms;
use crate::types::{LogIndex, LogPosition, Term, WriteSeq};

/// The most configurations between two compactions; more are refused, so that memory is bounded.
pub(crate) const MAX_CONFIGURATIONS: usize = 1024;

/// The most changes of the term between two compactions, more than honest leaders make; beyond that appends
/// are refused, so that memory is bounded.
pub(crate) const MAX_TERMS: usize = 1 << 18;

/// A configuration and the entry that holds it.
pub(crate) type PlacedConfiguration = (LogPosition, Arc<Configuration>);

/// The log, and what of it was not handed to the disk yet.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Log {
    /// The last entry that is part of a write handed out.
    submitted: LogIndex,
    /// The next write deletes from here on.
    truncate_from: Option<LogIndex>,
    /// The next write moves the base.
    base_write: Option<Box<BaseWrite>>,
    /// The latest configuration in the log, or the one at its base.
    in_force: PlacedConfiguration,
    cache_bytes: usize,
    terms: Terms,
    /// The latest entries, without a gap up to the last.
    cache: VecDeque<Entry>,
    /// The configurations before the one in force, from the one at the base on.
    superseded: VecDeque<PlacedConfiguration>,
    /// Size of the entries that are not part of a write handed out.
    unsubmitted_bytes: usize,
}

impl Log {
    pub(crate) fn new(base: &SnapshotMeta) -> Self {
        Self {
            terms: Terms::new(base.last),
            cache: VecDeque::new(),
            cache_bytes: 0,
            in_force: (base.configuration_at, Arc::clone(&base.configuration)),
            superseded: VecDeque::new(),
            submitted: base.last.index,
            unsubmitted_bytes: 0,
            truncate_from: None,
            base_write: None,
        }
    }

    /// Adds an entry that is on disk already; keeps its payload only if asked.
    pub(crate) fn restore(&mut self, entry: Entry, keep: bool) {
        self.note(&entry);
        self.submitted = entry.index;
        if keep {
            self.cache_bytes += entry.size();
            self.cache.push_back(entry);
        }
    }

    pub(crate) fn base(&self) -> LogPosition {
        self.terms.base()
    }

    pub(crate) fn last(&self) -> LogPosition {
        self.terms.last()
    }

    pub(crate) fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.terms.at(index)
    }

    pub(crate) fn contains(&self, position: LogPosition) -> bool {
        self.terms.contains(position)
    }

    pub(crate) fn last_not_above(&self, hint: LogPosition) -> LogIndex {
        self.terms.last_not_above(hint)
    }

    /// The configuration in force: the latest in the log (§4.1).
    pub(crate) fn configuration(&self) -> &PlacedConfiguration {
        &self.in_force
    }

    /// The configuration as of `index`.
    pub(crate) fn configuration_as_of(&self, index: LogIndex) -> &PlacedConfiguration {
        if self.in_force.0.index <= index {
            return &self.in_force;
        }
        let after = self.superseded.partition_point(|(at, _)| at.index <= index);
        self.superseded.get(after.saturating_sub(1)).unwrap_or(&self.in_force)
    }

    pub(crate) fn configurations(&self) -> usize {
        self.superseded.len() + 1
    }

    /// How often the term changes along the log.
    pub(crate) fn terms(&self) -> usize {
        self.terms.runs()
    }

    fn note(&mut self, entry: &Entry) {
        self.terms.push(entry.position());
        if let Payload::Configuration(configuration) = &entry.payload {
            let next = (entry.position(), Arc::clone(configuration));
            self.superseded.push_back(std::mem::replace(&mut self.in_force, next));
        }
    }

    pub(crate) fn append(&mut self, entry: Entry) {
        self.note(&entry);
        self.cache_bytes += entry.size();
        self.unsubmitted_bytes += entry.size();
        self.cache.push_back(entry);
    }

    /// Deletes `from` and everything after it; says how many configurations were rolled back.
    pub(crate) fn truncate(&mut self, from: LogIndex, roll_back: bool) -> usize {
        self.terms.truncate(from);
        while self.cache.back().is_some_and(|entry| entry.index >= from) {
            if let Some(entry) = self.cache.pop_back() {
                self.cache_bytes -= entry.size();
                if entry.index > self.submitted {
                    self.unsubmitted_bytes -= entry.size();
                }
            }
        }
        if from <= self.submitted {
            // An earlier one of the same write was higher: `submitted` is below it.
            self.truncate_from = Some(from);
            self.submitted = from.prev();
        }
        let before = self.superseded.len();
        while roll_back
            && self.in_force.0.index >= from
            && let Some(earlier) = self.superseded.pop_back()
        {
            self.in_force = earlier;
        }
        before - self.superseded.len()
    }

    /// What a snapshot of the state machine at `index` would cover, if `index` is in the log.
    pub(crate) fn meta(&self, index: LogIndex) -> Option<SnapshotMeta> {
        let term = self.term_at(index)?;
        let (configuration_at, configuration) = self.configuration_as_of(index).clone();
        Some(SnapshotMeta { last: LogPosition::new(index, term), configuration, configuration_at })
    }

    /// Moves the base up to `index`, which is in the log and durable.
    pub(crate) fn compact(&mut self, index: LogIndex) {
        let Some(meta) = self.meta(index) else { return };
        while self.cache.front().is_some_and(|entry| entry.index <= index) {
            self.pop_front();
        }
        let needed_from = self.configuration_as_of(index).0.index;
        while self.superseded.front().is_some_and(|(at, _)| at.index < needed_from) {
            self.superseded.pop_front();
        }
        self.terms.compact(meta.last);
        let reset = self.base_write.as_ref().is_some_and(|earlier| earlier.reset);
        self.base_write = Some(Box::new(BaseWrite { meta, reset }));
    }

    /// The whole log goes; it begins after `meta`.
    pub(crate) fn reset(&mut self, meta: &SnapshotMeta) {
        *self = Self::new(meta);
        self.base_write = Some(Box::new(BaseWrite { meta: meta.clone(), reset: true }));
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.cache.pop_front() {
            self.cache_bytes -= entry.size();
        }
    }

    /// Drops cached payloads up to `index` while the cache is over its budget.
    pub(crate) fn evict(&mut self, index: LogIndex, budget: usize) {
        while self.cache_bytes > budget && self.cache.front().is_some_and(|entry| entry.index <= index) {
            self.pop_front();
        }
    }

    /// Entries from `first` on, at most up to `last` and `max_bytes` but one at least, if they are cached.
    pub(crate) fn cached(&self, first: LogIndex, last: LogIndex, max_bytes: usize) -> Option<Vec<Entry>> {
        if first > last {
            return Some(Vec::new());
        }
        let cached_from = self.cache.front()?.index;
        let start = usize::try_from(first.0.checked_sub(cached_from.0)?).ok()?;
        let mut bytes = 0;
        let wanted = self.cache.range(start.min(self.cache.len())..).take_while(|entry| {
            let first_one = bytes == 0;
            bytes += entry.size();
            entry.index <= last && (first_one || bytes <= max_bytes)
        });
        Some(wanted.cloned().collect())
    }

    /// The cached entries from `first` to `last`, by reference.
    pub(crate) fn cached_between(&self, first: LogIndex, last: LogIndex) -> impl Iterator<Item = &Entry> {
        let from = self.cache.front().map_or(first, |entry| entry.index);
        let start = usize::try_from(first.0.saturating_sub(from.0)).unwrap_or(usize::MAX);
        self.cache.range(start.min(self.cache.len())..).take_while(move |entry| entry.index <= last)
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.submitted < self.last().index || self.truncate_from.is_some() || self.base_write.is_some()
    }

    /// Bytes accepted and not handed to the disk yet.
    pub(crate) fn unsubmitted_bytes(&self) -> usize {
        self.unsubmitted_bytes
    }

    /// Reads what is used even when nothing changes.
    pub(crate) fn warm(&self) -> u64 {
        self.submitted.0 ^ self.last().index.0
    }

    /// The log's part of the next write.
    pub(crate) fn take_write(&mut self, seq: WriteSeq) -> LogWrite {
        let entries: Vec<Entry> =
            self.cached_between(self.submitted.next(), self.last().index).cloned().collect();
        self.submitted = self.last().index;
        self.unsubmitted_bytes = 0;
        LogWrite {
            seq,
            hard_state: None,
            base: self.base_write.take().map(|base| *base),
            truncate_from: self.truncate_from.take(),
            entries,
        }
    }
}
