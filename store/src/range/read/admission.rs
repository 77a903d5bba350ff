//! Which timestamps a leader may read at.

use crate::request::RequestError;
use crate::timestamp::Timestamp;

/// How far ahead of the physical time a read may be.
const AHEAD_MILLIS: u64 = 5_000;

/// What a read at a timestamp has to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Nothing: no later command changes what is read, on this replica or on any.
    Now,
    /// A command of this timestamp or a later one must be applied first, so that none below it follows:
    /// [`Evaluator::tick`](crate::range::Evaluator::tick).
    AfterTick,
}

/// Whether a read at `timestamp` may be served, where `applied` is applied and the voters' clocks are at
/// `physical`.
///
/// # Errors
/// The timestamp lies too far ahead.
pub fn admit(
    timestamp: Timestamp,
    applied: Timestamp,
    physical: Timestamp,
) -> Result<Admission, RequestError> {
    let ahead = Timestamp(physical.0.saturating_add(Timestamp::from_millis(AHEAD_MILLIS).0));
    if timestamp <= applied {
        Ok(Admission::Now)
    } else if timestamp <= ahead {
        Ok(Admission::AfterTick)
    } else {
        Err(RequestError::InTheFuture { timestamp, latest: applied })
    }
}
