//! The suites that the models in memory pass too.

use std::fs;
use std::fs::OpenOptions;
use std::path::PathBuf;

use node::rocks::{DiskDirectory, EngineSettings, LogSettings, RocksEngine, RocksLogStore};
use raft::{LogIndex, RangeId};
use store::conformance::{self, DirectoryHarness, EngineHarness, LogHarness};
use store::engine::EngineError;
use store::log_store::{LogBatch, LogStore, LogStoreError};
use store::memory::Choose;
use tempfile::TempDir;

use crate::files::{self, ending, flip_bit};

/// A folder on the disk. Closing makes nothing durable that was not, so to drop a handle is to crash.
struct OnDisk(TempDir);

impl OnDisk {
    fn new() -> Self {
        Self(TempDir::new().expect("there is room for tests"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

impl EngineHarness for OnDisk {
    type Engine = RocksEngine;

    fn open(&mut self) -> Result<RocksEngine, EngineError> {
        // Small, so that memtables are also flushed without being told to.
        RocksEngine::open(&self.path(), &EngineSettings { memtable_bytes: 64 << 10, cache_bytes: 1 << 20 })
    }

    fn crash(&mut self, _: Choose<'_>) {}

    fn damage(&mut self, choose: Choose<'_>) -> bool {
        let tables = ending(&self.path(), ".sst");
        let Some(table) = tables.get(choose(tables.len().max(1))) else { return false };
        // The first block of data begins at the start, and is at least so long.
        flip_bit(table, choose(20), choose(8));
        true
    }
}

impl DirectoryHarness for OnDisk {
    type Directory = DiskDirectory;

    fn open(&mut self) -> Result<DiskDirectory, EngineError> {
        DiskDirectory::open(&self.path())
    }

    fn crash(&mut self, _: Choose<'_>) {}
}

/// The key of an entry, as it is on disks out there.
fn entry_key(range: RangeId, index: LogIndex) -> Vec<u8> {
    [&[16][..], &range.0.to_be_bytes(), &[4], &index.0.to_be_bytes()].concat()
}

impl LogHarness for OnDisk {
    type Store = RocksLogStore;

    fn open(&mut self) -> Result<RocksLogStore, LogStoreError> {
        RocksLogStore::open(&self.path(), &LogSettings::default())
    }

    fn crash(&mut self, _: RocksLogStore, _: Choose<'_>) {}

    fn crash_during(&mut self, mut store: RocksLogStore, batch: &LogBatch, choose: Choose<'_>) {
        let mark = self.path().join("mark");
        let length = |file: &PathBuf| fs::metadata(file).expect("it is there").len();
        let log = ending(&self.path(), ".log").pop().expect("there is a write-ahead log");
        let (marked, before) = (fs::read(&mark).expect("there is a mark"), length(&log));
        store.write(batch).expect("the suite keeps the rules here");
        drop(store);
        // The write came this far, and nobody was told of it.
        let written = usize::try_from(length(&log) - before).expect("it fits");
        let log = OpenOptions::new().write(true).open(&log).expect("it is there");
        log.set_len(before + choose(written + 1) as u64).expect("it can be cut");
        fs::write(mark, marked).expect("it can be written");
    }

    fn damage(&mut self, range: RangeId, index: LogIndex) -> bool {
        let key = entry_key(range, index);
        for log in ending(&self.path(), ".log").into_iter().rev() {
            let bytes = fs::read(&log).expect("it is there");
            if let Some(at) = bytes.windows(key.len()).rposition(|window| window == key) {
                flip_bit(&log, at + key.len() + index.0 as usize % 8, index.0 as usize % 7);
                return true;
            }
        }
        false
    }

    fn lose(&mut self, range: RangeId, index: LogIndex) -> bool {
        let options = rocksdb::Options::default();
        let db = rocksdb::DB::open(&options, self.path().join("db")).expect("nothing is damaged yet");
        let key = entry_key(range, index);
        let there = db.get(&key).expect("nothing is damaged yet").is_some();
        db.delete(&key).expect("it can be deleted");
        there
    }
}

#[test]
fn the_engine() {
    for seed in 0..8 {
        conformance::engine(OnDisk::new, seed, 400).expect("the engine on disk");
    }
}

#[test]
fn a_damaged_engine() {
    for seed in 0..6 {
        conformance::engine_damage(OnDisk::new, seed, 10).expect("damage on disk");
    }
}

#[test]
fn tables_between_engines() {
    for seed in 0..6 {
        conformance::tables(OnDisk::new, seed, 4).expect("tables between engines on disk");
    }
}

#[test]
fn the_directory() {
    for seed in 0..6 {
        conformance::directory(OnDisk::new, seed, 400).expect("the directory on disk");
    }
}

#[test]
fn the_log_store() {
    for seed in 0..8 {
        conformance::log_store(OnDisk::new, seed, 300).expect("the log store on disk");
    }
}

#[test]
fn a_damaged_log() {
    for seed in 0..6 {
        conformance::log_damage(OnDisk::new, seed, 10).expect("damage on disk");
    }
}

#[test]
fn a_log_of_a_newer_version_is_refused() {
    let mut disk = OnDisk::new();
    drop(LogHarness::open(&mut disk).expect("an empty folder"));
    let db = rocksdb::DB::open(&rocksdb::Options::default(), disk.path().join("db")).expect("it is there");
    let checksum = crc32fast::hash(&[0, 2, 0, 0, 0]);
    db.put([0], [&checksum.to_le_bytes()[..], &[2, 0, 0, 0]].concat()).expect("it can be written");
    drop(db);
    let opened = LogHarness::open(&mut disk).err();
    assert_eq!(opened, Some(LogStoreError::NewerFormat { found: 2, supported: 1 }));
}

#[test]
fn a_log_with_a_record_in_anothers_place_is_damaged() {
    let mut disk = OnDisk::new();
    let mut store = LogHarness::open(&mut disk).expect("an empty folder");
    let create = store::log_store::LogItem::Create(files::RANGE, raft::ReplicaId(1));
    store.write(&LogBatch { items: vec![create] }).expect("it is empty");
    store.write(&files::append((1..5).map(files::entry).collect())).expect("they follow");
    drop(store);
    let db = rocksdb::DB::open(&rocksdb::Options::default(), disk.path().join("db")).expect("it is there");
    let third = db.get(entry_key(files::RANGE, LogIndex(3))).expect("it can be read").expect("it is there");
    db.put(entry_key(files::RANGE, LogIndex(2)), third).expect("it can be written");
    drop(db);
    assert!(matches!(LogHarness::open(&mut disk), Err(LogStoreError::Corruption { .. })));
}
