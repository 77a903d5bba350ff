//! The keys of the log.
//!
//! ```text
//! 0                                   format
//! 1                                   identity of the disk
//! 2                                   boot
//! 16 range kind                       of a replica: its id, hard state, base, intent
//! 16 range ENTRY index                an entry
//! ```
//!
//! Range and index are big-endian, so that everything of a range is together and its entries follow in order.

use raft::{LogIndex, RangeId};

pub(super) const FORMAT: [u8; 1] = [0];
pub(super) const IDENTITY: [u8; 1] = [1];
pub(super) const BOOT: [u8; 1] = [2];
/// Before this are the records of the disk.
pub(super) const FIRST_RANGE: [u8; 1] = [RANGE];
/// Behind everything.
pub(super) const END: [u8; 1] = [RANGE + 1];

const RANGE: u8 = 16;
const ENTRY: u8 = 4;

/// A record of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Replica,
    HardState,
    Base,
    Intent,
    Entry(LogIndex),
}

/// The key of a record of a range.
pub(super) fn of(range: RangeId, kind: Kind) -> Vec<u8> {
    let mut key = Vec::with_capacity(18);
    key.push(RANGE);
    key.extend_from_slice(&range.0.to_be_bytes());
    match kind {
        Kind::Replica => key.push(0),
        Kind::HardState => key.push(1),
        Kind::Base => key.push(2),
        Kind::Intent => key.push(3),
        Kind::Entry(index) => {
            key.push(ENTRY);
            key.extend_from_slice(&index.0.to_be_bytes());
        }
    }
    key
}

/// Behind the last entry that a range can have.
pub(super) fn end_of_entries(range: RangeId) -> Vec<u8> {
    let mut key = of(range, Kind::Entry(LogIndex(u64::MAX)));
    key.push(0);
    key
}

/// The record that a key names.
pub(super) fn parse(key: &[u8]) -> Option<(RangeId, Kind)> {
    let (range, rest) = key.strip_prefix(&[RANGE])?.split_first_chunk()?;
    let kind = match rest {
        [0] => Kind::Replica,
        [1] => Kind::HardState,
        [2] => Kind::Base,
        [3] => Kind::Intent,
        [ENTRY, index @ ..] => Kind::Entry(LogIndex(u64::from_be_bytes(index.try_into().ok()?))),
        _ => return None,
    };
    Some((RangeId(u64::from_be_bytes(*range)), kind))
}
