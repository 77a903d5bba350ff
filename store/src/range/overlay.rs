//! What the present leadership has proposed and not yet applied. Evaluation sees it on top of the applied state;
//! nobody else does, since it may still be lost.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;
use raft::{LogIndex, LogPosition, Term};

use super::state::{Hold, RangeState};
use crate::canary::{Canary, planted};
use crate::effects::{Body, Effects};
use crate::request::WriteOutcome;
use crate::timestamp::Timestamp;

/// The effects in flight of one leadership. It is dropped as a whole when the leadership ends.
#[derive(Clone, Debug)]
pub struct Overlay {
    term: Term,
    /// The last entry accepted, and the highest timestamp: the applied ones if there is none.
    last: LogIndex,
    timestamp: Timestamp,
    in_flight: VecDeque<(LogIndex, Effects)>,
    /// The latest of each key.
    keys: BTreeMap<Bytes, PendingVersion>,
    sessions: BTreeMap<Timestamp, PendingSession>,
}

/// The latest version of a key in flight.
#[derive(Clone, Debug)]
pub(super) struct PendingVersion {
    pub(super) index: LogIndex,
    pub(super) version: Timestamp,
    pub(super) value: Option<Bytes>,
}

/// What becomes of a session by effects in flight.
#[derive(Clone, Debug)]
pub(super) struct PendingSession {
    /// The last of these effects.
    touched: LogIndex,
    pub(super) expired: bool,
    last_active: Timestamp,
    pub(super) acknowledged_below: u64,
    pub(super) writes: BTreeMap<u64, (LogIndex, WriteOutcome)>,
}

impl PendingSession {
    fn new(touched: LogIndex, last_active: Timestamp) -> Self {
        Self { touched, expired: false, last_active, acknowledged_below: 0, writes: BTreeMap::new() }
    }
}

impl Overlay {
    /// The overlay of the leadership of `term`, once its first entry is applied; none before: what earlier
    /// leaders have proposed must be applied before anything is evaluated.
    #[must_use]
    pub fn begin(term: Term, state: &RangeState) -> Option<Self> {
        let applied = state.applied();
        (applied.position.term == term || planted(Canary::EvaluatesBeforeNoop)).then(|| Self {
            term,
            last: applied.position.index,
            timestamp: if planted(Canary::TimestampsGoBack) { Timestamp::ZERO } else { applied.timestamp },
            in_flight: VecDeque::new(),
            keys: BTreeMap::new(),
            sessions: BTreeMap::new(),
        })
    }

    /// The planted bug: the effects of another leadership.
    pub(crate) fn survive(self, term: Term) -> Self {
        Self { term, ..self }
    }

    /// The log has accepted what was evaluated last. `state` is what it was evaluated on.
    ///
    /// # Panics
    /// It is of another leadership, or does not follow what was accepted before.
    pub fn accept(&mut self, state: &RangeState, position: LogPosition, effects: Effects) {
        let LogPosition { term, index } = position;
        assert_eq!(term, self.term, "an overlay belongs to one leadership");
        assert!(index > self.last, "entries are accepted in order");
        assert!(effects.timestamp > self.timestamp, "timestamps rise along the log");
        let timestamp = effects.timestamp;
        match &effects.body {
            Body::Written(written) => {
                for change in &written.changes {
                    let pending = PendingVersion { index, version: timestamp, value: change.value.clone() };
                    self.keys.insert(change.key.clone(), pending);
                }
            }
            Body::OpenSession => {
                self.sessions.insert(timestamp, PendingSession::new(index, timestamp));
            }
            Body::ExpireSessions { floor } => self.expire_sessions(state, index, *floor),
            _ => {}
        }
        if let (Some(record), Some(outcome)) = (effects.record(), effects.outcome()) {
            let session =
                self.sessions.entry(record.session).or_insert_with(|| PendingSession::new(index, timestamp));
            session.touched = index;
            session.last_active = timestamp;
            session.acknowledged_below = session.acknowledged_below.max(record.acknowledged_below);
            session.writes.insert(record.number, (index, outcome));
        }
        self.last = index;
        self.timestamp = timestamp;
        self.in_flight.push_back((index, effects));
    }

