//! Snapshots of a range: made from a view while writes go on, sent in blocks, received across restarts of either
//! side, and installed by way of a durable intent.
//!
//! A snapshot is a [`Manifest`] and tables that are named by the hash of their content. Whatever has the right hash
//! is never sent again; whatever block has the right checksum is never sent twice.
//!
//! # How it is driven
//!
//! Each replica has a [`Snapshots`] in a directory of its own; the [`Carrier`](crate::carrier::Carrier) drives those of
//! a node, and tells their stores. No call waits, none reads a clock; whoever calls decides how much is done at a
//! time.
//!
//! ```text
//! start        finish_intent if there is one in the log, then Snapshots::open
//! wanted       reusable(base), or else export(view, meta), export_step(budget) …; offered(to, id)
//! request      serve, send the reply; Gone: make and offer another one
//! not wanted   withdraw(to)
//! log cut      log_compacted(base)
//!
//! fetch        fetch; on_reply, tick: receive_step(budget, free) until it is not Busy; send take_requests()
//! received     not needed: end_install; else Install::intent into the log
//! intent       durable: intent_persisted; Install::step until it gives the range's state
//! log reset    durable: log_reset_persisted, end_install
//! caught up    clear_leftovers
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
pub(crate) mod tests;

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
            block_bytes: 1 << 20,
            kept: 2,
            window: 8,
            resend_ticks: 5,
            give_up_ticks: 50,
            offer_ticks: 6_000,
        }
    }
}
