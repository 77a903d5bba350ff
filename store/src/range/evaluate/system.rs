//! What the range itself asks for: sessions, holds, the GC threshold, the cluster version, the passing of time.

use std::time::Duration;

use super::{Evaluator, Proposal, RangeError, invalid, within};
use crate::canary::{Canary, planted};
use crate::effects::{Body, ClusterVersion};
use crate::engine::Engine;
use crate::request::{Depends, RequestError};
use crate::timestamp::{Timestamp, TimestampSource};

/// How often a client asks again for what others must give back first.
const RETRY_MILLIS: u64 = 1_000;

/// How a timestamp becomes applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tick {
    /// By this.
    Propose(Proposal),
    /// By what is in flight.
    InFlight(Depends),
}

impl<E: Engine> Evaluator<'_, E> {
    /// Lets commands reach `timestamp`, so that it can be read: none below it follows.
    ///
    /// # Errors
    /// The proposal is refused.
    pub fn tick(&self, timestamp: Timestamp, clock: &mut impl TimestampSource) -> Result<Tick, RangeError> {
        let last = self.overlay.timestamp();
        if timestamp <= last {
            return Ok(Tick::InFlight(Depends { on: self.overlay.reaching(timestamp) }));
        }
        self.propose_at(clock.next(last).max(timestamp), Body::Tick).map(Tick::Propose)
    }

    /// Opens a session; its id is the timestamp of the entry.
    ///
    /// # Errors
    /// There are too many.
    pub fn open_session(&self, clock: &mut impl TimestampSource) -> Result<Proposal, RangeError> {
        if self.overlay.session_count(self.state) >= self.limits.sessions {
            let what = "the table of sessions";
            return Err(RequestError::Busy { what, delay_millis: RETRY_MILLIS }.into());
        }
        self.propose(Body::OpenSession, clock)
    }

    /// Ends the sessions that were last active before `floor`; nothing to propose if there are none.
    ///
    /// # Errors
    /// The proposal is refused.
    pub fn expire_sessions(
        &self,
        floor: Timestamp,
        clock: &mut impl TimestampSource,
    ) -> Result<Option<Proposal>, RangeError> {
        // Never a session that is to come: its id would be below the floor.
        let floor = floor.min(self.overlay.timestamp());
        if floor <= self.overlay.session_floor(self.state) || !self.overlay.expires_any(self.state, floor) {
            return Ok(None);
        }
        self.propose(Body::ExpireSessions { floor }, clock).map(Some)
    }

    /// Raises the GC threshold towards `wanted`, as far as the holds allow; nothing to propose if that is not
    /// above what it is, or if nothing has been written that it could let drop: an idle range adds no entries.
    ///
    /// # Errors
    /// The proposal is refused.
    pub fn raise_gc_threshold(
        &self,
        wanted: Timestamp,
        clock: &mut impl TimestampSource,
    ) -> Result<Option<Proposal>, RangeError> {
        let now = clock.next(self.overlay.timestamp());
        let holds = self.overlay.holds(self.state).into_values();
        let holds = holds.filter(|_| !planted(Canary::HoldIgnored));
        let held = holds.filter(|hold| hold.expires > now).map(|hold| hold.timestamp).min();
        // Never what is not applied: "now" stays readable.
        let wanted = wanted.min(self.state.applied().timestamp);
        let threshold = held.map_or(wanted, |held| wanted.min(held));
        let present = self.overlay.gc_threshold(self.state);
        if threshold <= present || present >= self.state.applied().last_write {
            return Ok(None);
        }
        self.propose_at(now, Body::GcThreshold { threshold }).map(Some)
    }

    /// Keeps for a while what can be read at `timestamp`; the id of the hold is the timestamp of the entry.
    ///
    /// # Errors
    /// It is too old or not applied yet, the hold is too long, or there are too many.
    pub fn hold(
        &self,
        timestamp: Timestamp,
        duration: Duration,
        clock: &mut impl TimestampSource,
    ) -> Result<Proposal, RangeError> {
        let oldest = self.overlay.gc_threshold(self.state);
        if timestamp < oldest {
            return Err(RequestError::TooOld { timestamp, oldest }.into());
        }
        let latest = self.state.applied().timestamp;
        if timestamp > latest {
            return Err(RequestError::InTheFuture { timestamp, latest }.into());
        }
        let limit = usize::try_from(self.limits.hold_millis).unwrap_or(usize::MAX);
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        within(
            "the duration of a hold in milliseconds",
            usize::try_from(millis).unwrap_or(usize::MAX),
            limit,
        )?;
        let now = clock.next(self.overlay.timestamp());
        let holds = self.overlay.holds(self.state);
        if holds.values().filter(|hold| hold.expires > now).count() >= self.limits.holds {
            return Err(RequestError::Busy { what: "the table of holds", delay_millis: RETRY_MILLIS }.into());
        }
        let expires = Timestamp(now.0.saturating_add(Timestamp::from_millis(millis).0));
        self.propose_at(now, Body::Hold { id: now.0, timestamp, expires })
    }

    /// Ends a hold; nothing to propose if it has ended.
    ///
    /// # Errors
    /// The proposal is refused.
    pub fn release_hold(
        &self,
        id: u64,
        clock: &mut impl TimestampSource,
    ) -> Result<Option<Proposal>, RangeError> {
        if !self.overlay.holds(self.state).contains_key(&id) {
            return Ok(None);
        }
        self.propose(Body::ReleaseHold { id }, clock).map(Some)
    }

    /// Raises the cluster version: all members run it. Nothing to propose if it is that high.
    ///
    /// # Errors
    /// This program does not support it.
    pub fn set_cluster_version(
        &self,
        version: ClusterVersion,
        clock: &mut impl TimestampSource,
    ) -> Result<Option<Proposal>, RangeError> {
        let supported = self.state.supported;
        if version > supported {
            let (wanted, supported) = (version.0, supported.0);
            return Err(invalid(format!(
                "cluster version {wanted} is unknown here, the newest is {supported}: upgrade this node first"
            )));
        }
        if version <= self.state.cluster_version() {
            return Ok(None);
        }
        self.propose(Body::SetClusterVersion { version }, clock).map(Some)
    }
}
