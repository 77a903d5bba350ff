//! A node: its disk, its store and its carrier of snapshots while it runs.

use std::collections::VecDeque;
use std::time::Duration;

use raft::{DiskId, NodeId};
use store::carrier::{self, Carrier, finish_open_intents};
use store::engine::{Engine, Span};
use store::key::{local_span, user_span};
use store::log_store::{LogReader, LogStore};
use store::memory::{MemoryDirectory, MemoryEngine, MemoryLogReader, MemoryLogStore};
use store::replica::{Compaction, Now, Settings, SnapshotEvent};
use store::snapshot;
use store::store::{BatchSeq, FIRST_RANGE, Start, Store, StoreCall};

use crate::random::Random;

pub type MemoryStore = Store<MemoryLogReader, MemoryEngine>;

pub struct Node {
    pub log: MemoryLogStore,
    pub engine: MemoryEngine,
    pub directory: MemoryDirectory,
    pub free_bytes: u64,
    /// None: it is down.
    pub store: Option<MemoryStore>,
    pub carrier: Option<Carrier<MemoryEngine, MemoryDirectory>>,
    /// On their way from the store to the carrier,
    pub events: VecDeque<SnapshotEvent>,
    /// and back: each runs at its own pace.
    pub calls: VecDeque<StoreCall>,
    pub begun: VecDeque<BatchSeq>,
    /// Installs that were finished by a start.
    pub finished: u64,
    /// Of the carriers that stopped.
    pub carried: carrier::Counters,
    /// Of its wall clock, in milliseconds.
    pub offset: i64,
}

pub fn spans() -> [Span; 2] {
    [local_span(FIRST_RANGE), user_span(b"", b"")]
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
        transfer_log_bytes: 5_000,
        ..(*settings.raft).clone()
    }
    .into();
    settings.compaction = Compaction { bytes: 1 << 20, entries: 20, tail_bytes: 1 << 18, tail_entries: 6 };
    settings.flush_entries = 12;
    settings.answer_bytes = 200;
    settings.upkeep = Duration::from_millis(50);
    settings.session_expiry = Duration::from_millis(1_200);
    settings.retention = Duration::from_secs(60);
    settings
}

/// Many small tables and blocks.
pub fn carrier_settings() -> carrier::Settings {
    carrier::Settings {
        snapshots: snapshot::Settings {
            table_bytes: 3_000,
            block_bytes: 400,
            kept: 2,
            window: 8,
            resend_ticks: 3,
            give_up_ticks: 30,
            offer_ticks: 500,
        },
        bytes_per_second: 2_000_000,
        tick: Duration::from_millis(10),
        retry_ticks: 5,
        ..carrier::Settings::default()
    }
}

impl Node {
    pub fn new(offset: i64) -> Self {
        Self {
            log: MemoryLogStore::default(),
            engine: MemoryEngine::default(),
            directory: MemoryDirectory::default(),
            free_bytes: 1 << 40,
            store: None,
            carrier: None,
            events: VecDeque::new(),
            calls: VecDeque::new(),
            begun: VecDeque::new(),
            finished: 0,
            carried: carrier::Counters::default(),
            offset,
        }
    }

    /// The process starts: first it finishes what a snapshot has begun.
    pub fn start(&mut self, at: usize, now: Now, random: &mut Random) {
        let carrier_settings = carrier_settings();
        for _ in 0..random.below(3) {
            // It may stop again right then.
            self.finish_open_intents();
            self.stop(random);
        }
        self.finish_open_intents();
        let (nonce, seed) = (random.number(), random.number());
        let start = Start { now, disk: disk(at), nonce, seed, free_bytes: self.free_bytes };
        self.store = Some(Store::open(&mut self.log, self.engine.clone(), settings(), start).unwrap());
        let (engine, directory) = (self.engine.clone(), self.directory.clone());
        self.carrier = Some(Carrier::open(engine, directory, carrier_settings, self.free_bytes).unwrap());
    }

    /// Events of all its carriers.
    pub fn carried(&self) -> carrier::Counters {
        let now = self.carrier.as_ref().map(|carrier| *carrier.counters()).unwrap_or_default();
        carrier::Counters {
            exported: self.carried.exported + now.exported,
            sent_bytes: self.carried.sent_bytes + now.sent_bytes,
            received_bytes: self.carried.received_bytes + now.received_bytes,
            received: self.carried.received + now.received,
            failed: self.carried.failed + now.failed,
            no_space: self.carried.no_space + now.no_space,
            installed: self.carried.installed + now.installed,
            dropped_requests: self.carried.dropped_requests + now.dropped_requests,
        }
    }

    fn finish_open_intents(&mut self) {
        let open = self.log.reader().replicas().unwrap();
        self.finished += open.iter().filter(|(_, stored)| stored.intent.is_some()).count() as u64;
        let supported = carrier_settings().supported;
        finish_open_intents(&mut self.log, &self.engine, &self.directory, supported).unwrap();
    }

    pub fn remove(&self) {
        self.engine.remove(&spans()).unwrap();
    }

    pub fn crash(&mut self, random: &mut Random) {
        self.carried = self.carried();
        (self.store, self.carrier) = (None, None);
        self.begun.clear();
        self.events.clear();
        self.calls.clear();
        self.stop(random);
    }

    /// What was not synced is gone, or not.
    fn stop(&mut self, random: &mut Random) {
        self.log.crash(&mut |bound| random.below(bound));
        self.engine.crash(&mut |bound| random.below(bound));
        self.directory.crash(&mut |bound| random.below(bound));
    }
}
