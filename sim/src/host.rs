//! One host: a disk, a clock, and while it runs a process with a core for each range.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use raft::{
    Boot, Entry, LogIndex, Message, Peer, Raft, RangeId, RoleKind, SnapshotFetch, SnapshotMeta, Target, Term,
    WriteSeq,
};

use crate::clock::Clock;
use crate::disk::{Disk, Intent};
use crate::event::Event;
use crate::fault::CrashPoint;
use crate::machine::Machine;

/// What the disk is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// As it should be.
    Fine,
    /// Damage was found: the process takes no part.
    Corrupt,
    /// It was rolled back and a leader said so.
    Lost,
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Waiter {
    /// The client.
    pub client: usize,
    /// Its operation.
    pub op: u64,
    /// The register.
    pub key: u8,
    /// What was committed when it asked.
    pub committed: LogIndex,
}

/// A snapshot being fetched.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// What and from whom.
    pub what: SnapshotFetch,
    /// When something last arrived.
    pub progress: u64,
}

/// A snapshot being installed.
#[derive(Clone, Debug)]
pub struct Install {
    /// What goes into the state machine.
    pub intent: Intent,
    /// The intent is on the disk.
    pub durable: bool,
}

/// A core and the shell around it, for as long as the process runs.
#[derive(Debug)]
pub struct Replica {
    /// The core.
    pub raft: Raft,
    /// What it was after the last event.
    pub role: RoleKind,
    /// Its term then.
    pub term: Term,
    /// The state machine in memory.
    pub machine: Machine,
    /// Entries to be applied.
    pub to_apply: VecDeque<Entry>,
    /// Writes whose place in the log is known.
    pub writes: BTreeMap<(LogIndex, Term), Waiter>,
    /// Reads by token.
    pub reads: BTreeMap<u64, Waiter>,
    /// The transfer under way.
    pub fetch: Option<Fetch>,
    /// A whole snapshot.
    pub received: Option<(SnapshotMeta, Bytes)>,
    /// The install under way.
    pub install: Option<Install>,
    /// The last write that is durable and not yet reported.
    pub durable: Option<WriteSeq>,
}

impl Replica {
    /// A core that just started.
    #[must_use]
    pub fn new(raft: Raft, machine: Machine) -> Self {
        Self {
            raft,
            role: RoleKind::Follower,
            term: Term(0),
            machine,
            to_apply: VecDeque::new(),
            writes: BTreeMap::new(),
            reads: BTreeMap::new(),
            fetch: None,
            received: None,
            install: None,
            durable: None,
        }
    }
}

/// A crash that waits for its place.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    /// The place.
    pub point: CrashPoint,
    /// Until the restart.
    pub down: u64,
    /// Forgotten after this.
    pub until: u64,
}

/// A machine with one disk.
#[derive(Debug)]
pub struct Host {
    /// What survives a crash.
    pub disk: Disk,
    /// Its monotonic clock.
    pub clock: Clock,
    /// What the disk is good for.
    pub condition: Condition,
    /// The process runs.
    pub up: bool,
    /// Counts starts and stops: events of another number are stale.
    pub process: u64,
    /// The present start.
    pub boot: Boot,
    /// The process is stopped by a signal.
    pub paused: bool,
    /// What arrived meanwhile.
    pub backlog: Vec<Event>,
    /// By range.
    pub replicas: BTreeMap<RangeId, Replica>,
    /// Messages to leave at the end of this event, with their stream.
    pub outbox: Vec<(Target, usize, Message)>,
    /// When the timer is set; 0: not.
    pub tick_at: u64,
    /// A crash that waits.
    pub armed: Option<Armed>,
    /// The process of each host whose connection was seen.
    pub heard: Vec<u64>,
    /// The disk finishes nothing before.
    pub disk_stalled_until: u64,
    /// The next sync fails, then it is down so long.
    pub fsync_error: Option<u64>,
    /// The disk holds an older state than it once did.
    pub rolled_back: bool,
    /// The disk as it was.
    pub checkpoint: Option<Box<Disk>>,
}

impl Host {
    /// A host that is off.
    #[must_use]
    pub fn new(disk: Disk, clock: Clock, hosts: usize) -> Self {
        Self {
            disk,
            clock,
            condition: Condition::Fine,
            up: false,
            process: 0,
            boot: Boot::default(),
            paused: false,
            backlog: Vec::new(),
            replicas: BTreeMap::new(),
            outbox: Vec::new(),
            tick_at: 0,
            armed: None,
            heard: vec![0; hosts],
            disk_stalled_until: 0,
            fsync_error: None,
            rolled_back: false,
            checkpoint: None,
        }
    }

    /// Runs, is not stopped, and takes part.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.up && !self.paused && self.condition == Condition::Fine
    }

    /// How it heads its envelopes, if it is a node yet.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        self.disk.node.map(|node| Peer { node, disk: self.disk.id, boot: self.boot })
    }
}
