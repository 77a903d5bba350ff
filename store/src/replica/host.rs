//! What a replica is given with each input, and where it puts what is to be done.

use raft::{ChangeResult, LogIndex, NodeId, Outgoing, RangeId, SnapshotFetch, SnapshotMeta, WriteSeq};

use super::peers::{Now, Peers};
use super::request::{Reply, Token};
use super::settings::Settings;
use crate::log_store::LogItem;
use crate::request::RequestError;

/// The surroundings of a replica.
#[derive(Debug)]
pub struct Host<'a, L, E> {
    /// When.
    pub now: Now,
    /// Reads the logs.
    pub log: &'a L,
    /// Holds the data.
    pub engine: &'a E,
    /// Budgets and periods.
    pub settings: &'a Settings,
    /// What other nodes report.
    pub peers: &'a Peers,
}

/// What replicas want done since it was last taken.
#[derive(Debug, Default)]
pub struct Gathered {
    /// To be sent.
    pub messages: Vec<Outgoing>,
    /// For the next log batch.
    pub items: Vec<LogItem>,
    /// Which writes of the core these complete.
    pub writes: Vec<(RangeId, WriteSeq)>,
    /// Answers.
    pub replies: Vec<(Token, Result<Reply, RequestError>)>,
    /// What these hold of keys and values, in bytes.
    pub reply_bytes: usize,
    /// Membership calls that ended.
    pub changes: Vec<(Token, ChangeResult)>,
    /// For whoever moves snapshots.
    pub snapshots: Vec<SnapshotEvent>,
    /// What was applied: entries,
    pub applied_entries: usize,
    /// and bytes.
    pub applied_bytes: usize,
}

impl Gathered {
    pub(crate) fn reply(&mut self, token: Token, reply: Reply) {
        self.reply_bytes += reply.size();
        self.replies.push((token, Ok(reply)));
    }

    pub(crate) fn refuse(&mut self, token: Token, error: RequestError) {
        self.replies.push((token, Err(error)));
    }
}

/// What the core asks of whoever moves snapshots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SnapshotEvent {
    /// A follower needs a snapshot of this replica: offer one. Said again until one is offered.
    Wanted {
        /// The range.
        range: RangeId,
        /// The follower.
        to: NodeId,
        /// What the log begins after: a snapshot below it does not help.
        base: LogIndex,
    },
    /// A follower needs no snapshot any more: it has caught up, or is no member.
    Unwanted {
        /// The range.
        range: RangeId,
        /// The follower.
        to: NodeId,
    },
    /// The answer to [`StoreCall::Cover`](crate::store::StoreCall::Cover). The log behind `meta` is kept until a
    /// snapshot of it is offered, up to the cap of a transfer.
    Covers {
        /// The range.
        range: RangeId,
        /// As asked.
        index: LogIndex,
        /// What a snapshot at `index` covers; none: it cannot be told, take another view.
        meta: Option<SnapshotMeta>,
    },
    /// Fetch a snapshot; then say that it was received, or that it failed.
    Fetch {
        /// The range.
        range: RangeId,
        /// From whom, and which.
        fetch: SnapshotFetch,
    },
    /// Replace the data of the range by the snapshot that was received. Until it is ingested, this replica
    /// serves nothing.
    Install {
        /// The range.
        range: RangeId,
        /// What the snapshot covers.
        meta: SnapshotMeta,
    },
    /// What was received is not needed: the replica has caught up by other means.
    Unneeded {
        /// The range.
        range: RangeId,
    },
    /// The intent to install is durable: the data may be replaced.
    IntentDurable {
        /// The range.
        range: RangeId,
    },
    /// The log is reset to the snapshot and the intent is gone, durably: what was received is not needed any
    /// more.
    Installed {
        /// The range.
        range: RangeId,
    },
    /// The log begins after this index now: a snapshot below it helps no follower.
    LogCut {
        /// The range.
        range: RangeId,
        /// What it begins after.
        base: LogIndex,
        /// Its last entry.
        last: LogIndex,
    },
}

impl SnapshotEvent {
    /// Which range it is about.
    #[must_use]
    pub fn range(&self) -> RangeId {
        match self {
            SnapshotEvent::Wanted { range, .. }
            | SnapshotEvent::Unwanted { range, .. }
            | SnapshotEvent::Covers { range, .. }
            | SnapshotEvent::Fetch { range, .. }
            | SnapshotEvent::Install { range, .. }
            | SnapshotEvent::Unneeded { range }
            | SnapshotEvent::IntentDurable { range }
            | SnapshotEvent::Installed { range }
            | SnapshotEvent::LogCut { range, .. } => *range,
        }
    }
}
