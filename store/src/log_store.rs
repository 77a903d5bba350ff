//! Where the logs of all ranges of a node live: one synced batch for all of them at a time.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft::{
    Boot, ClusterId, DiskId, Entry, HardState, LogIndex, LogWrite, NodeId, RangeId, ReplicaId, SnapshotMeta,
};
use thiserror::Error;

/// Everything that is made durable at once, in order; all of it or nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogBatch {
    /// The changes.
    pub items: Vec<LogItem>,
}

/// A change of a log batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogItem {
    /// Who this disk is: the disk id once, the member once, and neither ever again another one.
    Identity(DiskIdentity),
    /// A start begins: the counter, higher each time, is durable before the first message of it leaves.
    Boot(u64),
    /// A replica comes into being, empty.
    Create(RangeId, ReplicaId),
    /// What the core of a replica wants written, its parts in the order of the fields. A reset of the base
    /// clears the intent.
    Write(RangeId, LogWrite),
    /// A snapshot is about to replace the range's data: finished by every later start until it is cleared. It
    /// replaces an earlier intent.
    Intent(RangeId, Bytes),
}

/// Who a disk is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiskIdentity {
    /// Random, from when it was first found empty.
    pub disk: DiskId,
    /// The cluster and node that it belongs to, once it does.
    pub member: Option<(ClusterId, NodeId)>,
}

/// What a log store holds of one replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredReplica {
    /// The replica.
    pub replica: ReplicaId,
    /// Term, vote and the like.
    pub hard_state: HardState,
    /// What its log begins after.
    pub base: SnapshotMeta,
    /// An install that must be finished first.
    pub intent: Option<Bytes>,
    /// The last entry; the base's if there is none after it.
    pub last: LogIndex,
}

/// Why a log store cannot go on.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum LogStoreError {
    /// A write or its sync failed. Nothing is retried: what the disk holds is unknown (exit code 71).
    #[error("the log cannot be made durable: {detail}; this process stops and retries nothing")]
    Sync {
        /// What the system said.
        detail: String,
    },
    /// No space is left.
    #[error("the disk is full: the log cannot be written; free space or grow the volume")]
    NoSpace,
    /// What was read is not what was written (exit code 70).
    #[error("the log is damaged: {detail}; replace this node, its peers have good copies")]
    Corruption {
        /// Where, and what.
        detail: String,
    },
    /// It was written by a newer version (exit code 73).
    #[error(
        "the log has format {found}, this version reads up to {supported}: start the newer version again"
    )]
    NewerFormat {
        /// On disk.
        found: u32,
        /// Understood.
        supported: u32,
    },
    /// The batch breaks a rule of the log: a bug. Nothing was written.
    #[error("the log refuses a batch: {detail}; this is a bug, please report it")]
    Refused {
        /// Which rule.
        detail: String,
    },
}

/// The logs of a node: the half that the log writer owns.
pub trait LogStore {
    /// The half that everybody else reads with.
    type Reader: LogReader;

    /// Makes a batch durable: when this returns, it is on the disk, and every reader sees it. A batch that
    /// [`LogShape`] does not allow is refused. After a crash meanwhile all of it is there or nothing.
    ///
    /// # Errors
    /// The process must stop.
    fn write(&mut self, batch: &LogBatch) -> Result<(), LogStoreError>;

    /// A reader of what this store holds.
    fn reader(&self) -> Self::Reader;
}

/// Reads the logs of a node, also while a batch is written: of that one it sees all or nothing.
pub trait LogReader: Clone {
    /// Who this disk is, and its last boot (0 before the first); none if it is empty.
    ///
    /// # Errors
    /// The process must stop.
    fn identity(&self) -> Result<Option<(DiskIdentity, u64)>, LogStoreError>;

    /// The replicas on it, by range, checked for gaps.
    ///
    /// # Errors
    /// The process must stop.
    fn replicas(&self) -> Result<Vec<(RangeId, StoredReplica)>, LogStoreError>;

