//! Requests as a replica takes them, and its answers.

use std::time::Duration;

use bytes::Bytes;
use raft::RangeId;

use crate::effects::ClusterVersion;
use crate::request::{Page, Scan, Versioned, Write, WriteOutcome};
use crate::timestamp::Timestamp;

/// The caller's name for a request: it comes back with the answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Token(pub u64);

/// The range that a request is for, in the shape in which the caller knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// The range.
    pub range: RangeId,
    /// The epoch of its descriptor.
    pub epoch: u64,
}

/// What a client asks of a range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Change keys. By the leader only, as everything but reads.
    Write(Write),
    /// Read keys, on any replica.
    Read(Read),
    /// Open a session.
    OpenSession,
    /// Keep for a while what can be read at a timestamp.
    Hold {
        /// What can be read at it is kept.
        timestamp: Timestamp,
        /// For so long, unless it is released.
        duration: Duration,
    },
    /// Keep it no longer.
    ReleaseHold {
        /// The hold.
        id: u64,
    },
    /// All members run this version: its effects may be proposed.
    SetClusterVersion {
        /// The version.
        version: ClusterVersion,
    },
}

/// A read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// What to read.
    pub query: Query,
    /// In which state.
    pub consistency: Consistency,
}

/// What to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Query {
    /// One key.
    Get {
        /// The key.
        key: Bytes,
    },
    /// A page of keys.
    Scan(Scan),
}

/// In which state to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consistency {
    /// As of a moment between request and answer.
    Linearizable,
    /// As of this timestamp, for ever the same.
    Snapshot(Timestamp),
    /// As of a moment at most this long before the request arrived.
    Stale(Duration),
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// How a write ended.
    Write(WriteOutcome),
    /// A key was read.
    Value {
        /// The state that was read.
        timestamp: Timestamp,
        /// What it holds.
        found: Option<Versioned>,
    },
    /// A page was read.
    Page {
        /// The state that was read.
        timestamp: Timestamp,
        /// The page.
        page: Page,
    },
    /// A session is open; its id is its timestamp.
    Session(Timestamp),
    /// A hold began.
    Hold {
        /// To release it by.
        id: u64,
    },
    /// It is so.
    Done,
}

impl Reply {
    /// What it holds of keys and values, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Reply::Value { found, .. } => found.as_ref().map_or(0, |found| found.value.len()),
            Reply::Page { page, .. } => page.rows.iter().map(|row| row.key.len() + row.value.len()).sum(),
            Reply::Write(_) | Reply::Session(_) | Reply::Hold { .. } | Reply::Done => 0,
        }
    }
}
