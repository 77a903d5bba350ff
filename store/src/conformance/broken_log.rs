//! Log stores that break one rule each: the suite finds every one of them.

use raft::{Entry, LogIndex, RangeId};

use super::{Failure, LogHarness, log_damage, log_store};
use crate::log_store::{DiskIdentity, LogBatch, LogItem, LogReader, LogStore, LogStoreError, StoredReplica};
use crate::memory::{Choose, MemoryLogReader, MemoryLogStore};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bug {
    None,
    LastWriteLost,
    TornBatch,
    BootNotKept,
    HardStateDropped,
    IntentSurvivesReset,
    IntentNotKept,
    TakesAnything,
    PartOfRefused,
    BudgetIgnored,
    BudgetGivesNothing,
    LastIsExclusive,
    ReadsFromLaterOn,
    GapSkipped,
    DamageIsEnd,
}

const BUGS: [Bug; 14] = [
    Bug::LastWriteLost,
    Bug::TornBatch,
    Bug::BootNotKept,
    Bug::HardStateDropped,
    Bug::IntentSurvivesReset,
    Bug::IntentNotKept,
    Bug::TakesAnything,
    Bug::PartOfRefused,
    Bug::BudgetIgnored,
    Bug::BudgetGivesNothing,
    Bug::LastIsExclusive,
    Bug::ReadsFromLaterOn,
    Bug::GapSkipped,
    Bug::DamageIsEnd,
];

#[derive(Clone)]
struct Broken {
    inner: MemoryLogStore,
    bug: Bug,
    /// Every batch that was written.
    written: Vec<LogBatch>,
    /// The replicas as they were before damage.
    sound: Vec<(RangeId, StoredReplica)>,
}

impl Broken {
    fn new(bug: Bug) -> Self {
        Self { inner: MemoryLogStore::default(), bug, written: Vec::new(), sound: Vec::new() }
    }

    fn without(items: &[LogItem], dropped: impl Fn(&LogItem) -> bool) -> LogBatch {
        LogBatch { items: items.iter().filter(|item| !dropped(item)).cloned().collect() }
    }
}

impl LogHarness for Broken {
    type Store = Broken;

    fn open(&mut self) -> Result<Broken, LogStoreError> {
        Ok(self.clone())
    }

    fn crash(&mut self, mut store: Broken, _: Choose<'_>) {
        match self.bug {
            Bug::LastWriteLost => {
                store.written.pop();
            }
            Bug::BootNotKept => {
                let boots = |item: &LogItem| matches!(item, LogItem::Boot(_));
                store.written.iter_mut().for_each(|batch| *batch = Self::without(&batch.items, boots));
            }
            _ => {}
        }
        if matches!(self.bug, Bug::LastWriteLost | Bug::BootNotKept) {
            store.inner = MemoryLogStore::default();
            for batch in &store.written {
                store.inner.write(batch).expect("it was written before");
            }
        }
        self.sound = store.inner.reader().replicas().expect("nothing is damaged yet");
        *self = Broken { sound: std::mem::take(&mut self.sound), ..store };
    }

    fn crash_during(&mut self, mut store: Broken, batch: &LogBatch, choose: Choose<'_>) {
        let items =
            if self.bug == Bug::TornBatch { choose(batch.items.len() + 1) } else { batch.items.len() };
        let written = LogBatch { items: batch.items[..items].to_vec() };
        if choose(2) == 0 {
            store.write(&written).expect("the suite keeps the rules here");
        }
        *self = store;
    }

    fn damage(&mut self, range: RangeId, index: LogIndex) -> bool {
        self.inner.damage(range, index)
    }

    fn lose(&mut self, range: RangeId, index: LogIndex) -> bool {
        self.inner.lose(range, index)
    }
}

impl LogStore for Broken {
    type Reader = BrokenReader;

    fn write(&mut self, batch: &LogBatch) -> Result<(), LogStoreError> {
        let mut batch = batch.clone();
        match self.bug {
            Bug::HardStateDropped => {
                for item in &mut batch.items {
                    if let LogItem::Write(_, write) = item
                        && !write.entries.is_empty()
                    {
                        write.hard_state = None;
                    }
                }
            }
            Bug::IntentSurvivesReset => {
                let reader = self.inner.reader();
                for (range, stored) in reader.replicas()? {
                    let untouched = |item: &LogItem| !matches!(item, LogItem::Intent(of, _) if *of == range);
                    if let Some(intent) = stored.intent
                        && batch.items.iter().all(untouched)
                    {
                        batch.items.push(LogItem::Intent(range, intent));
                    }
                }
            }
            Bug::IntentNotKept => {
                batch = Self::without(&batch.items, |item| matches!(item, LogItem::Intent(..)));
            }
            _ => {}
        }
        let result = self.inner.write(&batch);
        match (self.bug, &result) {
            (Bug::TakesAnything, Err(LogStoreError::Refused { .. })) => return Ok(()),
            (Bug::PartOfRefused, Err(LogStoreError::Refused { .. })) => {
                for item in batch.items {
                    self.inner.write(&LogBatch { items: vec![item] })?;
                }
            }
            (_, Ok(())) => self.written.push(batch),
            (_, Err(_)) => {}
        }
        result
    }

    fn reader(&self) -> BrokenReader {
        BrokenReader { inner: self.inner.reader(), bug: self.bug, sound: self.sound.clone() }
    }
}

#[derive(Clone)]
struct BrokenReader {
    inner: MemoryLogReader,
    bug: Bug,
    sound: Vec<(RangeId, StoredReplica)>,
}

impl LogReader for BrokenReader {
    fn identity(&self) -> Result<Option<(DiskIdentity, u64)>, LogStoreError> {
        self.inner.identity()
    }

    fn replicas(&self) -> Result<Vec<(RangeId, StoredReplica)>, LogStoreError> {
        match self.inner.replicas() {
            Err(LogStoreError::Corruption { .. })
                if matches!(self.bug, Bug::GapSkipped | Bug::DamageIsEnd) =>
            {
                Ok(self.sound.clone())
            }
            result => result,
        }
    }

    fn entries(
        &self,
        range: RangeId,
        first: LogIndex,
        last: LogIndex,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, LogStoreError> {
        let read = |first, last, max_bytes| self.inner.entries(range, first, last, max_bytes);
        let result = read(first, last, max_bytes);
        match self.bug {
            Bug::BudgetIgnored => read(first, last, usize::MAX),
            Bug::BudgetGivesNothing => {
                Ok(result?.into_iter().take_while(|entry| entry.size() <= max_bytes).collect())
            }
            Bug::LastIsExclusive => read(first, last.prev(), max_bytes),
            Bug::ReadsFromLaterOn if result.as_ref().is_ok_and(Vec::is_empty) => {
                read(LogIndex(first.0 + 1), last, max_bytes)
            }
            Bug::GapSkipped if result.is_err() => read(first.next(), last.next(), max_bytes),
            Bug::DamageIsEnd if result.is_err() => Ok(Vec::new()),
            _ => result,
        }
    }
}

fn run(bug: Bug) -> Result<(), Failure> {
    for seed in 0..15 {
        log_store(|| Broken::new(bug), seed, 300)?;
        log_damage(|| Broken::new(bug), seed, 10)?;
    }
    Ok(())
}

#[test]
fn every_broken_log_store_is_found() {
    run(Bug::None).expect("nothing is broken");
    for bug in BUGS {
        assert!(run(bug).is_err(), "{bug:?} is not found");
    }
}
