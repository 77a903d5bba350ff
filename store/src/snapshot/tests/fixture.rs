//! Nodes that apply one log, and give each other snapshots.

use std::sync::Arc;

use bytes::Bytes;
use raft::{
    Boot, Configuration, DiskId, Entry, LogIndex, LogPosition, NodeId, Payload, RangeId, SnapshotFetch,
    SnapshotId, SnapshotMeta, Target, Term,
};

use crate::effects::{Body, Change, ClusterVersion, Effects, Record, Written, encode};
use crate::engine::Engine;
use crate::key::{Local, local};
use crate::memory::{MemoryDirectory, MemoryEngine, MemoryView};
use crate::range::{RangeState, apply, state_hash};
use crate::snapshot::{ChunkContent, ChunkReply, Receiving, Settings, Snapshots};
use crate::timestamp::Timestamp;

pub(crate) const RANGE: RangeId = RangeId(7);
pub(crate) const SUPPORTED: ClusterVersion = ClusterVersion(2);
pub(crate) const ENOUGH: u64 = u64::MAX / 4;

/// Several tables, of several blocks each.
pub(crate) const SETTINGS: Settings = Settings {
    table_bytes: 600,
    block_bytes: 64,
    kept: 2,
    window: 4,
    resend_ticks: 3,
    give_up_ticks: 12,
    offer_ticks: 20,
};

/// Numbers from a seed (splitmix64).
pub(crate) struct Random(pub(super) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A log that grows: sessions, writes that they record, removals, thresholds and holds.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Entry>,
    sessions: Vec<Timestamp>,
    number: u64,
}

impl Log {
    pub(crate) fn with(entries: usize, seed: u64) -> Self {
        let (mut log, mut random) = (Self::default(), Random(seed));
        for _ in 0..entries {
            log.grow(&mut random);
        }
        log
    }

    pub(crate) fn last(&self) -> LogIndex {
        LogIndex(self.entries.len() as u64)
    }

    pub(crate) fn grow(&mut self, random: &mut Random) {
        let index = self.last().next();
        let timestamp = Timestamp::from_millis(index.0 * 1_000);
        let body = match random.below(40) {
            _ if self.sessions.is_empty() => Body::OpenSession,
            0 => Body::OpenSession,
            1 => Body::GcThreshold { threshold: Timestamp::from_millis((index.0 - 1) * 500) },
            2 => Body::Hold {
                id: index.0,
                timestamp: Timestamp::from_millis(index.0 * 900),
                expires: Timestamp::from_millis(index.0 * 2_000),
            },
            _ => self.written(random),
        };
        if body == Body::OpenSession {
            self.sessions.push(timestamp);
        }
        let effects = Effects { epoch: 1, timestamp, body };
        self.entries.push(Entry { index, term: Term(1), payload: Payload::Command(encode(&effects)) });
    }

    fn written(&mut self, random: &mut Random) -> Body {
        self.number += 1;
        let session = self.sessions[random.below(self.sessions.len())];
        let acknowledged_below = self.number.saturating_sub(20);
        let record = Some(Record { session, number: self.number, acknowledged_below });
        let key = Bytes::from(vec![b'k', random.below(60) as u8]);
        let value = Bytes::from(vec![random.below(250) as u8; random.below(60)]);
        let changes = vec![Change { key, value: (!random.one_in(5)).then_some(value) }];
        Body::Written(Written { changes, deleted: 0, record })
    }
}

/// What `index` of the log of these tests is covered by.
pub(crate) fn meta(index: LogIndex) -> SnapshotMeta {
    let configuration = Configuration::bootstrap((1..4).map(|node| (NodeId(node), DiskId(node.into()))));
    SnapshotMeta {
        last: LogPosition::new(index, Term(1)),
        configuration: Arc::new(configuration),
        configuration_at: LogPosition::new(LogIndex(1), Term(1)),
    }
}

