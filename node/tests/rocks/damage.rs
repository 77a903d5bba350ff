//! Bytes that are damaged anywhere in the files: what opens afterwards holds everything, or says that it does not.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use node::rocks::{EngineSettings, LogSettings, RocksEngine, RocksLogStore};
use raft::{Entry, LogIndex, ReplicaId};
use store::engine::{Batch, Cursor, Engine, EngineError, Span, View};
use store::log_store::{LogBatch, LogItem, LogReader, LogStore, LogStoreError};
use tempfile::TempDir;

use crate::files::{RANGE, Rng, append, copy, ending, entry, flip_bit};

/// What happens to a file.
fn damage(file: &Path, rng: &mut Rng) -> String {
    let length = usize::try_from(fs::metadata(file).expect("it is there").len()).expect("it fits");
    let at = rng.below(length);
    let done = match rng.below(8) {
        0 => {
            let file = OpenOptions::new().write(true).open(file).expect("it is there");
            file.set_len(at as u64).expect("it can be cut");
            "cut at"
        }
        1 => {
            let mut bytes = fs::read(file).expect("it is there");
            let sector = at / 512 * 512;
            bytes[sector..length.min(sector + 512)].fill(0);
            fs::write(file, bytes).expect("it can be written");
            "a sector of zeros around"
        }
        2 => {
            fs::remove_file(file).expect("it is there");
            "removed, not at"
        }
        _ => {
            flip_bit(file, at, rng.below(8));
            "a bit flipped in byte"
        }
    };
    format!("{}: {done} {at} of {length}", file.display())
}

/// Everything that counts: RocksDB's LOG, LOCK, IDENTITY and OPTIONS hold nothing that is relied upon.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![folder.join("mark")];
    for end in [".log", ".sst", "CURRENT"] {
        files.extend(ending(folder, end));
    }
    let manifests = fs::read_dir(folder.join("db")).expect("there is a database");
    let manifests = manifests.map(|file| file.expect("it can be listed").path());
    files.extend(manifests.filter(|file| file.to_string_lossy().contains("MANIFEST")));
    // An engine has write-ahead logs too, with nothing in them.
    files.retain(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0));
    files
}

/// Damages copies of a folder `rounds` times; `check` says whether the damage was noticed, and fails if anything
/// is wrong or missing and it was not.
fn sweep(folder: &Path, rounds: usize, check: impl Fn(&Path, &str) -> bool) {
    let mut noticed = BTreeMap::<String, (usize, usize)>::new();
    let mut rng = Rng(1);
    for round in 0..rounds {
        let disk = TempDir::new().expect("there is room for tests");
        copy(folder, disk.path());
        let files = files(disk.path());
        let file = &files[round % files.len()];
        let done = damage(file, &mut rng);
        let kind =
            file.extension().or(file.file_stem()).expect("it has a name").to_string_lossy().into_owned();
        let counts = noticed.entry(kind.split('-').next().unwrap_or_default().into()).or_default();
        counts.0 += 1;
        counts.1 += usize::from(check(disk.path(), &done));
    }
    println!("kind of file: (damaged, noticed): {noticed:?}");
    assert!(noticed.values().all(|(_, noticed)| *noticed > 0), "{noticed:?}");
}

fn open_log(folder: &Path) -> Result<RocksLogStore, LogStoreError> {
    RocksLogStore::open(folder, &LogSettings::default())
}

/// A log with entries in tables and in the write-ahead log.
fn log(folder: &Path) -> Vec<Entry> {
    let mut last = 0;
    for start in 0..4 {
        let mut store = open_log(folder).expect("nothing is damaged");
        if start == 0 {
            store
                .write(&LogBatch { items: vec![LogItem::Create(RANGE, ReplicaId(1))] })
                .expect("it is empty");
        }
        for _ in 0..40 {
            store.write(&append((last + 1..last + 4).map(entry).collect())).expect("they follow");
            last += 3;
        }
    }
    (1..=last).map(entry).collect()
}

fn read_log(folder: &Path) -> Result<Vec<Entry>, LogStoreError> {
    let store = open_log(folder)?;
    store.reader().replicas()?;
    store.reader().entries(RANGE, LogIndex(1), LogIndex(u64::MAX), usize::MAX)
}

