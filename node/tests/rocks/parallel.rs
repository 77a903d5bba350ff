//! One thread writes while others read, flush and move ranges. Rates are printed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use node::rocks::{EngineSettings, LogSettings, RocksEngine, RocksLogStore};
use raft::{BaseWrite, HardState, LogIndex, LogPosition, ReplicaId, SnapshotMeta, Term};
use store::engine::{Batch, Engine, IngestEntry, Span, View};
use store::log_store::{LogBatch, LogItem, LogReader, LogStore};
use tempfile::TempDir;

use crate::files::{RANGE, entry, write};

const TIME: Duration = Duration::from_secs(3);
/// Entries behind the base.
const TAIL: u64 = 500;

/// Sets its flag when it goes, also because of a panic: the other threads have to end.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_reader_of_the_log_sees_batches_whole() {
    let folder = TempDir::new().expect("there is room for tests");
    let settings = LogSettings { memtable_bytes: 256 << 10 };
    let mut store = RocksLogStore::open(folder.path(), &settings).expect("an empty folder");
    store.write(&LogBatch { items: vec![LogItem::Create(RANGE, ReplicaId(1))] }).expect("it is empty");
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let reader = store.reader();
    thread::scope(|scope| {
        for _ in 0..2 {
            let reader = reader.clone();
            let (done, reads) = (&done, &reads);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    // The writer keeps base, last entry and commit in step.
                    let (_, stored) = reader.replicas().expect("nothing is damaged").remove(0);
                    let (base, last) = (stored.base.last.index, stored.last);
                    assert_eq!(stored.hard_state.commit, last);
                    assert_eq!(base.0, last.0.saturating_sub(TAIL) / 100 * 100);
                    let first = LogIndex(base.0 + TAIL / 2);
                    let found = reader.entries(RANGE, first, last, usize::MAX).expect("nothing is damaged");
                    // The base may have passed the first one by now.
                    let whole = (first.0..=last.0).map(entry).collect::<Vec<_>>();
                    assert!(found.is_empty() || found == whole);
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _done = Done(&done);
        let (start, mut last, mut writes) = (Instant::now(), 0_u64, 0_u64);
        while start.elapsed() < TIME {
            let mut change = write((last + 1..last + 11).map(entry).collect());
            last += 10;
            let base = last.saturating_sub(TAIL) / 100 * 100;
            change.hard_state = Some(HardState { commit: LogIndex(last), ..HardState::default() });
            if base > 0 {
                let position = LogPosition::new(LogIndex(base), Term(1));
                let meta = SnapshotMeta { last: position, ..SnapshotMeta::empty() };
                change.base = Some(BaseWrite { meta, reset: false });
            }
            store.write(&LogBatch { items: vec![LogItem::Write(RANGE, change)] }).expect("it can be written");
            writes += 1;
        }
        let rate = writes as f64 / start.elapsed().as_secs_f64();
        println!("log: {rate:.0} synced writes of 10 entries a second, beside {reads:?} reads");
    });
    assert!(reads.into_inner() > 0);
}

#[test]
fn a_view_of_an_engine_sees_batches_whole() {
    const KEYS: u64 = 20;
    let folder = TempDir::new().expect("there is room for tests");
    let settings = EngineSettings { memtable_bytes: 1 << 20, cache_bytes: 1 << 20 };
    let engine = RocksEngine::open(folder.path(), &settings).expect("an empty folder");
    let key = |number: u64| [&b"k"[..], &number.to_be_bytes()].concat();
    let number = |value: Option<Bytes>| {
        value.map_or(0, |value| u64::from_be_bytes(value[..8].try_into().expect("it is so long")))
    };
    let (done, views, moves) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut before = 0;
            while !done.load(Ordering::Relaxed) {
                let view = engine.view();
                let read = |at| number(view.get(&key(at)).expect("nothing is damaged"));
                let found = read(0);
                assert!(found >= before && (1..KEYS).all(|at| read(at) == found));
                let durable = engine.read_persisted(&key(0)).expect("nothing is damaged");
                before = found;
                assert!(number(durable) <= number(engine.view().get(&key(0)).expect("nothing is damaged")));
                views.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            // Another range comes and goes meanwhile.
            let span = [Span { start: b"r".to_vec(), end: b"s".to_vec() }];
            let entries =
                || (0..100_u8).map(|at| (Bytes::from(vec![b'r', at]), Bytes::from_static(b"value")));
            while !done.load(Ordering::Relaxed) {
                let before = number(engine.view().get(&key(0)).expect("nothing is damaged"));
                engine.ingest(&span, &mut entries().map(IngestEntry::Ok)).expect("it is empty");
                let durable = engine.read_persisted(&key(0)).expect("nothing is damaged");
                assert!(number(durable) >= before);
                assert!(engine.view().get(&[b'r', 99]).is_ok_and(|found| found.is_some()));
                engine.remove(&span).expect("it can be removed");
                assert_eq!(engine.view().get(&[b'r', 99]), Ok(None));
                moves.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _done = Done(&done);
        let (start, mut written) = (Instant::now(), 0_u64);
        while start.elapsed() < TIME {
            written += 1;
            let mut batch = Batch::default();
            let value = Bytes::from([&written.to_be_bytes()[..], &[7; 200]].concat());
            for at in 0..KEYS {
                batch.put(key(at), value.clone());
            }
            engine.write(batch).expect("it can be written");
        }
        let rate = (written * KEYS) as f64 / start.elapsed().as_secs_f64();
        println!(
            "engine: {rate:.0} puts a second in batches of {KEYS}, beside {views:?} views, {moves:?} moves"
        );
    });
    assert!(views.into_inner() > 0 && moves.into_inner() > 0);
}
