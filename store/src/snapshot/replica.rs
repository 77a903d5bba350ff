//! The snapshots of one replica, in both directions: the one place where their files are removed.

use std::collections::BTreeSet;

use raft::{LogIndex, NodeId, RangeId, SnapshotFetch, SnapshotId, SnapshotMeta};

use super::Settings;
use super::export::Export;
use super::install::{Install, Stage};
use super::manifest::Manifest;
use super::message::{ChunkContent, ChunkReply, ChunkRequest};
use super::outgoing::{Kept, Outgoing, Served};
use super::receipt::{Failure, Progress, Receipt};
use crate::directory::Directory;
use crate::effects::ClusterVersion;
use crate::engine::{EngineError, View};
use crate::range::StateError;

/// How far a receipt came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Receiving {
    /// Nothing to do before something arrives.
    Waiting,
    /// The budget is used up, and there is more to do.
    Busy,
    /// All of it is there, verified and durable: for `Raft::snapshot_received`.
    Received(SnapshotId),
    /// It ended without: for `Raft::snapshot_failed`.
    Failed(SnapshotId, Failure),
}

/// The snapshots of one replica, in a directory of its own.
pub struct Snapshots<V, D> {
    range: RangeId,
    directory: D,
    settings: Settings,
    outgoing: Outgoing,
    export: Option<Export<V>>,
    receipt: Option<Receipt>,
    /// Received, and until the log is reset.
    install: Option<Install>,
    /// Bytes read and written for all of these.
    spent: u64,
}

impl<V: View, D: Directory> Snapshots<V, D> {
    /// What a start finds. An intent is to be [finished](super::finish_intent) before.
    ///
    /// # Errors
    /// The process must stop.
    pub fn open(range: RangeId, directory: D, settings: Settings) -> Result<Self, EngineError> {
        let outgoing = Outgoing::open(&directory)?;
        let (export, receipt, install) = (None, None, None);
        Ok(Self { range, directory, settings, outgoing, export, receipt, install, spent: 0 })
    }

    // ---- the sender's side ----------------------------------------------------------------------------

    /// The newest snapshot, if a log that begins behind `base` still follows it.
    #[must_use]
    pub fn reusable(&self, base: LogIndex) -> Option<(SnapshotId, SnapshotMeta)> {
        let latest = self.outgoing.latest()?;
        (latest.manifest.meta.last.index >= base).then(|| (latest.id, latest.manifest.meta.clone()))
    }

    /// Begins a snapshot of what `view` holds, which has applied exactly what `meta` covers. One that is under
    /// way goes on instead.
    ///
    /// # Errors
    /// The process must stop.
    pub fn export(
        &mut self,
        view: V,
        meta: SnapshotMeta,
        supported: ClusterVersion,
    ) -> Result<(), StateError> {
        if self.export.is_none() {
            self.export = Some(Export::begin(view, self.range, meta, supported, &self.settings)?);
        }
        Ok(())
    }

    /// What the export under way covers: the log behind it is to be kept.
    #[must_use]
    pub fn exporting(&self) -> Option<LogIndex> {
        self.export.as_ref().map(|export| export.manifest().meta.last.index)
    }

    /// Gives the export under way up: the log does not follow it any more, or the data are being replaced.
    pub fn abandon_export(&mut self) {
        self.export = None;
    }

    /// Writes tables until about `budget` bytes are reached, one at the least. When the export is complete, gives
    /// what can be offered from now on.
    ///
    /// # Errors
    /// The process must stop.
    pub fn export_step(&mut self, budget: u64) -> Result<Option<(SnapshotId, SnapshotMeta)>, EngineError> {
        let Some(export) = &mut self.export else { return Ok(None) };
        let (complete, written) = export.step(&self.directory, &self.settings, budget)?;
        self.spent += written;
        if !complete {
            return Ok(None);
        }
        let (manifest, meta) = (export.manifest().clone(), export.manifest().meta.clone());
        let id = self.outgoing.publish(&self.directory, manifest)?;
        self.export = None;
        self.prune(LogIndex::ZERO)?;
        Ok(Some((id, meta)))
    }