#[test]
fn damage_to_a_log_is_noticed() {
    let folder = TempDir::new().expect("there is room for tests");
    let entries = log(folder.path());
    sweep(folder.path(), 250, |folder, done| match read_log(folder) {
        Ok(found) => {
            assert!(found == entries, "{done}: {} of {} entries are left", found.len(), entries.len());
            false
        }
        Err(LogStoreError::Corruption { .. }) => true,
        Err(other) => panic!("{done}: {other}"),
    });
}

fn open_engine(folder: &Path) -> Result<RocksEngine, EngineError> {
    RocksEngine::open(folder, &EngineSettings { memtable_bytes: 64 << 10, cache_bytes: 1 << 20 })
}

type Content = Vec<(Vec<u8>, Vec<u8>)>;

fn engine(folder: &Path) -> Content {
    let engine = open_engine(folder).expect("nothing is damaged");
    let mut content = BTreeMap::new();
    for flush in 0..12_u32 {
        let mut batch = Batch::default();
        for number in 0..60 {
            let key = (flush * 31 + number * 7).to_be_bytes().to_vec();
            let value = vec![flush as u8; 150];
            batch.put(key.clone(), value.clone());
            content.insert(key, value);
        }
        engine.write(batch).expect("it can be written");
        engine.flush().expect("it can be flushed");
    }
    content.into_iter().collect()
}

fn read_engine(folder: &Path) -> Result<Content, EngineError> {
    let view = open_engine(folder)?.view();
    let span = Span { start: Vec::new(), end: vec![0xff; 5] };
    let mut cursor = view.cursor(&span);
    let mut content = Content::new();
    cursor.seek(&span.start)?;
    while let Some((key, value)) = cursor.entry() {
        content.push((key.to_vec(), value.to_vec()));
        cursor.next()?;
    }
    Ok(content)
}

#[test]
fn damage_to_an_engine_is_noticed() {
    let folder = TempDir::new().expect("there is room for tests");
    let content = engine(folder.path());
    sweep(folder.path(), 250, |folder, done| match read_engine(folder) {
        Ok(found) => {
            assert!(found == content, "{done}: {} of {} keys are left", found.len(), content.len());
            false
        }
        Err(EngineError::Corruption { .. }) => true,
        Err(other) => panic!("{done}: {other}"),
    });
}

/// The end of the newest write-ahead log, from where the last write begins.
fn torn(folder: &Path) -> (PathBuf, usize, Vec<u8>, Vec<u8>) {
    let mut store = open_log(folder).expect("an empty folder");
    let mark = folder.join("mark");
    store.write(&LogBatch { items: vec![LogItem::Create(RANGE, ReplicaId(1))] }).expect("it is empty");
    // The last write lies across blocks of 32 KiB.
    store.write(&append((1..100).map(entry).collect())).expect("they follow");
    let log = ending(folder, ".log").pop().expect("there is a write-ahead log");
    let (before, marked) =
        (fs::metadata(&log).expect("it is there").len(), fs::read(mark).expect("there is a mark"));
    store.write(&append((100..250).map(entry).collect())).expect("they follow");
    let bytes = fs::read(&log).expect("it is there");
    (log, usize::try_from(before).expect("it fits"), bytes, marked)
}

/// What a loss of power may leave of a write that nobody was told of.
#[test]
fn a_write_that_was_torn_is_forgotten() {
    let folder = TempDir::new().expect("there is room for tests");
    let (log, before, bytes, mark) = torn(folder.path());
    let name = log.strip_prefix(folder.path()).expect("it is within");
    let mut rng = Rng(3);
    for round in 0..60 {
        let disk = TempDir::new().expect("there is room for tests");
        copy(folder.path(), disk.path());
        fs::write(disk.path().join("mark"), &mark).expect("it can be written");
        let mut left = bytes.clone();
        let cut = before + rng.below(left.len() - before);
        // The file may end there, or have grown already while its last bytes, or some of them, are still zeros.
        match round % 3 {
            0 => left.truncate(cut),
            1 => left[cut..].fill(0),
            _ => left[cut..bytes.len().min(cut + 4_096)].fill(0),
        }
        fs::write(disk.path().join(name), left).expect("it can be written");
        let found = read_log(disk.path()).map(|found| found.len());
        assert_eq!(found, Ok(99), "round {round}: cut at {cut}, {before} were synced, of {}", bytes.len());
    }
}
