//! The snapshots of all ranges of a node: made, served, fetched and installed, on a thread of its own, because all
//! of that takes long. The store and the carrier tell each other what is to be done; neither waits for the other.
//!
//! ```text
//!           SnapshotEvent                   ChunkMessage
//! Store ───────────────────► ┌─────────┐ ◄────────────────► carriers of other nodes
//!       ◄─────────────────── │ Carrier │
//!            StoreCall       └─┬─────┬─┘ ◄── tick, free space
//!                        engine      directory
//!
//! sender    Wanted ─► Cover ─► Covers ─► export … ─► Offer      requests are served; Unwanted: it is done
//! receiver  Fetch ─► requests … ─► Received ─► Install ─► Intend ─► IntentDurable ─► remove, ingest
//!           ─► Ingested ─► Installed: the files go            Failed, Unneeded: no install comes of it
//! ```
//!
//! The shell gives in events, messages and ticks, calls [`Carrier::work`] as long as there is work, and passes on
//! what [`Carrier::take_output`] gives, in order and each call once. Messages may be lost, repeated or late.
//! Deterministic: no clock, thread or source of randomness. A start calls [`finish_open_intents`] before
//! `Store::open`, then [`Carrier::open`].

mod allowance;
mod directory;
mod events;
mod intents;
mod range;
mod status;
#[cfg(test)]
mod tests;

pub use directory::RangeDirectory;
pub use intents::finish_open_intents;
pub use status::{Counters, RangeStatus};

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use raft::{NodeId, RangeId};

use self::allowance::Allowance;
use self::range::{Carried, Surroundings};
use crate::directory::Directory;
use crate::effects::ClusterVersion;
use crate::engine::{Engine, EngineError};
use crate::replica::StoreFault;
use crate::snapshot::{self, ChunkReply, ChunkRequest};
use crate::store::StoreCall;

/// What is set for a carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Of each range's snapshots; their ticks are those of `tick`.
    pub snapshots: snapshot::Settings,
    /// The newest cluster version that this program understands.
    pub supported: ClusterVersion,
    /// Bytes a second that are read and written for snapshots, of all ranges and in both directions.
    pub bytes_per_second: u64,
    /// Free space that no snapshot may use.
    pub reserve_bytes: u64,
    /// How often what is late is looked at.
    pub tick: Duration,
    /// A snapshot that does not fit, or was damaged, is not fetched again for so many ticks.
    pub retry_ticks: u32,
    /// Ranges that are exported at a time: each keeps a view of the engine.
    pub exports: usize,
    /// Requests that wait to be served, of each range; what is more is dropped, and asked for again.
    pub requests: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            snapshots: snapshot::Settings::default(),
            supported: ClusterVersion::FIRST,
            bytes_per_second: 64 << 20,
            reserve_bytes: 64 << 20,
            tick: Duration::from_millis(100),
            retry_ticks: 50,
            exports: 2,
            requests: 128,
        }
    }
}

/// What carriers say to each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChunkMessage {
    /// Asks for a piece.
    Request(ChunkRequest),
    /// The answer.
    Reply(ChunkReply),
}

/// What is to be done, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Output {
    /// To be sent.
    pub messages: Vec<(NodeId, ChunkMessage)>,
    /// For [`Store::snapshot_call`](crate::store::Store::snapshot_call).
    pub calls: Vec<StoreCall>,
}

impl Output {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.calls.is_empty()
    }
}

/// The snapshots of a node.
pub struct Carrier<E: Engine, D> {
    engine: E,
    directory: D,
    settings: Settings,
    ranges: BTreeMap<RangeId, Carried<E::View, D>>,
    /// How many of them are exported.
    exporting: usize,
    allowance: Allowance,
    /// Since the last tick of the ranges.
    since_tick: Duration,
    free_bytes: u64,
    /// Whose turn it is.
    turn: RangeId,
    counters: Counters,
    output: Output,
}

impl<E: Engine, D: Directory> Carrier<E, D> {
    /// With what an earlier start left in `directory`, which is the carrier's alone.
    ///
    /// # Errors
    /// The process must stop.
    pub fn open(engine: E, directory: D, settings: Settings, free_bytes: u64) -> Result<Self, EngineError> {
        let mut carrier = Self {
            engine,
            directory,
            settings,
            ranges: BTreeMap::new(),
            exporting: 0,
            allowance: Allowance::new(settings.bytes_per_second),
            since_tick: Duration::ZERO,
            free_bytes,
            turn: RangeId(0),
            counters: Counters::default(),
            output: Output::default(),
        };
        for range in directory::ranges(&carrier.directory)? {
            carrier.add(range)?;
        }
        Ok(carrier)
    }