    fn expire_sessions(&mut self, state: &RangeState, index: LogIndex, floor: Timestamp) {
        for (id, session) in state.sessions() {
            if session.last_active < floor && !self.sessions.contains_key(id) {
                self.sessions.insert(*id, PendingSession::new(index, session.last_active));
            }
        }
        for session in self.sessions.values_mut() {
            if session.last_active < floor && !session.expired {
                session.touched = index;
                session.expired = true;
            }
        }
    }

    /// Everything up to `index` is applied: it is in the state now.
    pub fn applied(&mut self, index: LogIndex) {
        while let Some((at, effects)) = self.in_flight.pop_front_if(|(at, _)| *at <= index) {
            if let Body::Written(written) = &effects.body {
                for change in &written.changes {
                    if self.keys.get(&change.key).is_some_and(|pending| pending.index == at) {
                        self.keys.remove(&change.key);
                    }
                }
            }
            if let Some(record) = effects.record() {
                if let Some(session) = self.sessions.get_mut(&record.session) {
                    session.writes.remove(&record.number);
                    if session.touched == at {
                        self.sessions.remove(&record.session);
                    }
                }
            } else if matches!(effects.body, Body::OpenSession | Body::ExpireSessions { .. }) {
                self.sessions.retain(|_, session| session.touched > at);
            }
        }
    }

    /// Whether nothing is in flight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// The highest timestamp that is applied or in flight.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The entry in flight with which commands reach `timestamp`; the last one if they have.
    pub(super) fn reaching(&self, timestamp: Timestamp) -> LogIndex {
        let at = self.in_flight.partition_point(|(_, effects)| effects.timestamp < timestamp);
        self.in_flight.get(at).map_or(self.last, |(index, _)| *index)
    }

    pub(super) fn key(&self, key: &[u8]) -> Option<&PendingVersion> {
        self.keys.get(key)
    }

    /// The keys from `start` on, before `end`, which is behind every key if it is empty.
    pub(super) fn keys(&self, start: &[u8], end: &[u8]) -> impl Iterator<Item = (&Bytes, &PendingVersion)> {
        let end = if end.is_empty() { Bound::Unbounded } else { Bound::Excluded(end) };
        self.keys.range::<[u8], _>((Bound::Included(start), end))
    }

    pub(super) fn session(&self, id: Timestamp) -> Option<&PendingSession> {
        self.sessions.get(&id)
    }

    /// How many sessions there will be.
    pub(super) fn session_count(&self, state: &RangeState) -> usize {
        let (mut opened, mut expired) = (0, 0);
        for (id, session) in &self.sessions {
            let applied = state.sessions().contains_key(id);
            opened += usize::from(!applied && !session.expired);
            expired += usize::from(applied && session.expired);
        }
        state.sessions().len() + opened - expired
    }

    /// Whether a session will be there that was last active before `floor`.
    pub(super) fn expires_any(&self, state: &RangeState, floor: Timestamp) -> bool {
        let applied = state.sessions().iter().filter(|(id, _)| !self.sessions.contains_key(id));
        applied.map(|(_, session)| session.last_active).any(|active| active < floor)
            || self.sessions.values().any(|session| !session.expired && session.last_active < floor)
    }

    /// The session floor to be.
    pub(super) fn session_floor(&self, state: &RangeState) -> Timestamp {
        let pending = self.in_flight.iter().filter_map(|(_, effects)| match effects.body {
            Body::ExpireSessions { floor } => Some(floor),
            _ => None,
        });
        pending.fold(state.session_floor(), Timestamp::max)
    }

    /// The GC threshold to be.
    pub(super) fn gc_threshold(&self, state: &RangeState) -> Timestamp {
        let pending = self.in_flight.iter().filter_map(|(_, effects)| match effects.body {
            Body::GcThreshold { threshold } => Some(threshold),
            _ => None,
        });
        pending.fold(state.gc_threshold(), Timestamp::max)
    }

    /// The holds to be, the expired ones included.
    pub(super) fn holds(&self, state: &RangeState) -> BTreeMap<u64, Hold> {
        let mut holds = state.holds().clone();
        for (_, effects) in &self.in_flight {
            match effects.body {
                Body::Hold { id, timestamp, expires } => {
                    holds.insert(id, Hold { timestamp, expires });
                }
                Body::ReleaseHold { id } => {
                    holds.remove(&id);
                }
                _ => {}
            }
        }
        holds
    }
}
