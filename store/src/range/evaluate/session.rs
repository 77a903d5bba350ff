//! Exactly-once: what is known of a numbered write of a session.

use raft::LogIndex;

use super::lookup::Lookup;
use super::{Evaluator, RangeError, invalid};
use crate::canary::{Canary, planted};
use crate::effects::Record;
use crate::engine::Engine;
use crate::request::{Attempt, RequestError, WriteOutcome};

/// What is known of a write of a session.
pub(super) enum Known {
    /// It was executed, or is in flight.
    Outcome(
        WriteOutcome,
        /// What must be applied before it is told.
        LogIndex,
    ),
    /// It was not executed. If it is now, this is its record.
    Nothing(Record),
}

impl<E: Engine> Evaluator<'_, E> {
    /// Refuses what may have been executed though no record says so.
    pub(super) fn attempt(&self, attempt: &Attempt, lookup: &Lookup<'_, E>) -> Result<Known, RangeError> {
        let Attempt { session: id, number, acknowledged_below, .. } = *attempt;
        if number == 0 || acknowledged_below > number {
            return Err(invalid(format!(
                "write {number} with everything acknowledged below {acknowledged_below}: numbers begin with 1, \
                 and a write cannot be acknowledged before its answer"
            )));
        }
        let (applied, pending) = (self.state.sessions().get(&id), self.overlay.session(id));
        let expired =
            applied.is_none() && pending.is_none() || pending.is_some_and(|pending| pending.expired);
        if expired && !planted(Canary::ExpiredSessionExecutes) {
            if id < self.overlay.session_floor(self.state) {
                return Err(RequestError::SessionExpired { session: id }.into());
            }
            return Err(invalid(format!("session {id} was never opened: open one first")));
        }
        let floors = (applied.map(|s| s.acknowledged_below), pending.map(|s| s.acknowledged_below));
        let floor = floors.0.max(floors.1).unwrap_or(0);
        if number < floor && !planted(Canary::AcknowledgedExecutes) {
            return Err(RequestError::AlreadyAcknowledged { session: id, number }.into());
        }
        let in_flight = pending.filter(|_| !planted(Canary::RetryMissesInFlight));
        if let Some((index, outcome)) = in_flight.and_then(|pending| pending.writes.get(&number)) {
            return Ok(Known::Outcome(outcome.clone(), *index));
        }
        if applied.is_some_and(|applied| applied.writes.contains(&number)) {
            let outcome = self.state.outcome(lookup.view(), id, number)?;
            return Ok(Known::Outcome(outcome, self.state.applied().position.index));
        }
        let floor = floor.max(acknowledged_below);
        let kept = applied.map_or(0, |applied| applied.writes.range(floor..).count());
        let size = 1 + kept + pending.map_or(0, |pending| pending.writes.range(floor..).count());
        let limit = self.limits.session_writes;
        if size > limit {
            let what = "the number of writes of the session that are not acknowledged";
            return Err(RequestError::TooLarge { what, size, limit }.into());
        }
        Ok(Known::Nothing(Record { session: id, number, acknowledged_below }))
    }
}
