//! State machine data in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::sorted::{Place, Record, SortedMap};
use super::{Choose, DiskFault, Faults, lock};
use crate::engine::{Batch, Change, Cursor, Engine, EngineError, IngestEntry, Span, View};

/// State machine data in memory; see [`Engine`].
#[derive(Clone, Debug, Default)]
pub struct MemoryEngine {
    shared: Arc<Mutex<Shared>>,
}

/// A batch: each key with its new value, or without.
type Changes = Vec<(Bytes, Option<Bytes>)>;

#[derive(Debug, Default)]
struct Shared {
    current: SortedMap,
    /// What a crash leaves at the least.
    persisted: SortedMap,
    /// What is in `current` beyond it, in order.
    pending: VecDeque<Changes>,
    faults: Faults,
}

impl MemoryEngine {
    /// How many batches are not durable.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        lock(&self.shared).pending.len()
    }

    /// The oldest `batches` that are not durable become so, as they do now and then without a flush.
    pub fn flush_oldest(&self, batches: usize) {
        lock(&self.shared).flush_oldest(batches);
    }

    /// Another engine that holds what is durable in this one.
    #[must_use]
    pub fn durable_copy(&self) -> Self {
        let persisted = lock(&self.shared).persisted.clone();
        let shared = Shared { current: persisted.clone(), persisted, ..Shared::default() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// The process or the machine stops: the newest batches that are not durable are gone.
    pub fn crash(&self, choose: Choose<'_>) {
        let mut shared = lock(&self.shared);
        let kept = choose(shared.pending.len() + 1);
        shared.flush_oldest(kept);
        shared.pending.clear();
        shared.current = shared.persisted.clone();
        shared.faults = Faults::default();
    }

    /// Lets the call that changes the engine after `calls` more fail, and all after it.
    pub fn fail_after(&self, calls: usize, fault: DiskFault) {
        lock(&self.shared).faults.armed = Some((calls, fault));
    }

    /// A bit of a durable value flips: from now on, who reads it is told so, across crashes. Views that exist
    /// still have it in their cache. Says whether the key is there.
    pub fn damage(&self, key: &[u8]) -> bool {
        let mut shared = lock(&self.shared);
        if shared.persisted.damage(key) {
            // A newer value that is not durable is elsewhere.
            let rewritten = shared.pending.iter().flatten().any(|(changed, _)| changed == key);
            return rewritten || shared.current.damage(key);
        }
        false
    }
}

impl Shared {
    fn flush_oldest(&mut self, batches: usize) {
        for batch in self.pending.drain(..batches.min(self.pending.len())) {
            apply(&mut self.persisted, &batch);
        }
    }

    fn change(&mut self, action: &'static str) -> Result<(), EngineError> {
        match self.faults.strike() {
            None => Ok(()),
            Some(DiskFault::NoSpace) => Err(EngineError::NoSpace { action }),
            Some(DiskFault::Io) => Err(EngineError::Io { action, detail: "an injected fault".into() }),
        }
    }
}

fn apply(map: &mut SortedMap, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        }
    }
}

fn clear(map: &mut SortedMap, span: &Span) {
    while let Some((key, _)) = map.at(map.lower_bound(&span.start)).filter(|(key, _)| span.contains(key)) {
        let key = key.clone();
        map.remove(&key);
    }
}

fn check(key: &[u8], record: &Record) -> Result<(), EngineError> {
    if record.damaged {
        return Err(EngineError::Corruption { detail: format!("the checksum of key {key:x?} is wrong") });
    }
    Ok(())
}

fn read(map: &SortedMap, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
    map.get(key).map(|record| check(key, record).map(|()| record.value.clone())).transpose()
}

fn refused(detail: &str) -> EngineError {
    EngineError::Refused { detail: detail.into() }
}

impl Engine for MemoryEngine {
    type View = MemoryView;