    /// A snapshot was offered to a node: it is kept until [`Snapshots::withdraw`], or the node is offered another
    /// one, or asks for nothing for long, or there are too many.
    pub fn offered(&mut self, to: NodeId, id: SnapshotId) {
        self.outgoing.offer(to, id);
    }

    /// A node needs its snapshot no longer: it has installed it, or is no member any more.
    ///
    /// # Errors
    /// The process must stop.
    pub fn withdraw(&mut self, to: NodeId) -> Result<(), EngineError> {
        self.outgoing.withdraw(to);
        self.prune(LogIndex::ZERO)
    }

    /// The log begins behind `base` now: a snapshot that it does not follow can be offered to nobody else.
    ///
    /// # Errors
    /// The process must stop.
    pub fn log_compacted(&mut self, base: LogIndex) -> Result<(), EngineError> {
        self.prune(base)
    }

    /// Answers a request. If the answer is [`ChunkContent::Gone`], the node is to be offered another snapshot.
    ///
    /// # Errors
    /// The process must stop.
    pub fn serve(&mut self, from: NodeId, request: ChunkRequest) -> Result<ChunkReply, EngineError> {
        let ChunkRequest { range, id, piece } = request;
        let served = match range == self.range {
            true => self.outgoing.read(&self.directory, id, piece)?,
            false => Served::Content(ChunkContent::Gone),
        };
        let content = match served {
            Served::Content(content) => {
                // After a restart, those who go on with it are known by their requests only.
                self.outgoing.offer(from, id);
                if let ChunkContent::Chunk { data, .. } = &content {
                    self.spent += data.len() as u64;
                }
                content
            }
            Served::Damaged(table) => {
                // The disk lost it, and the engine may well have it still.
                let dropped = self.outgoing.drop_with(&table);
                self.remove(dropped)?;
                ChunkContent::Gone
            }
        };
        Ok(ChunkReply { range, id, piece, content })
    }

    // ---- the receiver's side --------------------------------------------------------------------------

    /// Begins to fetch a snapshot; one that is under way is given up, and so is one that was received and not
    /// asked to be installed.
    pub fn fetch(&mut self, fetch: SnapshotFetch) {
        self.install.take_if(|install| install.stage() == Stage::Received);
        self.receipt = Some(Receipt::begin(self.range, fetch));
    }

    /// Whether one is on its way in.
    #[must_use]
    pub fn is_fetching(&self) -> bool {
        self.receipt.is_some()
    }

    /// A reply arrived; then call [`Snapshots::receive_step`].
    pub fn on_reply(&mut self, from: NodeId, reply: ChunkReply) {
        if let Some(receipt) = &mut self.receipt {
            receipt.on_reply(from, reply);
        }
    }

    /// Time passes, at the caller's pace; then call [`Snapshots::receive_step`].
    ///
    /// # Errors
    /// The process must stop.
    pub fn tick(&mut self) -> Result<(), EngineError> {
        if let Some(receipt) = &mut self.receipt {
            receipt.tick(&self.settings);
        }
        if self.outgoing.tick(self.settings.offer_ticks) {
            self.prune(LogIndex::ZERO)?;
        }
        Ok(())
    }

    /// What is to be asked for now, and from whom.
    pub fn take_requests(&mut self) -> Vec<(NodeId, ChunkRequest)> {
        let Some(receipt) = &mut self.receipt else { return Vec::new() };
        let from = receipt.from();
        receipt.take_requests().into_iter().map(|request| (from, request)).collect()
    }

