//! The bytes of envelopes between nodes, and of entries, hard states and snapshot meta data on disk.
//!
//! ```text
//! envelope  = FORMAT header count message*        nothing may follow
//! header    = cluster node disk boot node disk    sender, then receiver
//! message   = head range from to term [boot] body
//! head      = kind | FLAG | SAME_BOOT             a reply has a boot, or SAME_BOOT: that of the reply before;
//!                                                a heartbeat has BEHIND in its place
//! append    = prev commit count entry*            indexes follow from prev
//! entry     = tag [terms above the entry before] [configuration | length bytes]
//! ```
//!
//! Numbers are LEB128 in as few bytes as possible; random ids are fixed-size and little-endian. There is one
//! encoding of each value, and whatever else is refused: what decodes encodes to the same bytes. A decoder
//! allocates in proportion to its input and never panics. There is **no checksum**: integrity is the business
//! of the transport and of the disk format around these bytes. A change of the layout takes a new [`FORMAT`].

mod entry;
mod envelope;
mod error;
mod message;
mod reader;
mod writer;

pub use entry::{
    decode_entry, decode_hard_state, decode_snapshot_meta, encode_entry, encode_hard_state,
    encode_snapshot_meta,
};
pub use envelope::{decode_envelope, encode_envelope};
pub use error::DecodeError;

/// The first byte of every encoding.
pub const FORMAT: u8 = 1;
/// The most messages in one envelope.
pub const MAX_MESSAGES: usize = 1 << 20;
/// The most entries in one append; [`crate::Settings::validate`] keeps `append_bytes` below it.
pub const MAX_ENTRIES: usize = 1 << 20;
/// Longer durations are refused: beyond 64 bits of nanoseconds, and far below an overflow.
const MAX_SECONDS: u64 = 1 << 35;
