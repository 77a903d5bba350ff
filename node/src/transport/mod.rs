//! Where nodes are, and what goes between them: Raft messages, pieces of snapshots, and requests on their way to the
//! leader.
//!
//! ```text
//!   store loop ──► Senders ── one queue and one stream for each peer ──► RaftService ──► store loop
//!   upkeep     ──► Senders ── one call for each piece ────────────────► SnapshotService ─► upkeep
//!   services   ──► Forwarder ─ one stream for each leader ────────────► the services there
//! ```

mod address_book;
mod channel;
mod fetch;
mod forward;
mod hello;
mod peer;
mod raft_service;
mod seldom;
mod senders;
mod snapshot_service;

pub use address_book::{AddressBook, Mine, PeerAddresses};
pub use forward::Forwarder;
pub(crate) use forward::{RECEIVER, receiver};
pub(crate) use hello::id;
pub use raft_service::RaftService;
pub use senders::{Senders, TransportCounters};
pub use snapshot_service::SnapshotService;

/// The largest message between nodes, in bytes: an entry of the largest size, and what is around it.
pub const MESSAGE_BYTES: usize = 16 << 20;