    fn write(&self, batch: Batch) -> Result<(), EngineError> {
        let mut shared = lock(&self.shared);
        shared.change("write")?;
        let change = |change| match change {
            Change::Put { key, value } => (Bytes::from(key), Some(value)),
            Change::Delete { key } => (Bytes::from(key), None),
        };
        let changes = batch.changes.into_iter().map(change).collect();
        apply(&mut shared.current, &changes);
        shared.pending.push_back(changes);
        Ok(())
    }

    fn view(&self) -> MemoryView {
        MemoryView { map: lock(&self.shared).current.clone() }
    }

    fn flush(&self) -> Result<(), EngineError> {
        let mut shared = lock(&self.shared);
        shared.change("flush")?;
        shared.flush_oldest(usize::MAX);
        Ok(())
    }

    fn read_persisted(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        read(&lock(&self.shared).persisted, key)
    }

    fn remove(&self, spans: &[Span]) -> Result<(), EngineError> {
        let mut shared = lock(&self.shared);
        shared.change("remove a span")?;
        shared.flush_oldest(usize::MAX);
        for span in spans {
            clear(&mut shared.current, span);
            clear(&mut shared.persisted, span);
        }
        Ok(())
    }

    fn ingest(
        &self,
        spans: &[Span],
        entries: &mut dyn Iterator<Item = IngestEntry>,
    ) -> Result<(), EngineError> {
        if !Span::are_ordered(spans) {
            return Err(refused("spans to ingest into are not in order"));
        }
        // The entries may come from where another handle is locked.
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        if !entries.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(refused("entries to ingest are not in order"));
        }
        if !entries.iter().all(|(key, _)| spans.iter().any(|span| span.contains(key))) {
            return Err(refused("an entry to ingest is outside of the spans"));
        }
        let mut shared = lock(&self.shared);
        let occupied = |span: &Span| {
            shared
                .current
                .at(shared.current.lower_bound(&span.start))
                .is_some_and(|(key, _)| span.contains(key))
        };
        if spans.iter().any(occupied) {
            return Err(refused("a span to ingest into is not empty"));
        }
        shared.change("ingest")?;
        shared.flush_oldest(usize::MAX);
        for (key, value) in entries {
            shared.current.insert(key.clone(), value.clone());
            shared.persisted.insert(key, value);
        }
        Ok(())
    }
}

/// A consistent view of a [`MemoryEngine`].
#[derive(Clone, Debug)]
pub struct MemoryView {
    map: SortedMap,
}

impl View for MemoryView {
    type Cursor<'a> = MemoryCursor<'a>;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        read(&self.map, key)
    }

    fn cursor(&self, span: &Span) -> MemoryCursor<'_> {
        let start = self.map.lower_bound(&span.start);
        let end = self.map.lower_bound(&span.end).max(start);
        MemoryCursor { map: &self.map, start, end, place: None }
    }
}

/// A position in a [`MemoryView`].
#[derive(Clone, Debug)]
pub struct MemoryCursor<'a> {
    map: &'a SortedMap,
    start: Place,
    end: Place,
    place: Option<Place>,
}

impl MemoryCursor<'_> {
    fn go(&mut self, place: Option<Place>) -> Result<(), EngineError> {
        self.place = place.filter(|place| (self.start..self.end).contains(place));
        match self.place.and_then(|place| self.map.at(place)) {
            Some((key, record)) => check(key, record),
            None => Ok(()),
        }
    }
}

impl Cursor for MemoryCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), EngineError> {
        self.go(Some(self.map.lower_bound(key).max(self.start)))
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<(), EngineError> {
        self.go(self.map.before(self.map.lower_bound(key).min(self.end)))
    }

    fn next(&mut self) -> Result<(), EngineError> {
        self.go(self.place.map(|place| self.map.after(place)))
    }

    fn prev(&mut self) -> Result<(), EngineError> {
        self.go(self.place.and_then(|place| self.map.before(place)))
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        let (key, record) = self.map.at(self.place?)?;
        (!record.damaged).then_some((&key[..], &record.value[..]))
    }
}
