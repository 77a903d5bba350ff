//! Effects, decoded.

use bytes::Bytes;

use crate::request::WriteOutcome;
use crate::timestamp::Timestamp;

/// What one command does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effects {
    /// The epoch of the range's descriptor that the command was evaluated under.
    pub epoch: u64,
    /// The moment of the command: above those of all entries before it.
    pub timestamp: Timestamp,
    /// What is to be done.
    pub body: Body,
}

/// What is to be done by an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Nothing: the timestamp is all that counts.
    Tick,
    /// A write whose conditions held.
    Written(Written),
    /// A write whose conditions did not hold: no change, but a retry must get the same answer.
    ConditionFailed(ConditionFailed),
    /// A session begins; its id is the timestamp of the entry.
    OpenSession,
    /// Sessions end.
    ExpireSessions {
        /// Every session opened before this.
        floor: Timestamp,
    },
    /// Versions may be dropped.
    GcThreshold {
        /// Those that are shadowed at this timestamp.
        threshold: Timestamp,
    },
    /// Versions are kept for somebody, whatever becomes of the retention.
    Hold {
        /// To release it by.
        id: u64,
        /// What can be read at this timestamp.
        timestamp: Timestamp,
        /// The hold ends by itself then.
        expires: Timestamp,
    },
    /// A hold ends.
    ReleaseHold {
        /// Which.
        id: u64,
    },
    /// The effects of a newer version may be proposed from now on.
    SetClusterVersion {
        /// All members run it.
        version: ClusterVersion,
    },
}

/// The changes of a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// On keys that rise strictly.
    pub changes: Vec<Change>,
    /// How many keys had a value and are removed: for the answer.
    pub deleted: u64,
    /// So that a retry gets the same answer.
    pub record: Option<Record>,
}

/// A new version of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The user key.
    pub key: Bytes,
    /// Its value; none removes the key.
    pub value: Option<Bytes>,
}

/// A condition that does not hold, in the state just before the entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConditionFailed {
    /// So that a retry gets the same answer.
    pub record: Record,
    /// The first that does not hold, from 0.
    pub index: u32,
    /// The version of its key; [`Timestamp::ZERO`]: it has no value.
    pub version: Timestamp,
    /// The value of its key.
    pub value: Option<Bytes>,
}

/// Which write of a session the outcome belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// The session.
    pub session: Timestamp,
    /// The number of the write.
    pub number: u64,
    /// The client has the outcome of every number below: their records go.
    pub acknowledged_below: u64,
}

/// What all members of a cluster understand. It only rises.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClusterVersion(pub u32);

impl ClusterVersion {
    /// What every cluster begins with.
    pub const FIRST: ClusterVersion = ClusterVersion(1);
}

impl Effects {
    /// The cluster version from which on these effects may be proposed.
    #[must_use]
    pub fn needed_version(&self) -> ClusterVersion {
        match self.body {
            Body::Tick
            | Body::Written(_)
            | Body::ConditionFailed(_)
            | Body::OpenSession
            | Body::ExpireSessions { .. }
            | Body::GcThreshold { .. }
            | Body::Hold { .. }
            | Body::ReleaseHold { .. }
            | Body::SetClusterVersion { .. } => ClusterVersion::FIRST,
        }
    }

    /// The session's write that this is the outcome of.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match &self.body {
            Body::Written(written) => written.record.as_ref(),
            Body::ConditionFailed(failed) => Some(&failed.record),
            _ => None,
        }
    }

    /// The answer to the client, if this is a write: the same for every attempt.
    #[must_use]
    pub fn outcome(&self) -> Option<WriteOutcome> {
        let timestamp = self.timestamp;
        match &self.body {
            Body::Written(written) => Some(WriteOutcome::Written { timestamp, deleted: written.deleted }),
            Body::ConditionFailed(ConditionFailed { index, version, value, .. }) => {
                let (index, version, value) = (*index, *version, value.clone());
                Some(WriteOutcome::ConditionFailed { timestamp, index, version, value })
            }
            _ => None,
        }
    }
}
