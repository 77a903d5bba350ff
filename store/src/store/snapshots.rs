//! The seam to the [`Carrier`](crate::carrier::Carrier), which makes, moves and installs snapshots on a thread of
//! its own. It is told by [`SnapshotEvent`]s, and answers by calls.

use bytes::Bytes;
use raft::{LogIndex, NodeId, RangeId, SnapshotId, SnapshotMeta};

use super::Store;
use super::log_writes::BatchSeq;
use crate::canary::{Canary, planted};
use crate::engine::Engine;
use crate::log_store::{LogItem, LogReader};
use crate::replica::{Now, SnapshotEvent};

/// What the carrier of snapshots wants of the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreCall {
    /// What does a snapshot at this applied index cover? Answered by [`SnapshotEvent::Covers`].
    Cover {
        /// The range.
        range: RangeId,
        /// The applied index.
        index: LogIndex,
    },
    /// A snapshot for a follower is there.
    Offer {
        /// The range.
        range: RangeId,
        /// The follower.
        to: NodeId,
        /// Which snapshot.
        id: SnapshotId,
        /// What it covers.
        meta: SnapshotMeta,
    },
    /// A snapshot is here, whole and verified. Answered by [`SnapshotEvent::Install`] or
    /// [`SnapshotEvent::Unneeded`].
    Received {
        /// The range.
        range: RangeId,
        /// Which snapshot.
        id: SnapshotId,
    },
    /// A snapshot cannot be had.
    Failed {
        /// The range.
        range: RangeId,
        /// Which snapshot.
        id: SnapshotId,
    },
    /// Make the intent to replace the data of a range durable. Answered by [`SnapshotEvent::IntentDurable`].
    Intend {
        /// The range.
        range: RangeId,
        /// What a start needs to finish the install.
        intent: Bytes,
    },
    /// The data engine holds the snapshot and nothing else of the range, durably. The next log batch resets the
    /// log and clears the intent; then comes [`SnapshotEvent::Installed`].
    Ingested {
        /// The range.
        range: RangeId,
    },
}

impl<L: LogReader, E: Engine> Store<L, E> {
    /// Takes a call of the carrier, each once and in order.
    pub fn snapshot_call(&mut self, now: Now, call: StoreCall) {
        self.advance(now);
        if self.fault.is_some() {
            return;
        }
        match call {
            StoreCall::Cover { range, index } => {
                let meta = self.with(now, range, |replica, _, _| replica.covers(index)).flatten();
                self.gathered.snapshots.push(SnapshotEvent::Covers { range, index, meta });
            }
            StoreCall::Offer { range, to, id, meta } => {
                self.with(now, range, |replica, host, _| replica.offer_snapshot(host, to, id, meta));
            }
            StoreCall::Received { range, id } => {
                self.with(now, range, |replica, host, out| replica.snapshot_received(host, id, out));
            }
            StoreCall::Failed { range, id } => {
                self.with(now, range, |replica, host, _| replica.snapshot_failed(host, id));
            }
            StoreCall::Intend { range, intent } => self.intend(range, intent),
            StoreCall::Ingested { range } => {
                let ingested =
                    self.with(now, range, |replica, host, out| replica.snapshot_ingested(host, out));
                self.fail(ingested.unwrap_or(Ok(())));
            }
        }
    }

    /// Puts the intent into the next log batch.
    fn intend(&mut self, range: RangeId, intent: Bytes) {
        if self.replicas.get(&range).is_some_and(|replica| replica.is_installing()) {
            if planted(Canary::TornInstall) {
                return self.gathered.snapshots.push(SnapshotEvent::IntentDurable { range });
            }
            self.gathered.items.push(LogItem::Intent(range, intent));
            self.intents.push((self.writes.next(), range));
        }
    }

    /// The log batches up to `seq` are durable.
    pub(super) fn intents_persisted(&mut self, seq: BatchSeq) {
        let durable = self.intents.extract_if(.., |(until, _)| *until <= seq);
        self.gathered.snapshots.extend(durable.map(|(_, range)| SnapshotEvent::IntentDurable { range }));
    }
}