    /// Entries from `first` to `last`, until `max_bytes` ([`Entry::size`]) are reached, one at least; none if
    /// the first is not part of the log. An entry that should be there and is not is [`Corruption`].
    ///
    /// # Errors
    /// The process must stop.
    ///
    /// [`Corruption`]: LogStoreError::Corruption
    fn entries(
        &self,
        range: RangeId,
        first: LogIndex,
        last: LogIndex,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, LogStoreError>;
}

/// The outline of all logs, and the rules that a batch must keep: every store checks before it writes, so that
/// no bug above it leaves a gap on the disk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogShape {
    identity: Option<DiskIdentity>,
    boot: u64,
    /// Where each log begins after, and its last entry.
    logs: BTreeMap<RangeId, (LogIndex, LogIndex)>,
}

impl LogShape {
    /// The outline of what a store holds.
    #[must_use]
    pub fn new(identity: Option<(DiskIdentity, u64)>, replicas: &[(RangeId, StoredReplica)]) -> Self {
        let outline =
            |(range, stored): &(RangeId, StoredReplica)| (*range, (stored.base.last.index, stored.last));
        Self {
            identity: identity.map(|(identity, _)| identity),
            boot: identity.map_or(0, |(_, boot)| boot),
            logs: replicas.iter().map(outline).collect(),
        }
    }

    /// What the log of a range begins after, and its last entry.
    #[must_use]
    pub fn log(&self, range: RangeId) -> Option<(LogIndex, LogIndex)> {
        self.logs.get(&range).copied()
    }

    /// Takes a batch into account; refuses it whole if a part of it breaks a rule.
    ///
    /// # Errors
    /// [`LogStoreError::Refused`].
    pub fn admit(&mut self, batch: &LogBatch) -> Result<(), LogStoreError> {
        let refuse = |detail: String| Err(LogStoreError::Refused { detail });
        let (mut identity, mut boot) = (self.identity, self.boot);
        let mut changed = BTreeMap::new();
        for item in &batch.items {
            match item {
                LogItem::Identity(new) => {
                    if identity.is_some_and(|old| {
                        old.disk != new.disk || (old.member.is_some() && old.member != new.member)
                    }) {
                        return refuse("the disk has another identity already".into());
                    }
                    identity = Some(*new);
                }
                LogItem::Boot(counter) => {
                    if *counter <= boot || identity.is_none() {
                        return refuse(format!("boot {counter} after {boot}"));
                    }
                    boot = *counter;
                }
                LogItem::Create(range, _) => {
                    if self.logs.contains_key(range) || changed.contains_key(range) {
                        return refuse(format!("{range:?} is there already"));
                    }
                    changed.insert(*range, (LogIndex::ZERO, LogIndex::ZERO));
                }
                LogItem::Write(range, write) => {
                    let Some(log) = changed.get(range).or_else(|| self.logs.get(range)) else {
                        return refuse(format!("{range:?} was not created"));
                    };
                    match outline_after(*log, write) {
                        Ok(log) => changed.insert(*range, log),
                        Err(what) => return refuse(format!("{range:?}: {what}")),
                    };
                }
                LogItem::Intent(range, _) => {
                    if !self.logs.contains_key(range) && !changed.contains_key(range) {
                        return refuse(format!("{range:?} was not created"));
                    }
                }
            }
        }
        (self.identity, self.boot) = (identity, boot);
        self.logs.append(&mut changed);
        Ok(())
    }
}

fn outline_after(
    (mut base, mut last): (LogIndex, LogIndex),
    write: &LogWrite,
) -> Result<(LogIndex, LogIndex), String> {
    if let Some(moved) = &write.base {
        let to = moved.meta.last.index;
        if moved.reset {
            last = to;
        } else if to < base || to > last {
            return Err(format!("the base moves from {base:?} to {to:?}, the last entry is {last:?}"));
        }
        base = to;
    }
    if let Some(from) = write.truncate_from {
        if from <= base {
            return Err(format!("entries are deleted from {from:?} on, the base is {base:?}"));
        }
        last = last.min(from.prev());
    }
    for entry in &write.entries {
        if entry.index != last.next() {
            return Err(format!("entry {:?} follows {last:?}", entry.index));
        }
        last = entry.index;
    }
    Ok((base, last))
}

/// The present start, from the boot counter that the disk holds and a random nonce.
#[must_use]
pub fn next_boot(last: u64, nonce: u64) -> Boot {
    Boot { counter: last + 1, nonce }
}
