//! A machine: its disk, its clocks, and while its process runs a store.

use std::collections::VecDeque;

use raft::{DiskId, LogIndex, NodeId};
use store::carrier::Carrier;
use store::log_store::{LogReader, LogStore};
use store::memory::{MemoryDirectory, MemoryEngine, MemoryLogReader, MemoryLogStore};
use store::replica::{Now, SnapshotEvent};
use store::store::{BatchSeq, Store, StoreCall};

use super::event::Event;
use crate::clock::Clock;
use crate::host::{Armed, Condition};
use crate::rng::Rng;

/// A store on the models.
pub type NodeStore = Store<MemoryLogReader, MemoryEngine>;

/// Moves snapshots on the models.
pub type NodeCarrier = Carrier<MemoryEngine, MemoryDirectory>;

/// What survives a crash.
#[derive(Debug)]
pub struct Disk {
    /// What an empty one calls itself.
    pub id: DiskId,
    /// The logs.
    pub log: MemoryLogStore,
    /// The data.
    pub engine: MemoryEngine,
    /// Snapshots.
    pub directory: MemoryDirectory,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn empty(id: DiskId) -> Self {
        let (log, engine, directory) = Default::default();
        Self { id, log, engine, directory }
    }

    /// What a crash that takes everything would leave.
    #[must_use]
    pub fn durable_copy(&self) -> Self {
        Self {
            id: self.id,
            log: self.log.durable_copy(),
            engine: self.engine.durable_copy(),
            directory: self.directory.durable_copy(),
        }
    }

    /// What is not durable goes, or not. Says if a record of the log was torn.
    pub fn crash(&self, rng: &mut Rng) -> bool {
        let mut choose = |bound| rng.index(bound);
        let torn = self.log.crash(&mut choose);
        self.engine.crash(&mut choose);
        self.directory.crash(&mut choose);
        torn
    }

    /// Whose disk it is.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        let (identity, _) = self.log.reader().identity().ok()??;
        identity.member.map(|(_, node)| node)
    }

    /// Its boots so far.
    #[must_use]
    pub fn boots(&self) -> u64 {
        self.log.reader().identity().ok().flatten().map_or(0, |(_, boot)| boot)
    }
}

/// A machine with one disk.
pub struct Host {
    /// What survives a crash.
    pub disk: Disk,
    /// Its monotonic clock.
    pub clock: Clock,
    /// Its wall clock against that, in milliseconds.
    pub wall: u64,
    /// Free space.
    pub free: u64,
    /// What the disk is good for.
    pub condition: Condition,
    /// Nothing starts the process.
    pub held: bool,
    /// The process runs.
    pub up: bool,
    /// Counts starts and stops: events of another number are stale.
    pub process: u64,
    /// The process is stopped by a signal.
    pub paused: bool,
    /// What arrived meanwhile.
    pub backlog: Vec<Event>,
    /// While the process runs and the disk is good.
    pub store: Option<NodeStore>,
    /// Batches of the log on their way to the disk.
    pub begun: VecDeque<BatchSeq>,
    /// So many of them are in the present sync.
    pub syncing: usize,
    /// Applied, as last seen.
    pub applied: LogIndex,
    /// Beside the store, on a thread of its own.
    pub carrier: Option<NodeCarrier>,
    /// On their way from the store to the carrier,
    pub carrier_events: Vec<SnapshotEvent>,
    /// and back.
    pub carrier_calls: Vec<StoreCall>,
    /// When the carrier gets on; 0: it is not known.
    pub carry_at: u64,
    /// When it last did.
    pub carried_at: u64,
    /// When the timer is set; 0: not.
    pub tick_at: u64,
    /// A crash that waits for its place.
    pub armed: Option<Armed>,
    /// The process of each host whose connection was seen.
    pub heard: Vec<u64>,
    /// The disk finishes nothing before.
    pub stalled_until: u64,
    /// The disk is slow until then.
    pub slow_until: u64,
    /// The disk was made to fail; after that the process is down for so long.
    pub failing: Option<u64>,
    /// An entry of its log was damaged.
    pub damaged: bool,
    /// The disk holds an older state than it once did.
    pub rolled_back: bool,
    /// The disk as it was.
    pub checkpoint: Option<Box<Disk>>,
}

impl Host {
    /// A host that is off.
    #[must_use]
    pub fn new(disk: Disk, clock: Clock, wall: u64, hosts: usize) -> Self {
        Self {
            disk,
            clock,
            wall,
            free: u64::MAX,
            condition: Condition::Fine,
            held: false,
            up: false,
            process: 0,
            paused: false,
            backlog: Vec::new(),
            store: None,
            begun: VecDeque::new(),
            syncing: 0,
            applied: LogIndex::ZERO,
            carrier: None,
            carrier_events: Vec::new(),
            carrier_calls: Vec::new(),
            carry_at: 0,
            carried_at: 0,
            tick_at: 0,
            armed: None,
            heard: vec![0; hosts],
            stalled_until: 0,
            slow_until: 0,
            failing: None,
            damaged: false,
            rolled_back: false,
            checkpoint: None,
        }
    }

    /// Runs, is not stopped, and takes part.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.up && !self.paused && self.condition == Condition::Fine
    }

    /// What its clocks show at real time `now`.
    #[must_use]
    pub fn now(&self, now: u64) -> Now {
        let time = self.clock.at(now);
        Now { time, wall_millis: self.wall + time.as_nanos() / 1_000_000 }
    }
}
