//! Bytes to effects.

use bytes::Bytes;

use super::error::{Damaged, DecodeError, Malformed};
use super::reader::Reader;
use super::{Body, Change, ClusterVersion, ConditionFailed, Effects, FORMAT, Record, Written, kind};
use crate::canary::{Canary, planted};

/// The least bytes of a change: a length of the key, and the mark of a removal.
const LEAST_CHANGE: usize = 2;

/// Whether the entry is as its proposer made it, of whatever format. To be asked before an entry is appended.
///
/// # Errors
/// The entry is damaged.
pub fn verify(bytes: &[u8]) -> Result<(), Damaged> {
    content(bytes).map(drop)
}

/// What the checksum is of.
fn content(bytes: &[u8]) -> Result<&[u8], Damaged> {
    match bytes.split_last_chunk() {
        // The checksum of nothing is zero, and zeros are what is left where nothing was written.
        Some((content, crc))
            if !content.is_empty()
                && (crc32fast::hash(content) == u32::from_le_bytes(*crc)
                    || planted(Canary::ChecksumIgnored)) =>
        {
            Ok(content)
        }
        _ => Err(Damaged { bytes: bytes.len() }),
    }
}

/// The effects that `bytes` hold, verified first. Keys and values share the memory of `bytes`.
///
/// # Errors
/// The bytes are not exactly what [`encode`](super::encode) makes.
pub fn decode(bytes: &Bytes) -> Result<Effects, DecodeError> {
    let mut reader = Reader::new(content(bytes)?, bytes);
    match reader.byte()? {
        FORMAT => {}
        found => return Err(DecodeError::NewerFormat { found }),
    }
    let kind = reader.byte()?;
    let (epoch, timestamp) = (reader.number()?, reader.timestamp()?);
    let body = match kind {
        kind::TICK => Body::Tick,
        kind::WRITTEN => Body::Written(reader.written()?),
        kind::CONDITION_FAILED => Body::ConditionFailed(reader.condition_failed()?),
        kind::OPEN_SESSION => Body::OpenSession,
        kind::EXPIRE_SESSIONS => Body::ExpireSessions { floor: reader.timestamp()? },
        kind::GC_THRESHOLD => Body::GcThreshold { threshold: reader.timestamp()? },
        kind::HOLD => {
            let (id, timestamp) = (reader.number()?, reader.timestamp()?);
            Body::Hold { id, timestamp, expires: reader.timestamp()? }
        }
        kind::RELEASE_HOLD => Body::ReleaseHold { id: reader.number()? },
        kind::SET_CLUSTER_VERSION => {
            Body::SetClusterVersion { version: ClusterVersion(reader.small_number()?) }
        }
        found => return Err(DecodeError::NewerKind { found }),
    };
    reader.end()?;
    Ok(Effects { epoch, timestamp, body })
}

impl Reader<'_> {
    fn written(&mut self) -> Result<Written, Malformed> {
        let deleted = self.number()?;
        let record = if self.flag()? { Some(self.record()?) } else { None };
        let count = self.count(LEAST_CHANGE)?;
        // Tiny changes take more memory than bytes: that much is taken only once they are there.
        let room = count.min(self.remaining() / size_of::<Change>() + 1);
        let mut changes: Vec<Change> = Vec::with_capacity(room);
        for _ in 0..count {
            let change = Change { key: self.sized()?, value: self.optional()? };
            if changes.last().is_some_and(|last| last.key >= change.key) {
                return Err(Malformed::NotCanonical { what: "keys of changes that do not rise" });
            }
            changes.push(change);
        }
        Ok(Written { changes, deleted, record })
    }

    fn condition_failed(&mut self) -> Result<ConditionFailed, Malformed> {
        let (record, index) = (self.record()?, self.small_number()?);
        Ok(ConditionFailed { record, index, version: self.timestamp()?, value: self.optional()? })
    }

    fn record(&mut self) -> Result<Record, Malformed> {
        let (session, number) = (self.timestamp()?, self.number()?);
        Ok(Record { session, number, acknowledged_below: self.number()? })
    }
}