pub(crate) fn fetch_of(from: NodeId, id: SnapshotId, meta: SnapshotMeta) -> SnapshotFetch {
    let boot = Boot { counter: 1, nonce: 1 };
    SnapshotFetch { from: Target { node: from, disk: DiskId(from.0.into()) }, boot, id, meta }
}

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) engine: MemoryEngine,
    pub(crate) directory: MemoryDirectory,
    pub(crate) state: RangeState,
    pub(crate) snapshots: Snapshots<MemoryView, MemoryDirectory>,
}

impl Node {
    pub(crate) fn new(id: u64) -> Self {
        Self::start(NodeId(id), MemoryEngine::default(), MemoryDirectory::default())
    }

    /// What a process finds on its disk.
    pub(crate) fn start(id: NodeId, engine: MemoryEngine, directory: MemoryDirectory) -> Self {
        let state = RangeState::load(&engine.view(), RANGE, SUPPORTED).unwrap();
        let snapshots = Snapshots::open(RANGE, directory.clone(), SETTINGS).unwrap();
        Self { id, engine, directory, state, snapshots }
    }

    pub(crate) fn at(id: u64, log: &Log) -> Self {
        let mut node = Self::new(id);
        node.apply(log, log.last());
        node
    }

    pub(crate) fn applied(&self) -> LogIndex {
        self.state.applied().position.index
    }

    pub(crate) fn apply(&mut self, log: &Log, to: LogIndex) {
        while self.applied() < to {
            let next = &log.entries[self.applied().0 as usize];
            let applied = apply(&mut self.state, std::slice::from_ref(next)).unwrap();
            self.engine.write(applied.batch).unwrap();
        }
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        state_hash(&self.engine.view(), RANGE).unwrap()
    }

    pub(crate) fn begin_export(&mut self) {
        self.snapshots.export(self.engine.view(), meta(self.applied()), SUPPORTED).unwrap();
    }

    pub(crate) fn export(&mut self) -> (SnapshotId, SnapshotMeta) {
        self.begin_export();
        self.snapshots.export_step(ENOUGH).unwrap().expect("the budget is enough")
    }

    /// The process stops and starts; the disk loses as much as it may.
    pub(crate) fn crash(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        self.engine.crash(choose);
        self.directory.crash(choose);
        *self = Self::start(self.id, self.engine.clone(), self.directory.clone());
    }

    /// Installs what was received, without faults.
    pub(crate) fn install(&mut self) {
        let (install, directory) = self.snapshots.install().expect("something was received");
        install.intent_persisted();
        self.state = loop {
            if let Some(state) = install.step(&self.engine, directory, SUPPORTED).unwrap() {
                break state;
            }
        };
        install.log_reset_persisted();
        self.snapshots.end_install().unwrap();
    }
}

/// Carries everything between the two until the receipt ends; also gives how many bytes of tables were sent.
pub(crate) fn carry(from: &mut Node, to: &mut Node) -> (Receiving, usize) {
    let mut sent = 0;
    loop {
        let receiving = to.snapshots.receive_step(ENOUGH, ENOUGH).unwrap();
        if receiving != Receiving::Waiting {
            return (receiving, sent);
        }
        let requests = to.snapshots.take_requests();
        if requests.is_empty() {
            to.snapshots.tick().unwrap();
        }
        for (node, request) in requests {
            assert_eq!(node, from.id);
            let reply = from.snapshots.serve(to.id, request).unwrap();
            sent += block_bytes(&reply);
            to.snapshots.on_reply(from.id, reply);
        }
    }
}

fn block_bytes(reply: &ChunkReply) -> usize {
    match (&reply.content, reply.piece) {
        (ChunkContent::Chunk { data, .. }, crate::snapshot::Piece::Block { .. }) => data.len(),
        _ => 0,
    }
}

/// The value that says how far an engine is.
pub(crate) fn applied_value(engine: &MemoryEngine) -> Option<Bytes> {
    engine.read_persisted(&local(RANGE, Local::Applied)).unwrap()
}
