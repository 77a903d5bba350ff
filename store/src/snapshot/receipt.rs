//! A snapshot on its way in. It belongs to a sender and a snapshot id, and to no term; what is there of its
//! tables counts whoever sent it, so that a restart of either side, or another sender, costs nothing twice.

use bytes::BytesMut;
use raft::{NodeId, RangeId, SnapshotFetch, SnapshotId};
use thiserror::Error;

use super::Settings;
use super::manifest::{Manifest, ManifestError, snapshot_id};
use super::message::{ChunkContent, ChunkReply, ChunkRequest, Piece};
use super::tables::Tables;
use crate::directory::Directory;
use crate::engine::EngineError;

/// A longer manifest is refused: it is held in memory.
const MAX_MANIFEST: u64 = 1 << 28;
/// Why a transfer ended without the snapshot. What arrived is kept for the next one.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Failure {
    /// The sender does not have it any more.
    #[error("the sender does not have the snapshot any more")]
    Gone,
    /// Nothing arrived for too long.
    #[error("the sender does not answer")]
    TimedOut,
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// What arrived is sound, and something else than what was offered: a bug of the sender.
    #[error("the snapshot is not the one that was offered")]
    NotAsOffered,
    /// A table arrived whole, twice, and was not what its hash says.
    #[error("the sender's copy of {table} is damaged")]
    Damaged {
        /// The name of its file.
        table: String,
    },
    /// There is no room for it.
    #[error("the snapshot needs {needed} bytes, {free} are free: free space or grow the volume")]
    NoSpace {
        /// The tables that are to come, and the engine's copy of all of them.
        needed: u64,
        /// As much as there is.
        free: u64,
    },
}

/// How far a step came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// Nothing can be done before something arrives.
    Waiting,
    /// The budget is used up.
    Busy,
    Complete,
    Failed(Failure),
}

/// A snapshot on its way in.
pub(super) struct Receipt {
    range: RangeId,
    fetch: SnapshotFetch,
    phase: Phase,
    failed: Option<Failure>,
    /// Since something arrived that was asked for.
    idle_ticks: u32,
    requests: Vec<ChunkRequest>,
}

enum Phase {
    Manifest { content: BytesMut, age: u32 },
    Tables(Box<Tables>),
}

impl Receipt {
    pub(super) fn begin(range: RangeId, fetch: SnapshotFetch) -> Self {
        let phase = Phase::Manifest { content: BytesMut::new(), age: 0 };
        let mut receipt = Self { range, fetch, phase, failed: None, idle_ticks: 0, requests: Vec::new() };
        receipt.request(Piece::Manifest { offset: 0 });
        receipt
    }

    pub(super) fn id(&self) -> SnapshotId {
        self.fetch.id
    }

    pub(super) fn from(&self) -> NodeId {
        self.fetch.from.node
    }

    pub(super) fn manifest(&self) -> Option<&Manifest> {
        match &self.phase {
            Phase::Manifest { .. } => None,
            Phase::Tables(tables) => Some(&tables.manifest),
        }
    }

    /// The manifest, once, before its first table is asked for.
    pub(super) fn take_unadmitted(&mut self) -> Option<&Manifest> {
        match &mut self.phase {
            Phase::Tables(tables) if !tables.admitted => {
                tables.admitted = true;
                Some(&tables.manifest)
            }
            _ => None,
        }
    }

    pub(super) fn into_manifest(self) -> Option<Manifest> {
        match self.phase {
            Phase::Manifest { .. } => None,
            Phase::Tables(tables) => Some(tables.manifest),
        }
    }

    pub(super) fn take_requests(&mut self) -> Vec<ChunkRequest> {
        std::mem::take(&mut self.requests)
    }

    fn request(&mut self, piece: Piece) {
        self.requests.push(ChunkRequest { range: self.range, id: self.fetch.id, piece });
    }

    /// Keeps a piece that was asked for; drops everything else.
    pub(super) fn on_reply(&mut self, from: NodeId, reply: ChunkReply) {
        if from != self.from() || reply.id != self.id() || reply.range != self.range {
            return;
        }
        let (data, total) = match reply.content {
            ChunkContent::Gone => {
                self.failed = Some(Failure::Gone);
                return;
            }
            ChunkContent::Chunk { data, crc, .. } if crc32fast::hash(&data) != crc => return,
            ChunkContent::Chunk { data, total, .. } => (data, total),
        };
        let arrived = match (&mut self.phase, reply.piece) {
            (Phase::Manifest { content, .. }, Piece::Manifest { offset })
                if offset == content.len() as u64 =>
            {
                content.extend_from_slice(&data);
                self.manifest_grew(total, data.is_empty());
                true
            }
            (Phase::Tables(tables), Piece::Block { table, block }) => {
                tables.on_block(table as usize, block, data)
            }
            _ => false,
        };
        if arrived {
            self.idle_ticks = 0;
        }
    }

    fn manifest_grew(&mut self, total: u64, nothing: bool) {
        let Phase::Manifest { content, age } = &mut self.phase else { return };
        let length = content.len() as u64;
        if total > MAX_MANIFEST || length > total || (nothing && length < total) {
            self.failed = Some(Failure::NotAsOffered);
            return;
        }
        if length < total {
            *age = 0;
            self.request(Piece::Manifest { offset: length });
            return;
        }
        let bytes = std::mem::take(content).freeze();
        match Manifest::decode(&bytes) {
            Ok(manifest)
                if snapshot_id(&bytes) == self.fetch.id
                    && manifest.meta == self.fetch.meta
                    && manifest.range == self.range =>
            {
                self.phase = Phase::Tables(Box::new(Tables::new(manifest)));
            }
            Ok(_) => self.failed = Some(Failure::NotAsOffered),
            Err(error) => self.failed = Some(error.into()),
        }
    }

    /// One more tick of the caller's: asks again for what is late.
    pub(super) fn tick(&mut self, settings: &Settings) {
        let late = |age: &mut u32| {
            *age += 1;
            let late = *age >= settings.resend_ticks;
            if late {
                *age = 0;
            }
            late
        };
        let again: Vec<_> = match &mut self.phase {
            Phase::Manifest { content, age } => {
                late(age).then_some(Piece::Manifest { offset: content.len() as u64 }).into_iter().collect()
            }
            Phase::Tables(tables) if tables.is_waiting() => tables.late(late),
            // It is our turn.
            Phase::Tables(_) => return,
        };
        for piece in again {
            self.request(piece);
        }
        self.idle_ticks += 1;
        if self.idle_ticks >= settings.give_up_ticks {
            self.failed.get_or_insert(Failure::TimedOut);
        }
    }

    /// Writes what arrived, looks at what is there, and asks for more, until about `budget` bytes were read or
    /// written; adds them to `used`.
    pub(super) fn step<D: Directory>(
        &mut self,
        directory: &D,
        settings: &Settings,
        budget: u64,
        used: &mut u64,
    ) -> Result<Progress, EngineError> {
        if let Some(failure) = self.failed.clone() {
            return Ok(Progress::Failed(failure));
        }
        let Phase::Tables(tables) = &mut self.phase else { return Ok(Progress::Waiting) };
        let mut wanted = Vec::new();
        let progress = tables.step(directory, settings.window, budget, &mut wanted, used)?;
        for piece in wanted {
            self.request(piece);
        }
        Ok(progress)
    }
}
