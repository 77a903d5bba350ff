//! Snapshots of a range: made from a view while writes go on, sent in blocks, received across restarts of either
//! side, and installed by way of a durable intent.
//!
//! A snapshot is a [`Manifest`] and tables that are named by the hash of their content. Whatever has the right hash
//! is never sent again; whatever block has the right checksum is never sent twice.
//!
//! # How a store drives it
//!
//! Each replica has a [`Snapshots`] in a directory of its own. No call waits, none reads a clock; whoever calls
//! decides how much is done at a time. `RAFT` is the core's, `LOG` the log writer's.
//!
//! ```text
//! start     an intent in the log store?  finish_intent(engine, directory, intent): the range's state
//!           LOG  one batch: Write { base: the manifest's meta, reset; hard state: commit at least that }
//!           then Snapshots::open, clear_leftovers if there was an intent, Raft::restore
//!
//! RAFT snapshots_wanted(to)     reusable(base), or else export(engine.view(), Raft::snapshot_meta(applied))
//! now and then                  export_step(budget); meanwhile compaction stays below exporting()
//!   complete, or reusable       RAFT offer_snapshot(to, id, meta); offered(to, id)
//! request arrives               serve, send the reply; Gone: make and offer another one
//! installed there, or removed   withdraw(to)
//! log compacted                 log_compacted(base)
//!
//! RAFT fetch                    fetch
//! reply arrives                 on_reply
//! every tick                    tick
//! after each of these           receive_step(budget, free) until it is not Busy; send take_requests()
//!   Received                    RAFT snapshot_received(id); no `install` comes of it: end_install
//!   Failed                      RAFT snapshot_failed(id)
//!
//! RAFT install                  LOG  Intent(Install::intent); no read is served from here on
//!   durable                     Install::intent_persisted; Install::step until it gives the range's state
//!   state                       replace the replica's; RAFT snapshot_ingested
//!   LOG batch with the reset    Install::log_reset_persisted, end_install; reads are served again
//! caught up without             clear_leftovers
//! ```

mod export;
mod install;
pub mod manifest;
mod message;
mod outgoing;
mod partial;
mod receipt;
mod replica;
mod tables;
#[cfg(test)]
mod tests;

pub use install::{Install, InstallError, Stage, finish_intent};
pub use manifest::Manifest;
pub use message::{ChunkContent, ChunkReply, ChunkRequest, Piece};
pub use receipt::Failure;
pub use replica::{Receiving, Snapshots};

/// The bounds of snapshots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// A table is about so long; one at a time is in memory, and is hashed in one piece.
    pub table_bytes: u64,
    /// Tables are sent and checked in blocks of so many bytes.
    pub block_bytes: u32,
    /// So many snapshots are kept at most.
    pub kept: usize,
    /// So many blocks are on their way at a time.
    pub window: usize,
    /// A piece that did not arrive for so many ticks is asked for again.
    pub resend_ticks: u32,
    /// A transfer ends when nothing arrived for so many ticks.
    pub give_up_ticks: u32,
    /// An offer ends when nothing was asked for it for so many ticks.
    pub offer_ticks: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            table_bytes: 4 << 20,
            block_bytes: 256 << 10,
            kept: 2,
            window: 8,
            resend_ticks: 5,
            give_up_ticks: 50,
            offer_ticks: 6_000,
        }
    }
}
