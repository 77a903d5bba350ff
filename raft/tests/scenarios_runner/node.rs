//! A node: a disk that stays, and a process that comes and goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use raft::{
    Boot, ClusterId, DiskId, Entry, Header, Identity, LogIndex, NodeId, Peer, Raft, RangeId, ReplicaId,
    RestoreError, Restored, RoleKind, Settings, SnapshotFetch, Status, Target, Term, Time,
};

use super::disk::{Disk, Machine, Snapshot};

const CLUSTER: ClusterId = ClusterId(1);
const RANGE: RangeId = RangeId(1);

/// What waits for a command instead of being done at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hold {
    Disk,
    Apply,
    Offer,
    Fetch,
    Install,
}

/// One start of a node.
pub(super) struct Process {
    pub(super) raft: Raft,
    pub(super) boot: Boot,
    pub(super) machine: Machine,
    pub(super) to_apply: VecDeque<Entry>,
    /// Followers that need a snapshot from here.
    pub(super) wanted: Vec<NodeId>,
    pub(super) to_fetch: Option<SnapshotFetch>,
    /// Fetched, not installed.
    pub(super) fetched: Option<Snapshot>,
    pub(super) to_install: bool,
    /// Clients that wait: where their command is in the log, if it stays there.
    pub(super) clients: BTreeMap<LogIndex, (Term, String)>,
    /// Role, term and leader as last shown.
    pub(super) shown: (RoleKind, Term, Option<NodeId>),
}

/// A disk and what runs from it.
pub(super) struct Node {
    pub(super) id: NodeId,
    /// How often it lost its disk and got an empty one.
    pub(super) generation: u64,
    replica: ReplicaId,
    pub(super) disk: Disk,
    pub(super) backup: Option<Disk>,
    pub(super) holds: BTreeSet<Hold>,
    pub(super) process: Option<Process>,
    /// Starts ever, of every disk: a start from an old copy of the disk is still another start.
    starts: u64,
}

/// The id of the disk that `node` has after losing `generation` others.
pub(super) fn disk_id(node: NodeId, generation: u64) -> DiskId {
    DiskId(u128::from(node.0) + 100 * u128::from(generation + 1))
}

impl Node {
    pub(super) fn new(id: NodeId, replica: ReplicaId, disk: Disk) -> Self {
        let holds = BTreeSet::new();
        Self { id, generation: 0, replica, disk, backup: None, holds, process: None, starts: 0 }
    }

    pub(super) fn disk_id(&self) -> DiskId {
        disk_id(self.id, self.generation)
    }

    pub(super) fn process(&mut self) -> Result<&mut Process, String> {
        self.process.as_mut().ok_or(format!("n{} is down", self.id))
    }

    pub(super) fn status(&self, now: Time) -> Option<Status> {
        self.process.as_ref().map(|process| process.raft.status(now))
    }

    pub(super) fn header(&self, boot: Boot, to: Target) -> Header {
        Header { cluster: CLUSTER, from: Peer { node: self.id, disk: self.disk_id(), boot }, to }
    }

    /// Starts the process from the disk.
    pub(super) fn start(&mut self, now: Time, settings: &Settings) -> Result<(), RestoreError> {
        self.disk.finish_intent();
        self.disk.boots += 1;
        self.starts += 1;
        let boot = Boot { counter: self.disk.boots, nonce: self.starts };
        let machine = self.disk.flushed.clone();
        let Disk { hard_state, base, entries, .. } = &self.disk;
        let applied = LogIndex(machine.len() as u64);
        let restored = Restored::scan(*hard_state, base.clone(), entries.iter().cloned(), applied)?;
        let peer = Peer { node: self.id, disk: self.disk_id(), boot };
        let identity = Identity { cluster: CLUSTER, peer, range: RANGE, replica: self.replica };
        let raft = Raft::restore(now, self.id.0, identity, settings.clone(), restored)?;
        let status = raft.status(now);
        self.process = Some(Process {
            raft,
            boot,
            machine,
            to_apply: VecDeque::new(),
            wanted: Vec::new(),
            to_fetch: None,
            fetched: None,
            to_install: false,
            clients: BTreeMap::new(),
            shown: (status.role, status.term, status.leader),
        });
        Ok(())
    }

    /// Stops the process; what was not synced is lost.
    pub(super) fn crash(&mut self) {
        self.disk.crash();
        self.process = None;
    }

    /// Replaces the disk by an empty one, with another id.
    pub(super) fn wipe(&mut self) {
        self.crash();
        self.generation += 1;
        self.disk = Disk::new(raft::HardState::default(), Vec::new());
    }
}
