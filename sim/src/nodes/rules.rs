//! What the entries of a log may do, one after the other: rules that hold whoever proposed them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use store::effects::{Body, Effects, Record};
use store::range::gc::LEAST_RETENTION;
use store::timestamp::Timestamp;

use crate::world::Violation;

#[derive(Debug)]
struct Session {
    last_active: Timestamp,
    acknowledged_below: u64,
}

/// What the log has led to.
#[derive(Debug)]
pub struct Rules {
    session_expiry: u64,
    retention: u64,
    last: Timestamp,
    /// When each timestamp was first applied anywhere.
    applied_at: Vec<(u64, Timestamp)>,
    sessions: BTreeMap<Timestamp, Session>,
    /// Every write of every session that was ever recorded.
    recorded: BTreeSet<(Timestamp, u64)>,
    /// Sessions that were opened before this are there or have expired.
    pub session_floor: Timestamp,
    /// Holds: what is kept, and until when.
    holds: BTreeMap<u64, (Timestamp, Timestamp)>,
    /// The oldest timestamp that can be read.
    pub threshold: Timestamp,
}

/// So much time has passed for certain on every clock when one of them shows `time`.
fn at_least(time: Duration) -> u64 {
    let nanos = time.as_nanos() as u64;
    nanos - nanos / 20
}

impl Rules {
    /// Of an empty log.
    pub fn new(session_expiry: Duration, retention: Duration) -> Self {
        Self {
            session_expiry: at_least(session_expiry),
            retention: at_least(retention.max(LEAST_RETENTION)),
            last: Timestamp::ZERO,
            applied_at: Vec::new(),
            sessions: BTreeMap::new(),
            recorded: BTreeSet::new(),
            session_floor: Timestamp::ZERO,
            holds: BTreeMap::new(),
            threshold: Timestamp::ZERO,
        }
    }

    /// Whether the log has ended a session.
    pub fn is_expired(&self, session: Timestamp) -> bool {
        session < self.session_floor && !self.sessions.contains_key(&session)
    }

    /// The highest timestamp that was applied anywhere `age` before `now`.
    fn older_than(&self, now: u64, age: u64) -> Timestamp {
        let count = self.applied_at.partition_point(|(at, _)| at + age <= now);
        count.checked_sub(1).map_or(Timestamp::ZERO, |at| self.applied_at[at].1)
    }

    /// The next command is applied for the first time, at real time `now`.
    ///
    /// # Errors
    /// It breaks a rule.
    pub fn command(&mut self, now: u64, effects: &Effects) -> Result<(), Violation> {
        let timestamp = effects.timestamp;
        let broken = |rule, detail: String| Err(Violation::new(rule, format!("{detail} at {timestamp:?}")));
        if timestamp <= self.last {
            return broken("timestamps rise along the log", format!("{:?} was before", self.last));
        }
        if let Some(record) = effects.record() {
            self.record(record, timestamp)?;
        }
        match &effects.body {
            Body::OpenSession => {
                let session = Session { last_active: timestamp, acknowledged_below: 0 };
                self.sessions.insert(timestamp, session);
            }
            Body::ExpireSessions { floor } => {
                if *floor > self.older_than(now, self.session_expiry) {
                    return broken("sessions end by elapsed time", format!("floor {floor:?}"));
                }
                self.session_floor = self.session_floor.max(*floor);
                self.sessions.retain(|_, session| session.last_active >= *floor);
            }
            Body::GcThreshold { threshold } => {
                if *threshold > self.older_than(now, self.retention) {
                    return broken("versions are kept for the retention", format!("{threshold:?}"));
                }
                let held = self.holds.values().find(|(held, until)| *until > timestamp && held < threshold);
                if let Some((held, _)) = held {
                    return broken("versions are kept for holds", format!("{threshold:?}, held {held:?}"));
                }
                if *threshold < self.threshold {
                    return broken("the GC threshold rises", format!("{threshold:?}"));
                }
                self.threshold = *threshold;
            }
            Body::Hold { id, timestamp: held, expires } => {
                if *held < self.threshold {
                    return broken("what is held can be read", format!("{held:?} < {:?}", self.threshold));
                }
                self.holds.insert(*id, (*held, *expires));
            }
            Body::ReleaseHold { id } => {
                self.holds.remove(id);
            }
            Body::Tick | Body::Written(_) | Body::ConditionFailed(_) | Body::SetClusterVersion { .. } => {}
        }
        self.last = timestamp;
        self.applied_at.push((now, timestamp));
        Ok(())
    }

    fn record(&mut self, record: &Record, timestamp: Timestamp) -> Result<(), Violation> {
        let Record { session: id, number, acknowledged_below } = *record;
        let what = format!("write {number} of session {id:?} at {timestamp:?}");
        let Some(session) = self.sessions.get_mut(&id) else {
            return Err(Violation::new("nothing of an expired session is executed", what));
        };
        if !self.recorded.insert((id, number)) {
            return Err(Violation::new("a write of a session is executed once", what));
        }
        if number < session.acknowledged_below {
            return Err(Violation::new("nothing acknowledged is executed again", what));
        }
        session.last_active = timestamp;
        session.acknowledged_below = session.acknowledged_below.max(acknowledged_below);
        Ok(())
    }
}
