//! What a range knows about itself. All of it is in the engine, and in memory what evaluation asks for often;
//! the outcomes of sessions' writes, which may hold values, are in the engine only.

pub(super) mod codec;
mod load;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use raft::{LogPosition, RangeId};

use crate::effects::ClusterVersion;
use crate::timestamp::Timestamp;

/// How far a replica is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Applied {
    /// The last entry that was applied.
    pub position: LogPosition,
    /// "Now": the timestamp of the last command that was applied.
    pub timestamp: Timestamp,
    /// That of the last command that changed keys.
    pub last_write: Timestamp,
}

/// What a range is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangeKind {
    /// It holds the keys of users.
    User,
}

/// What a range is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// What it is for.
    pub kind: RangeKind,
    /// Rises with every change of the descriptor.
    pub epoch: u64,
    /// Its first key.
    pub start: Bytes,
    /// Behind its last key; empty: behind every key.
    pub end: Bytes,
}

impl Descriptor {
    /// The range that every cluster begins with: all keys.
    #[must_use]
    pub fn whole() -> Self {
        Self { kind: RangeKind::User, epoch: 1, start: Bytes::new(), end: Bytes::new() }
    }
}

/// A session that has not expired.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Its last recorded write, or its opening.
    pub last_active: Timestamp,
    /// The client has the outcome of every number below: their records are gone.
    pub acknowledged_below: u64,
    /// The numbers whose outcomes are kept.
    pub writes: BTreeSet<u64>,
}

/// What keeps versions from garbage collection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    /// What can be read at this timestamp is kept.
    pub timestamp: Timestamp,
    /// Until a command has this timestamp.
    pub expires: Timestamp,
}

/// What a range knows about itself, as of its applied position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeState {
    pub(super) range: RangeId,
    /// The newest cluster version that this program understands.
    pub(super) supported: ClusterVersion,
    pub(super) applied: Applied,
    pub(super) descriptor: Descriptor,
    pub(super) cluster_version: ClusterVersion,
    pub(super) gc_threshold: Timestamp,
    pub(super) session_floor: Timestamp,
    pub(super) sessions: BTreeMap<Timestamp, Session>,
    pub(super) holds: BTreeMap<u64, Hold>,
}

impl RangeState {
    /// Before the first entry: the same on every replica.
    fn empty(range: RangeId, supported: ClusterVersion) -> Self {
        Self {
            range,
            supported,
            applied: Applied::default(),
            descriptor: Descriptor::whole(),
            cluster_version: ClusterVersion::FIRST,
            gc_threshold: Timestamp::ZERO,
            session_floor: Timestamp::ZERO,
            sessions: BTreeMap::new(),
            holds: BTreeMap::new(),
        }
    }

    /// The planted bug: no write of a session was ever seen.
    pub(crate) fn forget_records(&mut self) {
        self.sessions.values_mut().for_each(|session| session.writes.clear());
    }

    /// The range.
    #[must_use]
    pub fn range(&self) -> RangeId {
        self.range
    }

    /// How far it is.
    #[must_use]
    pub fn applied(&self) -> Applied {
        self.applied
    }

    /// What it is.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Which effects may be proposed.
    #[must_use]
    pub fn cluster_version(&self) -> ClusterVersion {
        self.cluster_version
    }

    /// The oldest timestamp that can be read.
    #[must_use]
    pub fn gc_threshold(&self) -> Timestamp {
        self.gc_threshold
    }

    /// Sessions that were opened before this are here, or have expired.
    #[must_use]
    pub fn session_floor(&self) -> Timestamp {
        self.session_floor
    }

    /// The sessions, the oldest first.
    #[must_use]
    pub fn sessions(&self) -> &BTreeMap<Timestamp, Session> {
        &self.sessions
    }

    /// The holds by id, the expired ones included until the threshold moves next.
    #[must_use]
    pub fn holds(&self) -> &BTreeMap<u64, Hold> {
        &self.holds
    }
}
