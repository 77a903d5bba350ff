//! The seam to whoever makes, moves and installs snapshots. An install goes in this order: the intent into the
//! log ([`Store::record_intent`]), durable; the data replaced, durably; [`Store::snapshot_ingested`]. The next
//! log batch clears the intent and resets the log.

use bytes::Bytes;
use raft::{NodeId, RangeId, SnapshotId, SnapshotMeta};

use super::Store;
use super::log_writes::BatchSeq;
use crate::engine::Engine;
use crate::log_store::{LogItem, LogReader};
use crate::replica::Now;

impl<L: LogReader, E: Engine> Store<L, E> {
    /// A view of everything that is applied to a range, and what a snapshot of it covers.
    #[must_use]
    pub fn snapshot(&self, now: Now, range: RangeId) -> Option<(SnapshotMeta, E::View)> {
        self.replicas.get(&range)?.snapshot(&self.host(now))
    }

    /// A snapshot for a follower is there.
    pub fn offer_snapshot(
        &mut self,
        now: Now,
        range: RangeId,
        to: NodeId,
        id: SnapshotId,
        meta: SnapshotMeta,
    ) {
        self.with(now, range, |replica, host, _| replica.offer_snapshot(host, to, id, meta));
    }

    /// A snapshot is here, whole and verified.
    pub fn snapshot_received(&mut self, now: Now, range: RangeId, id: SnapshotId) {
        self.with(now, range, |replica, host, _| replica.snapshot_received(host, id));
    }

    /// A snapshot cannot be had.
    pub fn snapshot_failed(&mut self, now: Now, range: RangeId, id: SnapshotId) {
        self.with(now, range, |replica, host, _| replica.snapshot_failed(host, id));
    }

    /// Puts the intent to replace the data of a range into the next log batch; says which one that is.
    pub fn record_intent(&mut self, range: RangeId, intent: Bytes) -> BatchSeq {
        self.gathered.items.push(LogItem::Intent(range, intent));
        self.writes.next()
    }

    /// The data engine holds the snapshot and nothing else of the range, durably.
    pub fn snapshot_ingested(&mut self, now: Now, range: RangeId) {
        let ingested = self.with(now, range, |replica, host, out| replica.snapshot_ingested(host, out));
        self.fail(ingested.unwrap_or(Ok(())));
    }
}
