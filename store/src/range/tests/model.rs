//! A naive model of a range: the whole state after each entry of the log, as maps.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::request::{
    Condition, Limits, Operation, Page, RequestError, Row, Scan, Test, Versioned, Write, WriteOutcome,
};
use crate::timestamp::Timestamp;

/// The state after an entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) timestamp: Timestamp,
    pub(super) keys: BTreeMap<Bytes, Versioned>,
    pub(super) sessions: BTreeMap<Timestamp, ModelSession>,
    pub(super) session_floor: Timestamp,
    pub(super) threshold: Timestamp,
    /// What they hold, and until when.
    pub(super) holds: BTreeMap<u64, (Timestamp, Timestamp)>,
    /// Of the entry itself, if it is a write.
    pub(super) outcome: Option<WriteOutcome>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ModelSession {
    pub(super) active: Timestamp,
    pub(super) floor: u64,
    pub(super) outcomes: BTreeMap<u64, WriteOutcome>,
}

/// A condition that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unmet {
    pub(super) index: u32,
    pub(super) version: Timestamp,
    pub(super) value: Option<Bytes>,
}

/// What becomes of a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Expected {
    Refused(Refusal),
    Stored(WriteOutcome),
    Unmet(Unmet),
    Executed,
}

/// A refusal, apart from its details.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    Invalid,
    TooLarge,
    Expired,
    Acknowledged,
    Other,
}

impl From<&RequestError> for Refusal {
    fn from(error: &RequestError) -> Self {
        match error {
            RequestError::Invalid { .. } => Refusal::Invalid,
            RequestError::TooLarge { .. } => Refusal::TooLarge,
            RequestError::SessionExpired { .. } => Refusal::Expired,
            RequestError::AlreadyAcknowledged { .. } => Refusal::Acknowledged,
            _ => Refusal::Other,
        }
    }
}

fn within(key: &[u8], start: &[u8], end: &[u8]) -> bool {
    start <= key && (end.is_empty() || key < end)
}

fn overlap(one: &Operation, other: &Operation) -> bool {
    use Operation::{Delete, DeleteRange, Put};
    match (one, other) {
        (Put { key, .. } | Delete { key }, Put { key: other, .. } | Delete { key: other }) => key == other,
        (DeleteRange { start, end }, Put { key, .. } | Delete { key })
        | (Put { key, .. } | Delete { key }, DeleteRange { start, end }) => within(key, start, end),
        (DeleteRange { start, end }, DeleteRange { start: first, end: last }) => {
            let later = start.max(first);
            within(later, start, end) && within(later, first, last)
        }
    }
}

impl Model {
    /// What becomes of a write.
    pub(super) fn expect(&self, write: &Write, limits: &Limits) -> Expected {
        if let Some(attempt) = write.attempt {
            if attempt.number == 0 || attempt.acknowledged_below > attempt.number {
                return Expected::Refused(Refusal::Invalid);
            }
            let Some(session) = self.sessions.get(&attempt.session) else {
                let expired = attempt.session < self.session_floor;
                return Expected::Refused(if expired { Refusal::Expired } else { Refusal::Invalid });
            };
            if attempt.number < session.floor {
                return Expected::Refused(Refusal::Acknowledged);
            }
            if let Some(outcome) = session.outcomes.get(&attempt.number) {
                return Expected::Stored(outcome.clone());
            }
            let unacknowledged =
                session.outcomes.keys().filter(|n| **n >= attempt.acknowledged_below).count();
            if unacknowledged + 1 > limits.session_writes {
                return Expected::Refused(Refusal::TooLarge);
            }
        }
        let operations = &write.operations;
        if operations.len() > limits.batch_operations {
            return Expected::Refused(Refusal::TooLarge);
        }
        let reversed = |operation: &Operation| matches!(operation, Operation::DeleteRange { start, end } if !end.is_empty() && start > end);
        let twice = (0..operations.len())
            .any(|at| operations[..at].iter().any(|before| overlap(before, &operations[at])));
        if operations.is_empty() && write.conditions.is_empty() || operations.iter().any(reversed) || twice {
            return Expected::Refused(Refusal::Invalid);
        }
        if let Some(unmet) = self.unmet(&write.conditions) {
            return Expected::Unmet(unmet);
        }
        let removed = self.keys.keys().filter(|key| {
            let covers = |operation: &Operation| matches!(operation, Operation::DeleteRange { start, end } if within(key, start, end));
            operations.iter().any(covers)
        });
        if removed.count() > limits.delete_range_keys {
            return Expected::Refused(Refusal::TooLarge);
        }
        Expected::Executed
    }

