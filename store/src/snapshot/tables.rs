//! The tables of a snapshot on their way in, one after the other, with requests ahead.

use std::collections::VecDeque;

use bytes::Bytes;

use super::manifest::{Manifest, SnapshotTable};
use super::message::Piece;
use super::partial::{There, block_length, examine, offset, verify};
use super::receipt::{Failure, Progress};
use crate::directory::Directory;
use crate::engine::EngineError;

/// So often a table may arrive whole and yet be another one.
const MAX_DAMAGED: u32 = 2;

/// The tables of a manifest on their way in, one after the other, with requests ahead.
pub(super) struct Tables {
    pub(super) manifest: Manifest,
    parts: Vec<SnapshotTable>,
    pub(super) admitted: bool,
    /// The first table that was not looked at.
    next: usize,
    /// The table whose blocks are asked for, and its next block.
    open: Option<(usize, u32)>,
    /// What was asked for and is not in its file yet, in order.
    flight: VecDeque<Flight>,
    /// How often the table at hand arrived damaged.
    damaged: u32,
}

struct Flight {
    table: usize,
    block: u32,
    data: Option<Bytes>,
    age: u32,
}

impl Flight {
    fn piece(&self) -> Piece {
        // The longest manifest has fewer tables than that.
        Piece::Block { table: self.table as u32, block: self.block }
    }
}

impl Tables {
    pub(super) fn new(manifest: Manifest) -> Self {
        let parts = manifest.tables().cloned().collect();
        Self { manifest, parts, admitted: false, next: 0, open: None, flight: VecDeque::new(), damaged: 0 }
    }

    /// Says if it was asked for, and is what the manifest says.
    pub(super) fn on_block(&mut self, table: usize, block: u32, data: Bytes) -> bool {
        let Some(of) = self.parts.get(table) else { return false };
        let wanted = |flight: &&mut Flight| (flight.table, flight.block) == (table, block);
        let Some(flight) = self.flight.iter_mut().find(wanted) else { return false };
        let sound = of.blocks.get(block as usize) == Some(&crc32fast::hash(&data))
            && data.len() == block_length(of, block, self.manifest.block_bytes);
        if !sound || flight.data.is_some() {
            return false;
        }
        flight.data = Some(data);
        true
    }

    /// Whether anything that was asked for has not arrived.
    pub(super) fn is_waiting(&self) -> bool {
        self.flight.iter().any(|flight| flight.data.is_none())
    }

    /// Counts a tick for everything that has not arrived; gives what `is_late` says.
    pub(super) fn late(&mut self, mut is_late: impl FnMut(&mut u32) -> bool) -> Vec<Piece> {
        let waiting = self.flight.iter_mut().filter(|flight| flight.data.is_none());
        waiting.filter_map(|flight| is_late(&mut flight.age).then(|| flight.piece())).collect()
    }

    /// See [`Receipt::step`](super::receipt::Receipt::step): what is to be asked for is added to `wanted`, and
    /// what was read or written to `used`.
    pub(super) fn step<D: Directory>(
        &mut self,
        directory: &D,
        window: usize,
        budget: u64,
        wanted: &mut Vec<Piece>,
        used: &mut u64,
    ) -> Result<Progress, EngineError> {
        loop {
            if *used >= budget.max(1) {
                return Ok(Progress::Busy);
            }
            if self.flight.front().is_some_and(|flight| flight.data.is_some()) {
                *used += self.write_first(directory)?;
                if self.damaged >= MAX_DAMAGED {
                    let table = self.parts.get(self.next).map(|of| of.table.name()).unwrap_or_default();
                    return Ok(Progress::Failed(Failure::Damaged { table }));
                }
            } else if self.flight.len() >= window.max(1) {
                return Ok(Progress::Waiting);
            } else if let Some((table, block)) = self.open {
                let flight = Flight { table, block, data: None, age: 0 };
                wanted.push(flight.piece());
                self.flight.push_back(flight);
                let more = self.parts.get(table).is_some_and(|of| of.blocks.len() > block as usize + 1);
                self.open = more.then_some((table, block + 1));
            } else if let Some(of) = self.parts.get(self.next) {
                let there = directory.length(&of.table.name())?.unwrap_or(0);
                if let There::Blocks(block) = examine(directory, of, self.manifest.block_bytes)? {
                    self.open = Some((self.next, block));
                }
                *used += there;
                self.next += 1;
            } else if self.flight.is_empty() {
                return Ok(Progress::Complete);
            } else {
                return Ok(Progress::Waiting);
            }
        }
    }

    /// Adds the first block that was asked for to its file. Says how many bytes that took.
    fn write_first<D: Directory>(&mut self, directory: &D) -> Result<u64, EngineError> {
        let Some(Flight { table, block, data: Some(data), .. }) = self.flight.pop_front() else {
            return Ok(0);
        };
        let Some(of) = self.parts.get(table) else { return Ok(0) };
        let name = of.table.name();
        if directory.length(&name)?.unwrap_or(0) != offset(block, self.manifest.block_bytes) {
            // An export of our own wrote the same table meanwhile.
            self.look_again(table);
            return Ok(0);
        }
        directory.append(&name, &data)?;
        if block as usize + 1 < of.blocks.len() {
            return Ok(data.len() as u64);
        }
        let bytes = of.table.bytes;
        if verify(directory, of)? {
            self.damaged = 0;
        } else {
            directory.remove(&name)?;
            self.damaged += 1;
            self.look_again(table);
        }
        Ok(bytes)
    }

    /// Begins again with a table; the replies to what was asked for are dropped.
    fn look_again(&mut self, table: usize) {
        self.flight.clear();
        self.open = None;
        self.next = table;
    }
}
