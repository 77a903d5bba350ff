//! What may be asked of a range, and what is answered. The transport's types are made from these.

use bytes::Bytes;
use raft::{LogIndex, NodeId};
use thiserror::Error;

use crate::timestamp::Timestamp;

/// The largest things that are accepted; the defaults are those of the design.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Longest key in bytes.
    pub key_bytes: usize,
    /// Longest value in bytes.
    pub value_bytes: usize,
    /// Most bytes of keys and values in one request.
    pub request_bytes: usize,
    /// Most operations in one write, on distinct keys; as many conditions again.
    pub batch_operations: usize,
    /// Most keys that one DeleteRange removes.
    pub delete_range_keys: usize,
    /// Most keys on a page of a scan.
    pub page_keys: usize,
    /// Most bytes on a page of a scan; a page has one row at least.
    pub page_bytes: usize,
    /// Most keys that a page of a scan or a DeleteRange looks at, removed ones included.
    pub looked_at: usize,
    /// Most bytes of one log entry.
    pub entry_bytes: usize,
    /// Writes of a session that the client has not acknowledged yet.
    pub session_writes: usize,
    /// Sessions that have not expired.
    pub sessions: usize,
    /// Holds on garbage collection.
    pub holds: usize,
    /// The longest that a hold lasts before it is renewed.
    pub hold_millis: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes: 4 << 10,
            value_bytes: 1 << 20,
            request_bytes: 4 << 20,
            batch_operations: 1_000,
            delete_range_keys: 10_000,
            page_keys: 1_000,
            page_bytes: 1 << 20,
            looked_at: 20_000,
            entry_bytes: 8 << 20,
            session_writes: 256,
            sessions: 10_000,
            holds: 100,
            hold_millis: 24 * 60 * 60 * 1_000,
        }
    }
}

/// One attempt of a numbered write of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The session: the timestamp at which it was opened.
    pub session: Timestamp,
    /// The number of the write, from 1; the same for every attempt of it.
    pub number: u64,
    /// The client has the outcome of every number below.
    pub acknowledged_below: u64,
    /// An earlier attempt may still execute.
    pub retry: bool,
}

/// What must hold for a write to happen, all at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// Of this key.
    pub key: Bytes,
    /// This.
    pub test: Test,
}

/// A test of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Test {
    /// It has a value.
    Exists,
    /// It has none.
    Absent,
    /// Its value is this.
    ValueIs(Bytes),
    /// Its latest version is of this timestamp; [`Timestamp::ZERO`]: it has no value.
    VersionIs(Timestamp),
}

/// A change of keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Set a key.
    Put {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Remove a key; no matter if it is there.
    Delete {
        /// The key.
        key: Bytes,
    },
    /// Remove the keys from `start` on, before `end`; an empty `end` is behind every key.
    DeleteRange {
        /// The first key.
        start: Bytes,
        /// Behind the last.
        end: Bytes,
    },
}

/// All operations at one moment, if all conditions hold then.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Write {
    /// In the order in which the first that fails is reported.
    pub conditions: Vec<Condition>,
    /// On distinct keys.
    pub operations: Vec<Operation>,
    /// For exactly-once retries.
    pub attempt: Option<Attempt>,
}

/// How a write ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WriteOutcome {
    /// Everything was done.
    Written {
        /// The version of all keys set.
        timestamp: Timestamp,
        /// How many keys had a value and were removed.
        deleted: u64,
    },
    /// Nothing was done: a condition does not hold.
    ConditionFailed {
        /// The state that was looked at.
        timestamp: Timestamp,
        /// The first that does not hold, from 0.
        index: u32,
        /// The version of its key; [`Timestamp::ZERO`]: it has no value.
        version: Timestamp,
        /// The value of its key.
        value: Option<Bytes>,
    },
}

/// A value and its version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Versioned {
    /// The value.
    pub value: Bytes,
    /// When it was written.
    pub version: Timestamp,
}

/// A page of keys in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan {
    /// The first key.
    pub start: Bytes,
    /// Behind the last; empty: behind every key.
    pub end: Bytes,
    /// From the last key on down.
    pub reverse: bool,
    /// Most keys; 0: as many as a page takes.
    pub limit: usize,
    /// Leave the values out.
    pub keys_only: bool,
}

/// A row of a page; without its value where only keys were asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// When it was written.
    pub version: Timestamp,
}

/// What a scan found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// In the order asked for. There may be none although there are more pages: many removed keys are passed
    /// page by page as well.
    pub rows: Vec<Row>,
    /// Where the next page begins: `start` of the next scan, or its `end` in reverse. None: this was the last.
    pub resume: Option<Bytes>,
}

/// Why a request was refused, or why its outcome is not known.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RequestError {
    /// Something in the request is wrong: asking again does not help.
    #[error("{what}")]
    Invalid {
        /// What, and what would be right.
        what: String,
    },
    /// Over a limit.
    #[error("{what} is {size}, the limit is {limit}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// As asked.
        size: usize,
        /// At most.
        limit: usize,
    },
    /// Another node leads, or none is known.
    #[error("this node does not lead; the leader is {leader:?}: ask there")]
    NotLeader {
        /// The leader, if known.
        leader: Option<NodeId>,
    },
    /// No leader is known, or it did not answer.
    #[error("no leader is known: try again after an election timeout")]
    NoLeader,
    /// Too much waits already. Nothing was done.
    #[error("busy: {what}; try again after {delay_millis} ms")]
    Busy {
        /// What.
        what: &'static str,
        /// When to try again.
        delay_millis: u64,
    },
    /// The versions at this timestamp may be gone.
    #[error("{timestamp} is older than what is kept; the oldest that can be read is {oldest}")]
    TooOld {
        /// As asked.
        timestamp: Timestamp,
        /// The GC threshold.
        oldest: Timestamp,
    },
    /// The timestamp lies too far ahead.
    #[error("{timestamp} lies in the future; the latest is {latest}")]
    InTheFuture {
        /// As asked.
        timestamp: Timestamp,
        /// The applied timestamp.
        latest: Timestamp,
    },
    /// This replica is further behind than the reader accepts.
    #[error("this replica cannot show that it is fresh enough: ask the leader, or accept more staleness")]
    TooStale,
    /// The session is unknown here and older than the oldest that is kept: nothing is known of its writes.
    #[error("session {session} has expired: open another; the outcome of its unanswered writes is not known")]
    SessionExpired {
        /// The session.
        session: Timestamp,
    },
    /// The client said before that it has this outcome.
    #[error("write {number} of session {session} was acknowledged before: it is not executed again")]
    AlreadyAcknowledged {
        /// The session.
        session: Timestamp,
        /// The number.
        number: u64,
    },
    /// Space is short on a majority of the voters: only what frees space is accepted.
    #[error("disk space is below its reserve on {nodes:?}: writes are refused until space is freed there")]
    DiskReserve {
        /// Where.
        nodes: Vec<NodeId>,
    },
    /// It may or may not have been done, now or later.
    #[error("the outcome is not known: the write may still take effect; ask again in the same session")]
    OutcomeUnknown,
    /// The range is not the one that the request was meant for.
    #[error("the range has changed: its epoch is {epoch}")]
    WrongEpoch {
        /// As it is now.
        epoch: u64,
    },
}

/// What an answer looked at while it was in flight: the answer waits until it is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Depends {
    /// Everything up to here must be applied first; it may be already.
    pub on: LogIndex,
}
