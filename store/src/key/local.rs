//! Keys of range-local state: what a range knows about itself, apart from user data.

use raft::RangeId;

use super::{DecodeError, Tag, span_of, untagged};
use crate::engine::Span;
use crate::timestamp::Timestamp;

const APPLIED: u8 = 0x01;
const DESCRIPTOR: u8 = 0x02;
const CLUSTER_VERSION: u8 = 0x03;
const GC_THRESHOLD: u8 = 0x04;
const SESSION_FLOOR: u8 = 0x05;
const SESSION: u8 = 0x10;
const SESSION_WRITE: u8 = 0x11;
const HOLD: u8 = 0x20;

/// A piece of range-local state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Local {
    /// The last entry that was applied: index, term, timestamp.
    Applied,
    /// What the range is: its kind, span and epoch.
    Descriptor,
    /// Which effects may be proposed.
    ClusterVersion,
    /// Versions that are shadowed at this timestamp may be gone.
    GcThreshold,
    /// Sessions opened before it have expired unless they are here.
    SessionFloor,
    /// A session.
    Session(
        /// When it was opened: its id.
        Timestamp,
    ),
    /// The outcome of a write of a session. Apart from the session, since it may hold a value.
    SessionWrite(
        /// The session.
        Timestamp,
        /// The number of the write.
        u64,
    ),
    /// What keeps versions from garbage collection.
    Hold(
        /// Its id.
        u64,
    ),
}

fn prefix(range: RangeId) -> Vec<u8> {
    // Room for the longest key.
    let mut out = Vec::with_capacity(1 + 8 + 1 + 16);
    out.push(Tag::Local as u8);
    out.extend(range.0.to_be_bytes());
    out
}

fn kind_span(range: RangeId, kind: u8, suffix: &[u8]) -> Span {
    let mut out = prefix(range);
    out.push(kind);
    out.extend(suffix);
    span_of(out)
}

/// The key of a piece of state of a range.
#[must_use]
pub fn local(range: RangeId, what: Local) -> Vec<u8> {
    let mut out = prefix(range);
    let (kind, suffix) = match what {
        Local::Applied => (APPLIED, [None; 2]),
        Local::Descriptor => (DESCRIPTOR, [None; 2]),
        Local::ClusterVersion => (CLUSTER_VERSION, [None; 2]),
        Local::GcThreshold => (GC_THRESHOLD, [None; 2]),
        Local::SessionFloor => (SESSION_FLOOR, [None; 2]),
        Local::Session(session) => (SESSION, [Some(session.0), None]),
        Local::SessionWrite(session, number) => (SESSION_WRITE, [Some(session.0), Some(number)]),
        Local::Hold(id) => (HOLD, [Some(id), None]),
    };
    out.push(kind);
    out.extend(suffix.into_iter().flatten().flat_map(u64::to_be_bytes));
    out
}

/// All range-local state of a range.
#[must_use]
pub fn local_span(range: RangeId) -> Span {
    span_of(prefix(range))
}

/// Every [`Local::Session`] of a range, the oldest first.
#[must_use]
pub fn sessions_span(range: RangeId) -> Span {
    kind_span(range, SESSION, &[])
}

/// Every [`Local::SessionWrite`] of a session, by number.
#[must_use]
pub fn session_writes_span(range: RangeId, session: Timestamp) -> Span {
    kind_span(range, SESSION_WRITE, &session.0.to_be_bytes())
}

/// Every [`Local::Hold`] of a range.
#[must_use]
pub fn holds_span(range: RangeId) -> Span {
    kind_span(range, HOLD, &[])
}

fn number(rest: &mut &[u8]) -> Result<u64, DecodeError> {
    let (number, after) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
    *rest = after;
    Ok(u64::from_be_bytes(*number))
}

/// Whose state, and which piece of it, a key is for.
///
/// # Errors
/// It is not exactly what [`local`] makes.
pub fn decode_local(engine_key: &[u8]) -> Result<(RangeId, Local), DecodeError> {
    let mut rest = untagged(engine_key, Tag::Local)?;
    let range = RangeId(number(&mut rest)?);
    let (kind, mut rest) = rest.split_first().ok_or(DecodeError::Truncated)?;
    let what = match *kind {
        APPLIED => Local::Applied,
        DESCRIPTOR => Local::Descriptor,
        CLUSTER_VERSION => Local::ClusterVersion,
        GC_THRESHOLD => Local::GcThreshold,
        SESSION_FLOOR => Local::SessionFloor,
        SESSION => Local::Session(Timestamp(number(&mut rest)?)),
        SESSION_WRITE => Local::SessionWrite(Timestamp(number(&mut rest)?), number(&mut rest)?),
        HOLD => Local::Hold(number(&mut rest)?),
        kind => return Err(DecodeError::UnknownLocal { kind }),
    };
    match rest.len() {
        0 => Ok((range, what)),
        bytes => Err(DecodeError::Trailing { bytes }),
    }
}
