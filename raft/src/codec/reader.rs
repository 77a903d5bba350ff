//! Takes values off a buffer, and refuses what no writer makes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::error::DecodeError;
use super::{FORMAT, MAX_SECONDS};
use crate::configuration::{Configuration, MAX_MEMBERS, Member, MemberRole};
use crate::entry::SnapshotMeta;
use crate::identity::{Boot, DiskId};
use crate::types::{LogIndex, LogPosition, MAX_NUMBER, NodeId, ReplicaId, Term};

const NANOS: u64 = 1_000_000_000;

/// What is left of a buffer.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// The boot of the reply before.
    pub(super) last_boot: Boot,
}

impl<'a> Reader<'a> {
    /// After the format byte.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Self { rest: bytes, last_boot: Boot::default() };
        match reader.byte()? {
            FORMAT => Ok(reader),
            found => Err(DecodeError::UnknownFormat { found }),
        }
    }

    pub(super) fn end(&self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(DecodeError::Trailing { bytes }),
        }
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        let (byte, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*byte)
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    /// Any number of 64 bits.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, DecodeError> {
        match self.rest.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => match self.number_of_a_word() {
                Some(value) => Ok(value),
                None => self.long_number(),
            },
        }
    }

    /// A number of two to eight bytes, without a loop, if eight can be read and nothing is wrong.
    fn number_of_a_word(&mut self) -> Option<u64> {
        let word = u64::from_le_bytes(*self.rest.first_chunk()?);
        let ends = !word & 0x8080_8080_8080_8080;
        if ends == 0 {
            return None;
        }
        let bits = ends.trailing_zeros() + 1;
        let word = word & (u64::MAX >> (64 - bits)) & 0x7f7f_7f7f_7f7f_7f7f;
        if word >> (bits - 8) == 0 {
            return None;
        }
        // Seven bits of each byte, put together in pairs, then in pairs of these, and so on.
        let word = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
        let word = (word & 0x0000_3fff_0000_3fff) | (word & 0x3fff_0000_3fff_0000) >> 2;
        let word = (word & 0x0000_0000_0fff_ffff) | (word & 0x0fff_ffff_0000_0000) >> 4;
        self.rest = self.rest.get(bits as usize / 8..)?;
        Some(word)
    }

    /// The general case, and what is wrong.
    #[cold]
    fn long_number(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for (at, byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte holds the one bit that is left.
            if at == 9 && *byte > 1 {
                return Err(DecodeError::Overlong);
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                if *byte == 0 && at > 0 {
                    return Err(DecodeError::NotCanonical { what: "a number in more bytes than it needs" });
                }
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(DecodeError::Truncated)
    }

    #[inline]
    fn below(&mut self, limit: u64) -> Result<u64, DecodeError> {
        match self.number()? {
            value if value < limit => Ok(value),
            value => Err(DecodeError::TooLarge { value, limit }),
        }
    }

    /// A number that the core may add one to.
    #[inline]
    pub(super) fn bounded(&mut self) -> Result<u64, DecodeError> {
        self.below(MAX_NUMBER)
    }

    /// The number of elements that follow, of at least `least_bytes` each.
    pub(super) fn count(
        &mut self,
        what: &'static str,
        limit: usize,
        least_bytes: usize,
    ) -> Result<usize, DecodeError> {
        let count = self.number()?;
        let fits = usize::try_from(count).ok().filter(|count| *count <= limit);
        let fits = fits.ok_or(DecodeError::TooMany { what, count, limit })?;
        if fits > self.rest.len() / least_bytes { Err(DecodeError::Truncated) } else { Ok(fits) }
    }

    /// A length and as many bytes.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.number()?;
        self.bytes(usize::try_from(length).map_err(|_| DecodeError::Truncated)?)
    }

    pub(super) fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(DecodeError::UnknownFlag { found }),
        }
    }

    #[inline]
    pub(super) fn index(&mut self) -> Result<LogIndex, DecodeError> {
        Ok(LogIndex(self.bounded()?))
    }

    #[inline]
    pub(super) fn term(&mut self) -> Result<Term, DecodeError> {
        Ok(Term(self.bounded()?))
    }

    #[inline]
    pub(super) fn position(&mut self) -> Result<LogPosition, DecodeError> {
        let index = self.index()?;
        Ok(LogPosition::new(index, self.term()?))
    }

    pub(super) fn node(&mut self) -> Result<NodeId, DecodeError> {
        Ok(NodeId(self.bounded()?))
    }

    #[inline]
    pub(super) fn replica(&mut self) -> Result<ReplicaId, DecodeError> {
        Ok(ReplicaId(self.bounded()?))
    }

    #[inline]
    pub(super) fn duration(&mut self) -> Result<Duration, DecodeError> {
        let seconds = self.below(MAX_SECONDS)?;
        let nanos = self.below(NANOS)?;
        Ok(Duration::from_secs(seconds) + Duration::from_nanos(nanos))
    }

    pub(super) fn random(&mut self) -> Result<u128, DecodeError> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    pub(super) fn disk(&mut self) -> Result<DiskId, DecodeError> {
        Ok(DiskId(self.random()?))
    }

    pub(super) fn boot(&mut self) -> Result<Boot, DecodeError> {
        let counter = self.bounded()?;
        Ok(Boot { counter, nonce: u64::from_le_bytes(self.array()?) })
    }

    pub(super) fn configuration(&mut self) -> Result<Arc<Configuration>, DecodeError> {
        let count = self.count("members", MAX_MEMBERS, 20)?;
        let mut members = BTreeMap::new();
        for _ in 0..count {
            let node = self.node()?;
            let (replica, disk, boot) = (self.replica()?, self.disk()?, self.bounded()?);
            let role = if self.flag()? { MemberRole::Learner } else { MemberRole::Voter };
            if members.last_key_value().is_some_and(|(last, _)| *last >= node) {
                return Err(DecodeError::NotCanonical { what: "members out of order" });
            }
            members.insert(node, Member { replica, disk, boot, role });
        }
        let (next_node, next_replica) = (self.node()?, self.replica()?);
        let reserved = if self.flag()? { Some(self.node()?) } else { None };
        Ok(Arc::new(Configuration { members, next_node, next_replica, reserved }))
    }

    pub(super) fn snapshot_meta(&mut self) -> Result<SnapshotMeta, DecodeError> {
        let (last, configuration_at) = (self.position()?, self.position()?);
        Ok(SnapshotMeta { last, configuration: self.configuration()?, configuration_at })
    }
}
