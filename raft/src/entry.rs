//! Log entries, and what a snapshot says of itself.

use std::sync::Arc;

use bytes::Bytes;

use crate::configuration::Configuration;
use crate::types::{LogIndex, LogPosition, Term};

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its place.
    pub index: LogIndex,
    /// The term of the leader that made it.
    pub term: Term,
    /// What it does.
    pub payload: Payload,
}

/// What an entry does when it is applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Payload {
    /// Nothing: a new leader's first entry (dissertation §6.4).
    Noop,
    /// The configuration from here on, whole. It counts from the moment it is in the log (§4.1).
    Configuration(Arc<Configuration>),
    /// A command of the state machine.
    Command(Bytes),
}

/// What an entry costs beside its payload, in the budgets, in bytes: its places in the log and in a write
/// under way, which may both have grown to twice what they hold.
pub const ENTRY_OVERHEAD: usize = 128;
/// What one member of a configuration costs in the budgets, in bytes.
const MEMBER_SIZE: usize = 112;

impl Entry {
    /// The place of the entry.
    #[must_use]
    pub fn position(&self) -> LogPosition {
        LogPosition::new(self.index, self.term)
    }

    /// Whether a remote entry keeps the bounds that a leader keeps.
    pub(crate) fn is_sound(&self) -> bool {
        match &self.payload {
            Payload::Noop | Payload::Command(_) => true,
            Payload::Configuration(configuration) => configuration.is_sound(),
        }
    }

    /// What it counts for in every budget, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        ENTRY_OVERHEAD
            + match &self.payload {
                Payload::Noop => 0,
                Payload::Configuration(c) => c.members.len() * MEMBER_SIZE,
                Payload::Command(bytes) => bytes.len(),
            }
    }
}

/// What a log begins after: the last entry that a snapshot or a compaction covers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotMeta {
    /// The last entry covered, with *its* term.
    pub last: LogPosition,
    /// The configuration as of that entry.
    pub configuration: Arc<Configuration>,
    /// The entry that holds this configuration.
    pub configuration_at: LogPosition,
}

impl SnapshotMeta {
    /// The start of an empty replica: nothing, and a configuration without members.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            last: LogPosition::default(),
            configuration: Arc::new(Configuration::default()),
            configuration_at: LogPosition::default(),
        }
    }
}
