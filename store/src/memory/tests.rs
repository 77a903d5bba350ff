//! Faults that are injected into the models.

use bytes::Bytes;
use raft::{ClusterId, DiskId, LogIndex, NodeId, RangeId, ReplicaId};

use super::*;
use crate::directory::Directory;
use crate::engine::{Batch, Engine, EngineError, Span, View};
use crate::log_store::{DiskIdentity, LogBatch, LogItem, LogReader, LogStore, LogStoreError};

fn put(key: &[u8]) -> Batch {
    let mut batch = Batch::default();
    batch.put(key.to_vec(), Bytes::from_static(b"value"));
    batch
}

#[test]
fn a_failed_flush_is_never_retried_with_success() {
    let engine = MemoryEngine::default();
    engine.write(put(b"a")).expect("no fault yet");
    engine.fail_after(1, DiskFault::Io);
    engine.write(put(b"b")).expect("the fault comes later");
    assert!(matches!(engine.flush(), Err(EngineError::Io { action: "flush", .. })));
    assert!(matches!(engine.flush(), Err(EngineError::Io { .. })));
    assert!(matches!(engine.write(put(b"c")), Err(EngineError::Io { .. })));
    // The next start finds any part of what the flush was to make durable.
    engine.crash(&mut |_| 1);
    let view = engine.view();
    assert!(view.get(b"a").is_ok_and(|found| found.is_some()));
    assert_eq!(view.get(b"b"), Ok(None));
    assert_eq!(engine.flush(), Ok(()));
}

#[test]
fn a_full_disk_fails_what_changes_and_leaves_what_is() {
    let engine = MemoryEngine::default();
    engine.write(put(b"a")).expect("no fault yet");
    engine.fail_after(0, DiskFault::NoSpace);
    let span = [Span { start: b"a".to_vec(), end: b"b".to_vec() }];
    assert_eq!(engine.remove(&span), Err(EngineError::NoSpace { action: "remove a span" }));
    assert!(engine.view().get(b"a").is_ok_and(|found| found.is_some()));

    let directory = MemoryDirectory::default();
    directory.fail_after(1, DiskFault::NoSpace);
    assert_eq!(directory.append("file", b"bytes"), Ok(()));
    assert_eq!(directory.sync("file"), Err(EngineError::NoSpace { action: "sync a file" }));
    directory.crash(&mut |_| 0);
    assert_eq!(directory.length("file"), Ok(None));
}

#[test]
fn damage_outlives_a_crash_and_ends_when_the_value_is_written_anew() {
    let engine = MemoryEngine::default();
    engine.write(put(b"a")).expect("no fault");
    assert!(!engine.damage(b"a"), "it is not on the disk");
    engine.flush().expect("no fault");
    let earlier = engine.view();
    assert!(engine.damage(b"a"));
    assert!(earlier.get(b"a").is_ok());
    engine.crash(&mut |_| 0);
    assert!(matches!(engine.view().get(b"a"), Err(EngineError::Corruption { .. })));
    assert!(matches!(engine.read_persisted(b"a"), Err(EngineError::Corruption { .. })));
    engine.write(put(b"a")).expect("no fault");
    assert!(engine.view().get(b"a").is_ok());
    assert!(engine.read_persisted(b"a").is_err());
}

#[test]
fn batches_become_durable_in_order_without_a_flush() {
    let engine = MemoryEngine::default();
    for key in [b"a", b"b", b"c"] {
        engine.write(put(key)).expect("no fault");
    }
    engine.flush_oldest(2);
    assert_eq!(engine.unflushed(), 1);
    assert!(engine.read_persisted(b"b").is_ok_and(|found| found.is_some()));
    assert_eq!(engine.read_persisted(b"c"), Ok(None));
}

#[test]
fn a_write_of_the_log_counts_once_it_is_complete() {
    let mut store = MemoryLogStore::default();
    let reader = store.reader();
    let identity = DiskIdentity { disk: DiskId(1), member: None };
    let member = DiskIdentity { member: Some((ClusterId(2), NodeId(3))), ..identity };
    let batch = |item| LogBatch { items: vec![item] };
    store.begin(batch(LogItem::Identity(identity))).expect("the rules are kept");
    assert_eq!(reader.identity(), Ok(None));
    store.complete(1).expect("no fault");
    assert_eq!(reader.identity(), Ok(Some((identity, 0))));

    store.fail_after(0, DiskFault::Io);
    let written = store.write(&batch(LogItem::Identity(member)));
    assert!(matches!(written, Err(LogStoreError::Sync { .. })));
    assert!(matches!(store.write(&batch(LogItem::Boot(1))), Err(LogStoreError::Sync { .. })));
    assert_eq!(store.incomplete(), 2);
    assert!(store.crash(&mut |_| 1), "the second write is torn");
    assert_eq!(reader.identity(), Ok(Some((member, 0))));
    // What the crash took is not in the way of what comes.
    store.write(&batch(LogItem::Boot(1))).expect("no fault any more");
    store.write(&batch(LogItem::Create(RangeId(1), ReplicaId(1)))).expect("no fault any more");
    assert!(!store.damage(RangeId(1), LogIndex(1)) && !store.lose(RangeId(1), LogIndex(1)));
}
