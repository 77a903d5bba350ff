//! A snapshot in the making: table by table from a view, while writes go on.

use raft::{RangeId, SnapshotMeta};

use super::Settings;
use super::manifest::{Manifest, SnapshotTable};
use crate::directory::Directory;
use crate::effects::ClusterVersion;
use crate::engine::{EngineError, Span, View};
use crate::range::{RangeState, StateError};
use crate::table;

/// An export under way. What a crash leaves of it are tables that the next one finds there already.
pub(super) struct Export<V> {
    view: V,
    /// Without the tables that are still to come.
    manifest: Manifest,
    /// What is still to be exported.
    rest: Vec<Span>,
}

impl<V: View> Export<V> {
    /// Of what `view` holds of the range, which has applied exactly what `meta` covers.
    pub(super) fn begin(
        view: V,
        range: RangeId,
        meta: SnapshotMeta,
        supported: ClusterVersion,
        settings: &Settings,
    ) -> Result<Self, StateError> {
        let state = RangeState::load(&view, range, supported)?;
        let applied = state.applied();
        if applied.position != meta.last {
            let detail = format!("a snapshot of {} from a view at {}", meta.last, applied.position);
            return Err(EngineError::Refused { detail }.into());
        }
        let descriptor = state.descriptor();
        let manifest = Manifest {
            range,
            meta,
            epoch: descriptor.epoch,
            start: descriptor.start.clone(),
            end: descriptor.end.clone(),
            timestamp: applied.timestamp,
            block_bytes: settings.block_bytes,
            local: Vec::new(),
            user: Vec::new(),
        };
        let rest = manifest.spans().to_vec();
        Ok(Self { view, manifest, rest })
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Writes tables, synced, until `budget` bytes are reached; one at the least. Says if all are there, and how
    /// many bytes that were.
    pub(super) fn step<D: Directory>(
        &mut self,
        directory: &D,
        settings: &Settings,
        budget: u64,
    ) -> Result<(bool, u64), EngineError> {
        let mut written = 0;
        loop {
            // Of the two spans, that of range-local state comes first.
            let (is_local, Some(rest)) = (self.rest.len() == 2, self.rest.first_mut()) else {
                return Ok((true, written));
            };
            if written > 0 && written >= budget {
                return Ok((false, written));
            }
            let Some((table, content)) =
                table::export_next(&self.view, rest, directory, settings.table_bytes)?
            else {
                self.rest.remove(0);
                continue;
            };
            rest.start = table.behind();
            written += table.bytes;
            let blocks = content.chunks(settings.block_bytes as usize).map(crc32fast::hash).collect();
            let into = if is_local { &mut self.manifest.local } else { &mut self.manifest.user };
            into.push(SnapshotTable { table, blocks });
        }
    }
}
