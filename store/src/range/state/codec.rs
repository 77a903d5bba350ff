//! The values of range-local state.
//!
//! ```text
//! value      = FORMAT fields                      nothing may follow
//! applied    = index term timestamp last-write
//! descriptor = kind epoch start end
//! session    = last-active acknowledged-below
//! outcome    = WRITTEN timestamp deleted | FAILED timestamp index version value
//! hold       = timestamp expires
//! ```
//!
//! Numbers, timestamps and byte strings are those of [`effects`](crate::effects).

use bytes::Bytes;
use raft::{LogIndex, LogPosition, Term};

use super::{Applied, Descriptor, Hold, RangeKind, Session};
use crate::effects::reader::Reader;
use crate::effects::writer::Writer;
use crate::effects::{ClusterVersion, Malformed};
use crate::key::Local;
use crate::range::StateError;
use crate::request::WriteOutcome;
use crate::timestamp::Timestamp;

/// The first byte of every value.
const FORMAT: u8 = 1;

const USER: u8 = 1;

const WRITTEN: u8 = 1;
const FAILED: u8 = 2;

fn encoded(room: usize, write: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Bytes {
    let mut out = Vec::with_capacity(1 + room);
    let mut writer = Writer::new(&mut out);
    writer.byte(FORMAT);
    write(&mut writer);
    out.into()
}

fn decoded<T>(
    what: Local,
    value: &Bytes,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T, StateError> {
    match value.first() {
        Some(&FORMAT) => {}
        Some(&found) => return Err(StateError::NewerFormat { what, found }),
        None => return Err(StateError::Local { what, cause: Malformed::Truncated }),
    }
    let mut reader = Reader::new(&value[1..], value);
    let whole = read(&mut reader).and_then(|read| reader.end().map(|()| read));
    whole.map_err(|cause| StateError::Local { what, cause })
}

pub(crate) fn encode_applied(applied: &Applied) -> Bytes {
    encoded(36, |out| {
        out.number(applied.position.index.0);
        out.number(applied.position.term.0);
        out.timestamp(applied.timestamp);
        out.timestamp(applied.last_write);
    })
}

pub(crate) fn decode_applied(value: &Bytes) -> Result<Applied, StateError> {
    decoded(Local::Applied, value, |from| {
        let position = LogPosition { index: LogIndex(from.number()?), term: Term(from.number()?) };
        Ok(Applied { position, timestamp: from.timestamp()?, last_write: from.timestamp()? })
    })
}

pub(crate) fn encode_descriptor(descriptor: &Descriptor) -> Bytes {
    let room = 1 + 3 * 10 + descriptor.start.len() + descriptor.end.len();
    encoded(room, |out| {
        out.byte(match descriptor.kind {
            RangeKind::User => USER,
        });
        out.number(descriptor.epoch);
        out.sized(&descriptor.start);
        out.sized(&descriptor.end);
    })
}

pub(crate) fn decode_descriptor(value: &Bytes) -> Result<Descriptor, StateError> {
    decoded(Local::Descriptor, value, |from| {
        let kind = match from.byte()? {
            USER => RangeKind::User,
            found => return Err(Malformed::UnknownFlag { found }),
        };
        Ok(Descriptor { kind, epoch: from.number()?, start: from.sized()?, end: from.sized()? })
    })
}

pub(crate) fn encode_cluster_version(version: ClusterVersion) -> Bytes {
    encoded(5, |out| out.number(u64::from(version.0)))
}

pub(crate) fn decode_cluster_version(value: &Bytes) -> Result<ClusterVersion, StateError> {
    decoded(Local::ClusterVersion, value, |from| from.small_number().map(ClusterVersion))
}

pub(crate) fn encode_timestamp(timestamp: Timestamp) -> Bytes {
    encoded(8, |out| out.timestamp(timestamp))
}

pub(crate) fn decode_timestamp(what: Local, value: &Bytes) -> Result<Timestamp, StateError> {
    decoded(what, value, |from| from.timestamp())
}

pub(crate) fn encode_session(session: &Session) -> Bytes {
    encoded(18, |out| {
        out.timestamp(session.last_active);
        out.number(session.acknowledged_below);
    })
}

/// Without its writes: their numbers are in the keys of their outcomes.
pub(crate) fn decode_session(what: Local, value: &Bytes) -> Result<Session, StateError> {
    decoded(what, value, |from| {
        let (last_active, acknowledged_below) = (from.timestamp()?, from.number()?);
        Ok(Session { last_active, acknowledged_below, writes: Default::default() })
    })
}

pub(crate) fn encode_outcome(outcome: &WriteOutcome) -> Bytes {
    match outcome {
        WriteOutcome::Written { timestamp, deleted } => encoded(19, |out| {
            out.byte(WRITTEN);
            out.timestamp(*timestamp);
            out.number(*deleted);
        }),
        WriteOutcome::ConditionFailed { timestamp, index, version, value } => {
            encoded(32 + value.as_ref().map_or(0, Bytes::len), |out| {
                out.byte(FAILED);
                out.timestamp(*timestamp);
                out.number(u64::from(*index));
                out.timestamp(*version);
                out.optional(value.as_deref());
            })
        }
    }
}

pub(crate) fn decode_outcome(what: Local, value: &Bytes) -> Result<WriteOutcome, StateError> {
    decoded(what, value, |from| match from.byte()? {
        WRITTEN => Ok(WriteOutcome::Written { timestamp: from.timestamp()?, deleted: from.number()? }),
        FAILED => Ok(WriteOutcome::ConditionFailed {
            timestamp: from.timestamp()?,
            index: from.small_number()?,
            version: from.timestamp()?,
            value: from.optional()?,
        }),
        found => Err(Malformed::UnknownFlag { found }),
    })
}

pub(crate) fn encode_hold(hold: &Hold) -> Bytes {
    encoded(16, |out| {
        out.timestamp(hold.timestamp);
        out.timestamp(hold.expires);
    })
}

pub(crate) fn decode_hold(what: Local, value: &Bytes) -> Result<Hold, StateError> {
    decoded(what, value, |from| Ok(Hold { timestamp: from.timestamp()?, expires: from.timestamp()? }))
}
