//! The models in memory pass.

use raft::{LogIndex, RangeId};

use super::{DirectoryHarness, EngineHarness, LogHarness};
use crate::engine::{Engine, EngineError};
use crate::log_store::{LogBatch, LogStoreError};
use crate::memory::{Choose, MemoryDirectory, MemoryEngine, MemoryLogStore};

#[derive(Default)]
pub(super) struct Memory<T>(pub(super) T);

impl EngineHarness for Memory<MemoryEngine> {
    type Engine = MemoryEngine;

    fn open(&mut self) -> Result<MemoryEngine, EngineError> {
        Ok(self.0.clone())
    }

    fn crash(&mut self, choose: Choose<'_>) {
        let batches = choose(self.0.unflushed() + 1);
        self.0.flush_oldest(batches);
        self.0.crash(choose);
    }

    fn damage(&mut self, choose: Choose<'_>) -> bool {
        damage_any(&self.0, choose)
    }
}

impl DirectoryHarness for Memory<MemoryDirectory> {
    type Directory = MemoryDirectory;

    fn open(&mut self) -> Result<MemoryDirectory, EngineError> {
        Ok(self.0.clone())
    }

    fn crash(&mut self, choose: Choose<'_>) {
        self.0.crash(choose);
    }
}

impl LogHarness for Memory<MemoryLogStore> {
    type Store = MemoryLogStore;

    fn open(&mut self) -> Result<MemoryLogStore, LogStoreError> {
        Ok(self.0.clone())
    }

    fn crash(&mut self, store: MemoryLogStore, choose: Choose<'_>) {
        store.crash(choose);
    }

    fn crash_during(&mut self, store: MemoryLogStore, batch: &LogBatch, choose: Choose<'_>) {
        store.begin(batch.clone()).expect("the suite keeps the rules here");
        store.crash(choose);
    }

    fn damage(&mut self, range: RangeId, index: LogIndex) -> bool {
        self.0.damage(range, index)
    }

    fn lose(&mut self, range: RangeId, index: LogIndex) -> bool {
        self.0.lose(range, index)
    }
}

/// Damages the value of any key.
pub(super) fn damage_any(engine: &MemoryEngine, choose: Choose<'_>) -> bool {
    let content = super::engine::content(&engine.view()).expect("nothing is damaged yet");
    let key = content.keys().nth(choose(content.len().max(1)));
    key.is_some_and(|key| engine.damage(key))
}

#[test]
fn the_engine() {
    for seed in 0..60 {
        super::engine(Memory::<MemoryEngine>::default, seed, 600).expect("the engine in memory");
        super::engine_damage(Memory::<MemoryEngine>::default, seed, 10).expect("damage in memory");
        super::tables(Memory::<MemoryEngine>::default, seed, 4).expect("tables between engines in memory");
    }
}

#[test]
fn the_directory() {
    for seed in 0..30 {
        super::directory(Memory::<MemoryDirectory>::default, seed, 600).expect("the directory in memory");
    }
}

#[test]
fn the_log_store() {
    for seed in 0..60 {
        super::log_store(Memory::<MemoryLogStore>::default, seed, 400).expect("the log store in memory");
        super::log_damage(Memory::<MemoryLogStore>::default, seed, 10).expect("damage in memory");
    }
}
