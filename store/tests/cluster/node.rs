//! A node: its disk, and its store while it runs.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use raft::{BaseWrite, DiskId, LogWrite, NodeId, SnapshotId, SnapshotMeta, WriteSeq};
use store::engine::{Cursor, Engine, Span, View};
use store::key::{local_span, user_span};
use store::log_store::{LogBatch, LogItem, LogReader, LogStore};
use store::memory::{MemoryEngine, MemoryLogReader, MemoryLogStore};
use store::replica::{Compaction, Now, Settings};
use store::store::{BatchSeq, FIRST_RANGE, Start, Store};

use crate::random::Random;

pub type MemoryStore = Store<MemoryLogReader, MemoryEngine>;

pub struct Node {
    pub log: MemoryLogStore,
    pub engine: MemoryEngine,
    /// None: it is down.
    pub store: Option<MemoryStore>,
    pub begun: VecDeque<BatchSeq>,
    /// Of its wall clock, in milliseconds.
    pub offset: i64,
    pub fetch: Option<SnapshotId>,
    pub install: Option<Install>,
}

/// How far the install of a snapshot is.
pub enum Install {
    /// The intent is in this batch.
    Intended(BatchSeq, SnapshotId),
    Removed(SnapshotId),
}

/// A snapshot somewhere, with its content.
pub struct Stored {
    pub meta: SnapshotMeta,
    pub entries: Vec<(Bytes, Bytes)>,
}

pub fn spans() -> [Span; 2] {
    [local_span(FIRST_RANGE), user_span(b"", b"")]
}

pub fn content(view: &impl View) -> Vec<(Bytes, Bytes)> {
    let mut entries = Vec::new();
    for span in spans() {
        let mut cursor = view.cursor(&span);
        cursor.seek(&span.start).unwrap();
        while let Some((key, value)) = cursor.entry() {
            entries.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            cursor.next().unwrap();
        }
    }
    entries
}

pub fn disk(node: usize) -> DiskId {
    DiskId(node as u128 + 1_000)
}

pub fn id(node: usize) -> NodeId {
    NodeId(node as u64 + 1)
}

pub fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.raft = raft::Settings {
        heartbeat: Duration::from_millis(20),
        election_timeout: Duration::from_millis(200),
        promise: Duration::from_millis(200),
        cache_bytes: 2_000,
        caught_up_entries: 10,
        ..(*settings.raft).clone()
    }
    .into();
    settings.compaction = Compaction { bytes: 1 << 20, entries: 40, tail_bytes: 1 << 18, tail_entries: 8 };
    settings.flush_entries = 25;
    settings.upkeep = Duration::from_millis(50);
    settings.session_expiry = Duration::from_millis(1_200);
    settings.retention = Duration::from_secs(60);
    settings
}

impl Node {
    pub fn new(offset: i64) -> Self {
        Self {
            log: MemoryLogStore::default(),
            engine: MemoryEngine::default(),
            store: None,
            begun: VecDeque::new(),
            offset,
            fetch: None,
            install: None,
        }
    }

    /// The process starts: first it finishes what a snapshot has begun.
    pub fn start(&mut self, at: usize, now: Now, random: &mut Random, snapshots: &[Stored]) {
        for (range, stored) in self.log.reader().replicas().unwrap() {
            let Some(intent) = stored.intent else { continue };
            let number = u64::from_le_bytes(intent[..].try_into().unwrap());
            let snapshot = &snapshots[number as usize];
            self.remove();
            self.ingest(snapshot);
            let mut hard_state = stored.hard_state;
            hard_state.commit = hard_state.commit.max(snapshot.meta.last.index);
            let write = LogWrite {
                seq: WriteSeq(0),
                hard_state: Some(hard_state),
                base: Some(BaseWrite { meta: snapshot.meta.clone(), reset: true }),
                truncate_from: None,
                entries: Vec::new(),
            };
            self.log.write(&LogBatch { items: vec![LogItem::Write(range, write)] }).unwrap();
        }
        let (nonce, seed) = (random.number(), random.number());
        let start = Start { now, disk: disk(at), nonce, seed, free_bytes: 1 << 40 };
        self.store = Some(Store::open(&mut self.log, self.engine.clone(), settings(), start).unwrap());
    }

    pub fn remove(&self) {
        self.engine.remove(&spans()).unwrap();
    }

    pub fn ingest(&self, snapshot: &Stored) {
        let mut entries = snapshot.entries.iter().cloned().map(Ok);
        self.engine.ingest(&spans(), &mut entries).unwrap();
    }

    pub fn crash(&mut self, random: &mut Random) {
        self.store = None;
        self.begun.clear();
        (self.fetch, self.install) = (None, None);
        self.log.crash(&mut |bound| random.below(bound));
        self.engine.crash(&mut |bound| random.below(bound));
    }
}