    /// A range has a replica here.
    fn add(&mut self, range: RangeId) -> Result<(), EngineError> {
        if let Entry::Vacant(entry) = self.ranges.entry(range) {
            let directory = RangeDirectory::new(self.directory.clone(), range);
            entry.insert(Carried::open(range, directory, self.settings.snapshots)?);
        }
        Ok(())
    }

    /// Calls a range with all that it needs.
    fn with<T>(
        &mut self,
        range: RangeId,
        call: impl FnOnce(&mut Carried<E::View, D>, &mut Surroundings<'_, E>) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let Self { engine, settings, ranges, exporting, allowance, free_bytes, counters, output, .. } = self;
        let Some(carried) = ranges.get_mut(&range) else {
            return Err(EngineError::Refused { detail: format!("{range:?} has no replica here") }.into());
        };
        let mut surroundings = Surroundings {
            engine,
            settings,
            may_export: *exporting < settings.exports,
            free: free_bytes.saturating_sub(settings.reserve_bytes),
            counters,
            output,
        };
        let before = usize::from(carried.is_exporting());
        let result = call(carried, &mut surroundings)?;
        *exporting = *exporting - before + usize::from(carried.is_exporting());
        allowance.spend(carried.take_spent());
        carried.take_requests(&mut output.messages);
        Ok(result)
    }

    /// Takes a message of another node's carrier.
    ///
    /// # Errors
    /// The process must stop.
    pub fn receive(&mut self, from: NodeId, message: ChunkMessage) -> Result<(), StoreFault> {
        match message {
            ChunkMessage::Request(request) if self.ranges.contains_key(&request.range) => {
                self.with(request.range, |carried, around| {
                    carried.request(from, request, around);
                    Ok(())
                })
            }
            ChunkMessage::Request(request) => {
                self.output.messages.push((from, ChunkMessage::Reply(ChunkReply::gone(request))));
                Ok(())
            }
            ChunkMessage::Reply(reply) if self.ranges.contains_key(&reply.range) => {
                self.with(reply.range, |carried, around| {
                    carried.reply(from, reply, around);
                    Ok(())
                })
            }
            ChunkMessage::Reply(_) => Ok(()),
        }
    }

    /// So much time passed: what is late is looked at, and more bytes may be moved. To be called about every
    /// [`Settings::tick`].
    ///
    /// # Errors
    /// The process must stop.
    pub fn tick(&mut self, elapsed: Duration) -> Result<(), StoreFault> {
        self.allowance.refill(elapsed);
        self.since_tick += elapsed;
        if self.since_tick < self.settings.tick {
            return Ok(());
        }
        // Ticks that were missed are not made up for: nothing arrived meanwhile that could be late.
        self.since_tick = Duration::ZERO;
        for range in self.all() {
            self.with(range, |carried, around| carried.tick(around))?;
        }
        Ok(())
    }

    /// So much space is free on the disk.
    pub fn set_free_bytes(&mut self, free_bytes: u64) {
        self.free_bytes = free_bytes;
    }

    /// Does some of what there is to do, until about `budget` bytes were read or written, or a step of an install
    /// is done. Says whether more can be done now.
    ///
    /// # Errors
    /// The process must stop.
    pub fn work(&mut self, budget: u64) -> Result<bool, StoreFault> {
        let ranges = self.all();
        let next = ranges.partition_point(|range| *range < self.turn);
        let mut more = false;
        for range in ranges[next..].iter().chain(&ranges[..next]) {
            self.turn = RangeId(range.0.saturating_add(1));
            // An install is what everybody waits for, and is not throttled.
            if self.with(*range, |carried, around| carried.step_install(around))? {
                return Ok(true);
            }
            let budget = self.allowance.left().min(budget);
            if budget > 0 {
                more |= self.with(*range, |carried, around| carried.work(budget, around))?;
            }
        }
        Ok(more && self.allowance.left() > 0)
    }

    fn all(&self) -> Vec<RangeId> {
        self.ranges.keys().copied().collect()
    }

    /// What is to be done since the last call.
    pub fn take_output(&mut self) -> Output {
        std::mem::take(&mut self.output)
    }

    /// Events since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the ranges show of their snapshots.
    #[must_use]
    pub fn status(&self) -> Vec<RangeStatus> {
        self.ranges.values().map(Carried::status).collect()
    }
}