    /// Goes on with the receipt, until about `budget` bytes were read or written. `free` is the space above the
    /// reserve, together with what the removal of the range's present data will free.
    ///
    /// # Errors
    /// The process must stop.
    pub fn receive_step(&mut self, budget: u64, free: u64) -> Result<Receiving, EngineError> {
        let Some(receipt) = &mut self.receipt else { return Ok(Receiving::Waiting) };
        let id = receipt.id();
        if let Some(manifest) = receipt.take_unadmitted() {
            let manifest = manifest.clone();
            // What earlier transfers left counts if it is in this one.
            let free = free.saturating_add(self.clear_leftovers()?);
            let needed = self.needed(&manifest)?;
            if needed > free {
                self.receipt = None;
                return Ok(Receiving::Failed(id, Failure::NoSpace { needed, free }));
            }
        }
        let Some(receipt) = &mut self.receipt else { return Ok(Receiving::Waiting) };
        let mut used = 0;
        let progress = receipt.step(&self.directory, &self.settings, budget, &mut used)?;
        self.spent += used;
        match progress {
            Progress::Waiting => Ok(Receiving::Waiting),
            Progress::Busy => Ok(Receiving::Busy),
            Progress::Failed(failure) => {
                self.receipt = None;
                Ok(Receiving::Failed(id, failure))
            }
            Progress::Complete => {
                let manifest = self.receipt.take().and_then(Receipt::into_manifest);
                self.install = manifest.map(Install::new);
                Ok(Receiving::Received(id))
            }
        }
    }

    /// The space for the tables that are still to come, and for the engine's copy of all of them.
    fn needed(&self, manifest: &Manifest) -> Result<u64, EngineError> {
        let mut needed = manifest.total_bytes();
        for of in manifest.tables() {
            let there = self.directory.length(&of.table.name())?.unwrap_or(0);
            needed = needed.saturating_add(of.table.bytes.saturating_sub(there));
        }
        Ok(needed)
    }

    // ---- the install ----------------------------------------------------------------------------------

    /// How far the install of what was received is.
    #[must_use]
    pub fn installing(&self) -> Option<Stage> {
        self.install.as_ref().map(Install::stage)
    }

    /// The snapshot that was received, on its way into the engine, and where its tables are.
    pub fn install(&mut self) -> Option<(&mut Install, &D)> {
        self.install.as_mut().map(|install| (install, &self.directory))
    }

    /// The log batch with the reset is durable, or a received snapshot is not needed: its files go.
    ///
    /// # Errors
    /// The process must stop.
    pub fn end_install(&mut self) -> Result<(), EngineError> {
        self.install = None;
        self.clear_leftovers().map(|_| ())
    }

    /// The bytes that all of this read and wrote since the last call.
    pub fn take_spent(&mut self) -> u64 {
        std::mem::take(&mut self.spent)
    }

    // ---- files ----------------------------------------------------------------------------------------

    /// Removes what is of no use: the remains of transfers that will not go on. To be called when the replica
    /// has caught up by other means, too. Says how many bytes that were.
    ///
    /// # Errors
    /// The process must stop.
    pub fn clear_leftovers(&mut self) -> Result<u64, EngineError> {
        let needed = self.files();
        let mut cleared = 0;
        for (name, length) in self.directory.list()? {
            if !needed.contains(&name) {
                self.directory.remove(&name)?;
                cleared += length;
            }
        }
        Ok(cleared)
    }

    fn files(&self) -> BTreeSet<String> {
        let mut files = self.outgoing.files();
        let exported = self.export.as_ref().map(Export::manifest);
        let received = self.receipt.as_ref().and_then(Receipt::manifest);
        let installed = self.install.as_ref().map(Install::manifest);
        for manifest in [exported, received, installed].into_iter().flatten() {
            files.extend(manifest.tables().map(|of| of.table.name()));
        }
        files
    }

    fn prune(&mut self, base: LogIndex) -> Result<(), EngineError> {
        let dropped = self.outgoing.prune(self.settings.kept, base);
        self.remove(dropped)
    }

    /// Removes the files of snapshots that were given up: the manifests first, so that none is left without
    /// its tables.
    fn remove(&mut self, dropped: Vec<Kept>) -> Result<(), EngineError> {
        let needed = self.files();
        let manifests = dropped.iter().map(Kept::name);
        let tables = dropped.iter().flat_map(|kept| kept.manifest.tables().map(|of| of.table.name()));
        for name in manifests.chain(tables).filter(|name| !needed.contains(name)) {
            self.directory.remove(&name)?;
        }
        Ok(())
    }
}