    /// The first condition that does not hold.
    pub(super) fn unmet(&self, conditions: &[Condition]) -> Option<Unmet> {
        conditions.iter().enumerate().find_map(|(index, condition)| {
            let found = self.keys.get(&condition.key);
            let version = found.map_or(Timestamp::ZERO, |found| found.version);
            let holds = match &condition.test {
                Test::Exists => found.is_some(),
                Test::Absent => found.is_none(),
                Test::ValueIs(value) => found.map(|found| &found.value) == Some(value),
                Test::VersionIs(wanted) => version == *wanted,
            };
            let value = found.map(|found| found.value.clone());
            (!holds).then_some(Unmet { index: index as u32, version, value })
        })
    }

    /// The state after an entry that does nothing to data.
    pub(super) fn then(&self, timestamp: Timestamp) -> Model {
        assert!(timestamp > self.timestamp, "timestamps rise along the log");
        Model { timestamp, outcome: None, ..self.clone() }
    }

    /// The state after a write, of which `unmet` is what did not hold.
    pub(super) fn written(&self, write: &Write, unmet: Option<Unmet>, timestamp: Timestamp) -> Model {
        let mut next = self.then(timestamp);
        let outcome = match unmet {
            Some(Unmet { index, version, value }) => {
                WriteOutcome::ConditionFailed { timestamp, index, version, value }
            }
            None => {
                let deleted =
                    write.operations.iter().map(|operation| next.operate(operation, timestamp)).sum();
                WriteOutcome::Written { timestamp, deleted }
            }
        };
        if let Some(attempt) = write.attempt {
            let session = next.sessions.get_mut(&attempt.session).unwrap();
            session.active = timestamp;
            session.floor = session.floor.max(attempt.acknowledged_below);
            session.outcomes.insert(attempt.number, outcome.clone());
            let floor = session.floor;
            session.outcomes.retain(|number, _| *number >= floor);
        }
        next.outcome = Some(outcome);
        next
    }

    fn operate(&mut self, operation: &Operation, version: Timestamp) -> u64 {
        let before = self.keys.len();
        match operation {
            Operation::Put { key, value } => {
                self.keys.insert(key.clone(), Versioned { value: value.clone(), version });
                return 0;
            }
            Operation::Delete { key } => drop(self.keys.remove(key)),
            Operation::DeleteRange { start, end } => self.keys.retain(|key, _| !within(key, start, end)),
        }
        (before - self.keys.len()) as u64
    }

    /// The sessions that were last active before `floor` end.
    pub(super) fn expired(&self, floor: Timestamp, timestamp: Timestamp) -> Model {
        let mut next = self.then(timestamp);
        next.sessions.retain(|_, session| session.active >= floor);
        next.session_floor = next.session_floor.max(floor);
        next
    }

    /// The threshold that may be proposed at `now`.
    pub(super) fn allowed_threshold(&self, wanted: Timestamp, now: Timestamp) -> Timestamp {
        let held = self.holds.values().filter(|(_, expires)| *expires > now).map(|(held, _)| *held);
        held.fold(wanted, Timestamp::min)
    }

    pub(super) fn collected(&self, threshold: Timestamp, timestamp: Timestamp) -> Model {
        let mut next = self.then(timestamp);
        next.threshold = next.threshold.max(threshold);
        next.holds.retain(|_, (_, expires)| *expires > timestamp);
        next
    }

    /// All rows of a scan, as one page has them.
    pub(super) fn scan(&self, scan: &Scan) -> Vec<Row> {
        let rows = self.keys.iter().filter(|(key, _)| within(key, &scan.start, &scan.end));
        let row = |(key, found): (&Bytes, &Versioned)| Row {
            key: key.clone(),
            value: if scan.keys_only { Bytes::new() } else { found.value.clone() },
            version: found.version,
        };
        let mut rows: Vec<Row> = rows.map(row).collect();
        if scan.reverse {
            rows.reverse();
        }
        rows
    }
}

/// Whether a page begins `rows`, keeps its limits, and resumes where it must.
pub(super) fn check_page(page: &Page, rows: &[Row], scan: &Scan, limits: &Limits) {
    assert_eq!(page.rows, rows[..page.rows.len()], "{scan:?}");
    let most = if scan.limit == 0 { limits.page_keys } else { scan.limit.min(limits.page_keys) };
    let size = |row: &Row| row.key.len() + row.value.len();
    let bytes: usize = page.rows.iter().map(size).sum();
    assert!(page.rows.len() <= most && (bytes <= limits.page_bytes || page.rows.len() == 1));
    match rows.get(page.rows.len()) {
        Some(next) => {
            assert!(page.resume.is_some(), "rows are left of {scan:?}");
            let full = page.rows.len() == most || bytes + size(next) > limits.page_bytes;
            assert!(full && !page.rows.is_empty(), "there is room on a page of {scan:?}");
        }
        None => assert!(page.resume.is_none() || page.rows.len() == most),
    }
}
