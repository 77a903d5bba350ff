//! The seam to whoever makes, moves and installs snapshots: the replica says when, and is told what came of it.

use raft::{NodeId, SnapshotId, SnapshotMeta};

use super::Replica;
use super::error::StoreFault;
use super::host::{Gathered, Host, SnapshotEvent};
use super::log_size::LogSize;
use super::upkeep::Sweeping;
use crate::engine::Engine;
use crate::range::RangeState;

impl Replica {
    /// A view of everything that is applied, and what a snapshot of it covers; none while this replica itself
    /// takes one in.
    pub fn snapshot<L, E: Engine>(&self, host: &Host<'_, L, E>) -> Option<(SnapshotMeta, E::View)> {
        if self.installing || self.lost_disk {
            return None;
        }
        let meta = self.raft.snapshot_meta(self.state.applied().position.index).ok()?;
        Some((meta, host.engine.view()))
    }

    /// A snapshot for a follower is there, in answer to [`super::SnapshotEvent::Wanted`].
    pub fn offer_snapshot<L, E>(
        &mut self,
        host: &Host<'_, L, E>,
        to: NodeId,
        id: SnapshotId,
        meta: SnapshotMeta,
    ) {
        self.raft.offer_snapshot(host.now.time, to, id, meta);
    }

    /// The snapshot is here, whole and verified.
    pub fn snapshot_received<L, E>(&mut self, host: &Host<'_, L, E>, id: SnapshotId) {
        self.role_may_differ = true;
        self.raft.snapshot_received(host.now.time, id);
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
