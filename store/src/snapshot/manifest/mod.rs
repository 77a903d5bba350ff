//! What a snapshot holds, as the sender's disk, the receiver and the install intent have it.
//!
//! ```text
//! manifest = FORMAT range meta epoch start end timestamp block-bytes tables tables crc    local, then user
//! tables   = count table*                                 in the order of keys, each within its span
//! table    = first last entries bytes hash blocks
//! blocks   = the CRC-32 of each block, little-endian      as many as the table has blocks, the last is shorter
//! ```
//!
//! Numbers are LEB128; keys, `meta`, `hash` and `blocks` are a length and as many bytes; the timestamp takes
//! eight bytes, little-endian. There is one encoding of each value, and whatever else is refused. A decoder
//! allocates in proportion to its input and never panics. The last four bytes are the CRC-32 of everything
//! before them, in every format to come.

mod decode;
mod encode;
mod error;

pub use error::ManifestError;

use bytes::Bytes;
use raft::{RangeId, SnapshotId, SnapshotMeta};
use sha2::{Digest, Sha256};

use crate::engine::Span;
use crate::key::{local_span, user_span};
use crate::table::Table;
use crate::timestamp::Timestamp;

/// The first byte of every encoding.
pub const FORMAT: u8 = 1;

/// What a snapshot holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// Of which range.
    pub range: RangeId,
    /// What it covers.
    pub meta: SnapshotMeta,
    /// The epoch of the range's descriptor.
    pub epoch: u64,
    /// The range's first user key.
    pub start: Bytes,
    /// Behind its last user key; empty: behind every key.
    pub end: Bytes,
    /// The timestamp of the last command that it covers.
    pub timestamp: Timestamp,
    /// Tables are sent and checked in blocks of so many bytes.
    pub block_bytes: u32,
    /// All range-local state.
    pub local: Vec<SnapshotTable>,
    /// All versions of user keys.
    pub user: Vec<SnapshotTable>,
}

/// A table of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotTable {
    /// What it is.
    pub table: Table,
    /// The CRC-32 of each of its blocks: tells after a restart how much of it is there, whoever sent that.
    pub blocks: Vec<u32>,
}

impl Manifest {
    /// All tables, in the order of keys: first range-local state.
    pub fn tables(&self) -> impl Iterator<Item = &SnapshotTable> {
        self.local.iter().chain(&self.user)
    }

    /// The spans that the snapshot is all of, in order.
    #[must_use]
    pub fn spans(&self) -> [Span; 2] {
        [local_span(self.range), user_span(&self.start, &self.end)]
    }

    /// The length of all tables together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.tables().map(|of| of.table.bytes).sum()
    }
}

/// The id of the snapshot with this encoded manifest: the same id is the same content, on every node and after
/// every restart, so that ids need no counter.
#[must_use]
pub fn snapshot_id(manifest: &[u8]) -> SnapshotId {
    let hash: [u8; 32] = Sha256::digest(manifest).into();
    SnapshotId(hash.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
}
