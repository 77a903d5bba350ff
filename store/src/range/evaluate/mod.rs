//! The leader's half: what is asked becomes effects, or an answer at once.
//!
//! Everything is evaluated on the state that the log will have led to: what is applied, and the [`Overlay`] on
//! top. The order of evaluation is the order of the log, so nothing is locked from here to the commit.

mod conditions;
mod delete_range;
mod lookup;
mod operations;
mod session;
mod system;

pub use system::Tick;

use bytes::Bytes;
use raft::LogIndex;

use self::conditions::Failed;
use self::lookup::Lookup;
use self::session::Known;
use super::overlay::Overlay;
use super::state::RangeState;
use super::{RangeError, StateError};
use crate::canary::{Canary, planted};
use crate::effects::{Body, ConditionFailed, Effects, Written, encode};
use crate::engine::Engine;
use crate::request::{Depends, Limits, RequestError, Write, WriteOutcome};
use crate::timestamp::{Timestamp, TimestampSource};

/// What becomes of a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Evaluated {
    /// To be proposed; the answer comes when it is applied.
    Propose(Proposal),
    /// Nothing is to be proposed. The answer may leave when what it depends on is applied *and* the leadership
    /// was confirmed after the request arrived, as for a read.
    Answer {
        /// The answer.
        outcome: WriteOutcome,
        /// What it looked at.
        depends: Depends,
    },
}

/// What is to be proposed. If the log accepts it, it is to be [accepted](Overlay::accept) before anything else is
/// evaluated; if not, it never was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// For the overlay.
    pub effects: Effects,
    /// For the log.
    pub entry: Bytes,
}

/// Evaluates requests on the leader. All parts belong to one moment: the engine holds `state`, and `overlay` is
/// of the present leadership.
#[derive(Debug)]
pub struct Evaluator<'a, E> {
    /// What is applied.
    pub state: &'a RangeState,
    /// What is in flight.
    pub overlay: &'a Overlay,
    /// Where the applied data are.
    pub engine: &'a E,
    /// What is too large.
    pub limits: &'a Limits,
}

impl<E: Engine> Evaluator<'_, E> {
    /// Evaluates a write.
    ///
    /// # Errors
    /// It is refused, and nothing was done by this attempt; or the replica must stop.
    pub fn write(&self, write: Write, clock: &mut impl TimestampSource) -> Result<Evaluated, RangeError> {
        let Write { conditions, operations, attempt } = write;
        let mut lookup = Lookup::new(self.state, self.overlay, self.engine);
        // Before anything else: a retry has the fate of its first attempt, whatever would be thought of it now.
        let record = match attempt.map(|attempt| self.attempt(&attempt, &lookup)).transpose()? {
            Some(Known::Outcome(outcome, on)) => {
                return Ok(Evaluated::Answer { outcome, depends: Depends { on } });
            }
            Some(Known::Nothing(record)) => Some(record),
            None => None,
        };
        let plan = self.plan(&conditions, operations)?;
        let body = match conditions::first_failed(&conditions, &mut lookup)? {
            None => {
                let changes = self.changes(plan, &lookup)?;
                let deleted = changes.iter().filter(|change| change.value.is_none()).count() as u64;
                Body::Written(Written { changes, deleted, record })
            }
            Some(Failed { index, version, value }) => {
                // An earlier attempt may come later still: it must find this answer.
                match record.filter(|_| {
                    attempt.is_some_and(|attempt| attempt.retry && !planted(Canary::FailureNotRecorded))
                }) {
                    Some(record) => Body::ConditionFailed(ConditionFailed { record, index, version, value }),
                    None => {
                        let timestamp = lookup.timestamp();
                        let outcome = WriteOutcome::ConditionFailed { timestamp, index, version, value };
                        return Ok(Evaluated::Answer { outcome, depends: lookup.depends() });
                    }
                }
            }
        };
        self.propose(body, clock).map(Evaluated::Propose)
    }

    fn propose(&self, body: Body, clock: &mut impl TimestampSource) -> Result<Proposal, RangeError> {
        let timestamp = clock.next(self.overlay.timestamp());
        self.propose_at(timestamp, body)
    }

    fn propose_at(&self, timestamp: Timestamp, body: Body) -> Result<Proposal, RangeError> {
        assert!(timestamp > self.overlay.timestamp(), "timestamps rise along the log");
        let effects = Effects { epoch: self.state.descriptor().epoch, timestamp, body };
        let (needed, present) = (effects.needed_version(), self.state.cluster_version());
        if needed > present {
            let what = format!(
                "this needs cluster version {}, the cluster is at {}: upgrade all members first",
                needed.0, present.0
            );
            return Err(RequestError::Invalid { what }.into());
        }
        let entry = encode(&effects);
        within("the log entry of the request", entry.len(), self.limits.entry_bytes)?;
        Ok(Proposal { effects, entry })
    }
}

/// A request that can never be right.
fn invalid(what: impl Into<String>) -> RangeError {
    RequestError::Invalid { what: what.into() }.into()
}

fn within(what: &'static str, size: usize, limit: usize) -> Result<(), RangeError> {
    if size > limit {
        return Err(RequestError::TooLarge { what, size, limit }.into());
    }
    Ok(())
}
