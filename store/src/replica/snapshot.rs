//! The seam to whoever makes, moves and installs snapshots: the replica says when, and is told what came of it.

use raft::{LogIndex, NodeId, SnapshotId, SnapshotMeta, Time};

use super::Replica;
use super::error::StoreFault;
use super::host::{Gathered, Host, SnapshotEvent};
use super::log_size::LogSize;
use super::upkeep::Sweeping;
use crate::canary::{Canary, planted};
use crate::engine::Engine;
use crate::range::RangeState;

impl Replica {
    /// What a snapshot at an applied index covers; none while this replica itself takes one in, or if the log
    /// begins behind the index. The log behind it is kept until that is offered, up to the cap of a transfer.
    pub fn covers(&mut self, index: LogIndex) -> Option<SnapshotMeta> {
        if self.installing || self.lost_disk {
            return None;
        }
        let meta = self.raft.snapshot_meta(index).ok()?;
        self.transfers.making(index, self.log_size.total_bytes());
        Some(meta)
    }

    /// A snapshot for a follower is there, in answer to [`SnapshotEvent::Wanted`].
    pub fn offer_snapshot<L, E>(
        &mut self,
        host: &Host<'_, L, E>,
        to: NodeId,
        id: SnapshotId,
        meta: SnapshotMeta,
    ) {
        self.transfers.offered(to, meta.last.index, self.log_size.begins_after());
        self.raft.offer_snapshot(host.now.time, to, id, meta);
    }

    /// Those of the followers that are to be made a snapshot for: the others are silent, and are asked for again
    /// when they answer.
    pub(super) fn answering(&self, now: Time, followers: Vec<NodeId>) -> Vec<NodeId> {
        let known = self.raft.status(now).followers;
        let answers = |node: &NodeId| known.iter().any(|of| of.node == *node && of.answers);
        followers.into_iter().filter(answers).collect()
    }

    /// Says which followers need no snapshot any more.
    pub(super) fn look_at_transfers<L, E>(&mut self, host: &Host<'_, L, E>, out: &mut Gathered) {
        if self.transfers.is_empty() {
            return;
        }
        let followers = self.raft.status(host.now.time).followers;
        let range = self.state.range();
        let left = self.transfers.look(&followers, &self.log_size).into_iter();
        out.snapshots.extend(left.map(|to| SnapshotEvent::Unwanted { range, to }));
    }

    /// The snapshot is here, whole and verified.
    pub fn snapshot_received<L, E>(&mut self, host: &Host<'_, L, E>, id: SnapshotId, out: &mut Gathered) {
        self.role_may_differ = true;
        self.raft.snapshot_received(host.now.time, id);
        if !self.raft.status(host.now.time).receiving_snapshot {
            out.snapshots.push(SnapshotEvent::Unneeded { range: self.state.range() });
        }
    }

    /// Whether the data are being replaced by a snapshot.
    #[must_use]
    pub fn is_installing(&self) -> bool {
        self.installing
    }

    /// The snapshot cannot be had.
    pub fn snapshot_failed<L, E>(&mut self, host: &Host<'_, L, E>, id: SnapshotId) {
        self.raft.snapshot_failed(host.now.time, id);
    }

    /// The data engine holds the snapshot and nothing else of the range, durably.
    ///
    /// # Errors
    /// The process must stop.
    pub fn snapshot_ingested<L, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        if !self.installing {
            return Ok(());
        }
        let range = self.state.range();
        self.state = RangeState::load(&host.engine.view(), range, host.settings.supported)?;
        if planted(Canary::RecordsLostInSnapshot) {
            self.state.forget_records();
        }
        self.raft.snapshot_ingested(host.now.time);
        self.log_size = LogSize::new(host.settings.compaction, self.state.applied().position.index);
        self.sweeping = Sweeping::default();
        self.installing = false;
        self.awaited.overtaken(out);
        self.reads_applied(host, out)
    }

    /// Tells once of each install that is complete.
    pub(super) fn tell_installed(&mut self, out: &mut Gathered) {
        let installed = self.raft.counters().snapshots_installed;
        if installed > self.installed {
            self.installed = installed;
            out.snapshots.push(SnapshotEvent::Installed { range: self.state.range() });
        }
    }
}
