//! What the receiver of a snapshot and its sender say to each other. Both travel beside Raft's messages; any of
//! them may be lost, repeated or late.

use bytes::Bytes;
use raft::{RangeId, SnapshotId};

/// Asks for a piece of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ChunkRequest {
    /// Of which range.
    pub range: RangeId,
    /// Which snapshot.
    pub id: SnapshotId,
    /// Which piece.
    pub piece: Piece,
}

/// A piece of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Piece {
    /// Of the manifest, from `offset` on: as much as the sender likes to send at once.
    Manifest {
        /// The bytes before it.
        offset: u64,
    },
    /// A block of a table.
    Block {
        /// The place of the table in [`Manifest::tables`](super::Manifest::tables).
        table: u32,
        /// The place of the block in it.
        block: u32,
    },
}

/// The answer to a [`ChunkRequest`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChunkReply {
    /// Of which range.
    pub range: RangeId,
    /// Which snapshot.
    pub id: SnapshotId,
    /// Which piece.
    pub piece: Piece,
    /// The piece.
    pub content: ChunkContent,
}

impl ChunkReply {
    /// That there is no such snapshot here.
    #[must_use]
    pub fn gone(ChunkRequest { range, id, piece }: ChunkRequest) -> Self {
        Self { range, id, piece, content: ChunkContent::Gone }
    }
}

/// A piece, or why there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChunkContent {
    /// Here it is.
    Chunk {
        /// Its bytes.
        data: Bytes,
        /// Their CRC-32.
        crc: u32,
        /// The length of the whole manifest, or of the whole table.
        total: u64,
    },
    /// The sender does not have this snapshot, or not any more, or found it damaged: there will be another one.
    Gone,
}
