//! A disk that is full.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use node::rocks::{DiskDirectory, EngineSettings, LogSettings, RocksEngine, RocksLogStore};
use raft::{LogIndex, ReplicaId};
use store::directory::Directory;
use store::engine::{Batch, Engine, EngineError, View};
use store::log_store::{LogBatch, LogItem, LogReader, LogStore, LogStoreError};
use tempfile::TempDir;

use crate::files::{RANGE, append, entry};

/// Says that this machine cannot mount, so that these tests have nothing to do.
const NO_MOUNT: &str = "KV_NODE_TEST_NO_MOUNT";

/// A file system of its own, in memory.
struct Disk(TempDir);

impl Disk {
    fn new(options: &str) -> Option<Self> {
        let folder = TempDir::new().expect("there is room for tests");
        if mount(options, folder.path()) {
            return Some(Self(folder));
        }
        assert!(
            std::env::var_os(NO_MOUNT).is_some(),
            "a tmpfs cannot be mounted: run as root, or set {NO_MOUNT}=1 to do without a full disk"
        );
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn grow(&self) {
        assert!(mount("remount,size=256m", self.path()));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(self.path()).status();
        assert!(done.is_ok_and(|status| status.success()), "{} stays mounted", self.path().display());
    }
}

fn mount(options: &str, on: &Path) -> bool {
    let arguments = ["-t", "tmpfs", "-o", options, "tmpfs"];
    Command::new("mount").args(arguments).arg(on).status().is_ok_and(|status| status.success())
}

#[test]
fn an_engine_on_a_full_disk_stops() {
    let Some(disk) = Disk::new("size=16m") else { return };
    let settings = EngineSettings { memtable_bytes: 1 << 20, cache_bytes: 1 << 20 };
    let engine = RocksEngine::open(disk.path(), &settings).expect("there is room");
    let mut flushed = 0_u64;
    let error = (1..).find_map(|number: u64| {
        let mut batch = Batch::default();
        batch.put(number.to_be_bytes().to_vec(), noise(number));
        let done = engine.write(batch).and_then(|()| engine.flush());
        flushed = number - u64::from(done.is_err());
        done.err()
    });
    assert!(matches!(error, Some(EngineError::NoSpace { .. })), "{error:?}");
    assert!(flushed > 20);
    disk.grow();
    // There is room now, and no way back.
    assert_eq!(engine.write(Batch::default()).err(), error);
    assert_eq!(engine.flush().err(), error);
    drop(engine);
    let view = RocksEngine::open(disk.path(), &settings).expect("there is room").view();
    for number in 1..=flushed {
        let found = view.get(&number.to_be_bytes()).expect("nothing is damaged");
        assert_eq!(found.as_deref(), Some(&noise(number)[..]));
    }
    drop(view);
}

/// Where flush and writer meet the end of the space is chance: without our own wait for room, about one of eight rounds
/// never ended, inside of RocksDB.
#[test]
fn a_log_on_a_full_disk_stops() {
    let (ended, end) = mpsc::channel();
    let rounds = thread::spawn(move || {
        (0..24).for_each(|_| {
            fill_log();
            ended.send(()).expect("somebody waits");
        });
    });
    while rounds_go_on(&end) {}
    rounds.join().expect("every round is well");
}

/// Whether there may be another round.
fn rounds_go_on(end: &Receiver<()>) -> bool {
    match end.recv_timeout(Duration::from_secs(30)) {
        Ok(()) => true,
        Err(RecvTimeoutError::Disconnected) => false,
        Err(RecvTimeoutError::Timeout) => panic!("a write to a full disk does not end"),
    }
}

fn fill_log() {
    let Some(disk) = Disk::new("size=16m") else { return };
    let settings = LogSettings { memtable_bytes: 1 << 20 };
    let mut store = RocksLogStore::open(disk.path(), &settings).expect("there is room");
    store.write(&LogBatch { items: vec![LogItem::Create(RANGE, ReplicaId(1))] }).expect("there is room");
    let mut written = 0;
    let error = loop {
        let batch = append((written + 1..written + 101).map(entry).collect());
        match store.write(&batch) {
            Ok(()) => written += 100,
            Err(error) => break error,
        }
    };
    assert_eq!(error, LogStoreError::NoSpace);
    assert_eq!(store.write(&LogBatch::default()), Err(LogStoreError::NoSpace));
    drop(store);
    disk.grow();
    let store = RocksLogStore::open(disk.path(), &settings).expect("there is room");
    let found = store.reader().entries(RANGE, LogIndex(1), LogIndex(u64::MAX), usize::MAX);
    let found = found.expect("nothing is damaged");
    assert!(found.len() as u64 >= written && written > 1_000, "{} of {written} are there", found.len());
    assert!(found.into_iter().enumerate().all(|(at, found)| found == entry(at as u64 + 1)));
}

#[test]
fn a_directory_on_a_full_disk_stops() {
    let Some(disk) = Disk::new("size=1m") else { return };
    let directory = DiskDirectory::open(&disk.path().join("files")).expect("there is room");
    directory.append("small", b"bytes").expect("there is room");
    let error = directory.append("large", &vec![7; 2 << 20]);
    assert_eq!(error, Err(EngineError::NoSpace { action: "append to a file" }));
    disk.grow();
    assert_eq!(directory.sync("small"), error);
    let again = DiskDirectory::open(&disk.path().join("files")).expect("there is room");
    assert_eq!(again.read("small", 0, 10).as_deref(), Ok(&b"bytes"[..]));
}

/// Bytes that no compression makes fewer.
fn noise(seed: u64) -> Vec<u8> {
    let mut rng = crate::files::Rng(seed);
    (0..200_000).map(|_| rng.below(256) as u8).collect()
}
