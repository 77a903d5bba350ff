//! The snapshots that a replica has for others: kept while they are offered, served in pieces.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use raft::{LogIndex, NodeId, SnapshotId};

use super::manifest::{Manifest, snapshot_id};
use super::message::{ChunkContent, Piece};
use crate::directory::Directory;
use crate::engine::EngineError;

const SUFFIX: &str = ".snapshot";
/// So many nodes are known to go on with a snapshot; there are never so many members.
const MAX_OFFERS: usize = 256;

/// A snapshot that can be fetched: its manifest is durable, and all its tables were before.
pub(super) struct Kept {
    pub(super) id: SnapshotId,
    pub(super) manifest: Manifest,
    bytes: Bytes,
}

impl Kept {
    pub(super) fn name(&self) -> String {
        name(self.id)
    }

    fn position(&self) -> (LogIndex, SnapshotId) {
        (self.manifest.meta.last.index, self.id)
    }
}

fn name(id: SnapshotId) -> String {
    format!("{:016x}{SUFFIX}", id.0)
}

/// The snapshots of a replica, the oldest first.
#[derive(Default)]
pub(super) struct Outgoing {
    kept: Vec<Kept>,
    /// What each node was offered last, or asked for last, and how many ticks ago.
    offers: BTreeMap<NodeId, (SnapshotId, u32)>,
}

impl Outgoing {
    /// What a start finds. Manifests that are damaged, or whose tables are not all there, are removed.
    pub(super) fn open<D: Directory>(directory: &D) -> Result<Self, EngineError> {
        let mut outgoing = Self::default();
        for (name, length) in directory.list()?.into_iter().filter(|(name, _)| name.ends_with(SUFFIX)) {
            let bytes = directory.read(&name, 0, usize::try_from(length).unwrap_or(usize::MAX))?;
            let id = snapshot_id(&bytes);
            match Manifest::decode(&bytes).ok().filter(|_| name == self::name(id)) {
                Some(manifest) if is_complete(directory, &manifest)? => {
                    // Whole, but perhaps not durable if the process stopped before the sync.
                    directory.sync(&name)?;
                    outgoing.kept.push(Kept { id, manifest, bytes });
                }
                _ => directory.remove(&name)?,
            }
        }
        outgoing.kept.sort_by_key(Kept::position);
        Ok(outgoing)
    }

    /// Makes a snapshot whose tables are all durable one that can be fetched.
    pub(super) fn publish<D: Directory>(
        &mut self,
        directory: &D,
        manifest: Manifest,
    ) -> Result<SnapshotId, EngineError> {
        let bytes = manifest.encode();
        let id = snapshot_id(&bytes);
        if self.get(id).is_none() {
            directory.remove(&name(id))?;
            directory.append(&name(id), &bytes)?;
            directory.sync(&name(id))?;
            self.kept.push(Kept { id, manifest, bytes });
            self.kept.sort_by_key(Kept::position);
        }
        Ok(id)
    }

    pub(super) fn get(&self, id: SnapshotId) -> Option<&Kept> {
        self.kept.iter().find(|kept| kept.id == id)
    }

    pub(super) fn latest(&self) -> Option<&Kept> {
        self.kept.last()
    }

    pub(super) fn offer(&mut self, to: NodeId, id: SnapshotId) {
        let has_room = self.offers.len() < MAX_OFFERS || self.offers.contains_key(&to);
        if has_room && self.get(id).is_some() {
            self.offers.insert(to, (id, 0));
        }
    }

    /// Forgets the offers that nothing was heard of for `most` ticks: who leads no more is not told how they end.
    pub(super) fn tick(&mut self, most: u32) -> bool {
        let before = self.offers.len();
        self.offers.retain(|_, (_, age)| {
            *age += 1;
            *age < most
        });
        self.offers.len() < before
    }

    pub(super) fn withdraw(&mut self, to: NodeId) {
        self.offers.remove(&to);
    }

    /// The files that are needed.
    pub(super) fn files(&self) -> BTreeSet<String> {
        let tables = self.kept.iter().flat_map(|kept| kept.manifest.tables().map(|of| of.table.name()));
        tables.chain(self.kept.iter().map(Kept::name)).collect()
    }

    /// Gives up what nobody is offered and what is not the latest, then the oldest until at most `most` are
    /// left, and the latest too if the log, which begins behind `base`, does not follow it.
    pub(super) fn prune(&mut self, most: usize, base: LogIndex) -> Vec<Kept> {
        let latest = self.latest().map(|kept| kept.id);
        let offered: BTreeSet<_> = self.offers.values().map(|(id, _)| *id).collect();
        let is_wanted = |kept: &Kept| {
            let follows = Some(kept.id) == latest && kept.manifest.meta.last.index >= base;
            offered.contains(&kept.id) || follows
        };
        let mut dropped: Vec<_> = self.kept.extract_if(.., |kept| !is_wanted(kept)).collect();
        dropped.extend(self.kept.drain(..self.kept.len().saturating_sub(most.max(1))));
        let kept: BTreeSet<_> = self.kept.iter().map(|kept| kept.id).collect();
        self.offers.retain(|_, (id, _)| kept.contains(id));
        dropped
    }

    /// Gives up every snapshot with this table.
    pub(super) fn drop_with(&mut self, table: &str) -> Vec<Kept> {
        let has = |kept: &mut Kept| kept.manifest.tables().any(|of| of.table.name() == table);
        self.kept.extract_if(.., has).collect()
    }

    /// A piece of a snapshot.
    pub(super) fn read<D: Directory>(
        &self,
        directory: &D,
        id: SnapshotId,
        piece: Piece,
    ) -> Result<Served, EngineError> {
        let Some(kept) = self.get(id) else { return Ok(Served::Content(ChunkContent::Gone)) };
        let block_bytes = u64::from(kept.manifest.block_bytes);
        match piece {
            Piece::Manifest { offset } => {
                let total = kept.bytes.len() as u64;
                let (start, end) = (offset.min(total), offset.saturating_add(block_bytes).min(total));
                let data = kept.bytes.slice(start as usize..end as usize);
                let crc = crc32fast::hash(&data);
                Ok(Served::Content(ChunkContent::Chunk { data, crc, total }))
            }
            Piece::Block { table, block } => {
                let found = kept.manifest.tables().nth(table as usize);
                let Some((of, crc)) = found.and_then(|of| Some((of, *of.blocks.get(block as usize)?))) else {
                    return Ok(Served::Content(ChunkContent::Gone));
                };
                let offset = u64::from(block) * block_bytes;
                let total = of.table.bytes;
                let length = block_bytes.min(total - offset) as usize;
                let data = directory.read(&of.table.name(), offset, length)?;
                if data.len() != length || crc32fast::hash(&data) != crc {
                    return Ok(Served::Damaged(of.table.name()));
                }
                Ok(Served::Content(ChunkContent::Chunk { data, crc, total }))
            }
        }
    }
}

/// What was found for a request.
pub(super) enum Served {
    Content(ChunkContent),
    /// This table is not what it was when it was exported.
    Damaged(String),
}

fn is_complete<D: Directory>(directory: &D, manifest: &Manifest) -> Result<bool, EngineError> {
    for of in manifest.tables() {
        if directory.length(&of.table.name())? != Some(of.table.bytes) {
            return Ok(false);
        }
    }
    Ok(true)
}
