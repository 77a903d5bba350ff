//! Replays what clients saw against the versions that are there in the end, in the order of timestamps.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use store::engine::{Cursor, View};
use store::key::{decode_value, split_version, user_key, user_span};
use store::replica::{Consistency, Query, Reply, Request};
use store::request::{Condition, Operation, Page, Scan, Test, Write, WriteOutcome};
use store::timestamp::Timestamp;

use crate::client::{Done, Outcome};

/// Every version that was ever written.
#[derive(Default)]
pub struct Versions {
    keys: BTreeMap<Bytes, BTreeMap<Timestamp, Option<Bytes>>>,
    by_timestamp: BTreeMap<Timestamp, BTreeMap<Bytes, Option<Bytes>>>,
}

fn within(key: &[u8], start: &[u8], end: &[u8]) -> bool {
    start <= key && (end.is_empty() || key < end)
}

impl Versions {
    pub fn of(view: &impl View) -> Self {
        let mut versions = Self::default();
        let span = user_span(b"", b"");
        let mut cursor = view.cursor(&span);
        cursor.seek(&span.start).unwrap();
        let mut buffer = Vec::new();
        while let Some((key, stored)) = cursor.entry() {
            let (prefix, version) = split_version(key).unwrap();
            let key = Bytes::copy_from_slice(user_key(prefix, &mut buffer).unwrap());
            let value = decode_value(stored).unwrap().map(Bytes::copy_from_slice);
            versions.keys.entry(key.clone()).or_default().insert(version, value.clone());
            versions.by_timestamp.entry(version).or_default().insert(key, value);
            cursor.next().unwrap();
        }
        versions
    }

    pub fn count(&self) -> usize {
        self.keys.values().map(BTreeMap::len).sum()
    }

    fn get(&self, key: &[u8], at: Timestamp) -> Option<(Timestamp, &Bytes)> {
        let (version, value) = self.keys.get(key)?.range(..=at).next_back()?;
        Some((*version, value.as_ref()?))
    }

    fn live(&self, start: &[u8], end: &[u8], at: Timestamp) -> Vec<Bytes> {
        let keys = self.keys.keys().filter(|key| within(key, start, end));
        keys.filter(|key| self.get(key, at).is_some()).cloned().collect()
    }

    fn holds(&self, condition: &Condition, at: Timestamp) -> bool {
        let found = self.get(&condition.key, at);
        match &condition.test {
            Test::Exists => found.is_some(),
            Test::Absent => found.is_none(),
            Test::ValueIs(value) => found.is_some_and(|(_, found)| found == value),
            Test::VersionIs(version) => found.map_or(Timestamp::ZERO, |(version, _)| version) == *version,
        }
    }

    /// What a write changes on the state just before it.
    fn changes(&self, operations: &[Operation], at: Timestamp) -> BTreeMap<Bytes, Option<Bytes>> {
        let before = Timestamp(at.0 - 1);
        let mut changes = BTreeMap::new();
        for operation in operations {
            match operation {
                Operation::Put { key, value } => {
                    changes.insert(key.clone(), Some(value.clone()));
                }
                Operation::Delete { key } if self.get(key, before).is_some() => {
                    changes.insert(key.clone(), None);
                }
                Operation::Delete { .. } => {}
                Operation::DeleteRange { start, end } => {
                    changes.extend(self.live(start, end, before).into_iter().map(|key| (key, None)));
                }
            }
        }
        changes
    }

    fn check_page(&self, scan: &Scan, page: &Page, at: Timestamp) {
        let mut expected = self.live(&scan.start, &scan.end, at);
        if scan.reverse {
            expected.reverse();
        }
        let most = if scan.limit == 0 { usize::MAX } else { scan.limit };
        let whole = expected.len();
        expected.truncate(most);
        let found: Vec<_> = page.rows.iter().map(|row| row.key.clone()).collect();
        assert_eq!(found, expected, "{scan:?} at {at:?}");
        assert!(page.resume.is_some() || expected.len() == whole, "{scan:?} ends too early");
        for row in &page.rows {
            let (version, value) = self.get(&row.key, at).unwrap();
            let value = if scan.keys_only { &Bytes::new() } else { value };
            assert_eq!((row.version, &row.value), (version, value));
        }
    }
}

fn timestamp(reply: &Reply) -> Option<Timestamp> {
    match reply {
        Reply::Write(
            WriteOutcome::Written { timestamp, .. } | WriteOutcome::ConditionFailed { timestamp, .. },
        )
        | Reply::Value { timestamp, .. }
        | Reply::Page { timestamp, .. }
        | Reply::Session(timestamp) => Some(*timestamp),
        Reply::Hold { .. } | Reply::Done => None,
    }
}

/// Everything that was seen, in the order of its return, with the highest timestamp seen so far.
struct Seen(Vec<(u64, Timestamp)>, Vec<(raft::Time, Timestamp)>);

impl Seen {
    fn new(history: &[Done]) -> Self {
        let (mut highest, mut events, mut times) = (Timestamp::ZERO, Vec::new(), Vec::new());
        let mut in_order: Vec<_> = history.iter().collect();
        in_order.sort_by_key(|done| done.returned);
        for done in in_order {
            let Outcome::Answered(reply) = &done.outcome else { continue };
            // A snapshot says nothing of the present.
            let is_present = !matches!(&done.request, Request::Read(read) if matches!(read.consistency, Consistency::Snapshot(_)));
            if let Some(timestamp) = timestamp(reply).filter(|_| is_present) {
                highest = highest.max(timestamp);
                events.push((done.returned, highest));
                times.push((done.returned_at, highest));
            }
        }
        Self(events, times)
    }

    fn before(&self, event: u64) -> Timestamp {
        let count = self.0.partition_point(|(returned, _)| *returned < event);
        count.checked_sub(1).map_or(Timestamp::ZERO, |at| self.0[at].1)
    }

    fn until(&self, time: raft::Time) -> Timestamp {
        let count = self.1.partition_point(|(returned, _)| *returned <= time);
        count.checked_sub(1).map_or(Timestamp::ZERO, |at| self.1[at].1)
    }
}

pub fn check(history: &[Done], versions: &Versions) {
    let seen = Seen::new(history);
    let mut written = BTreeSet::new();
    for done in history {
        let Outcome::Answered(reply) = &done.outcome else { continue };
        let before = seen.before(done.invoked);
        match (&done.request, reply) {
            (Request::Write(write), Reply::Write(outcome)) => {
                check_write(write, outcome, before, versions, &mut written);
            }
            (Request::Read(read), reply) => {
                let at = timestamp(reply).unwrap();
                match read.consistency {
                    Consistency::Linearizable => assert!(at >= before, "an old state is read: {done:?}"),
                    Consistency::Snapshot(wanted) => assert_eq!(at, wanted),
                    Consistency::Stale(bound) => {
                        let nanos = done.invoked_at.as_nanos().saturating_sub(bound.as_nanos() as u64 + 1);
                        let least = seen.until(raft::Time::from_nanos(nanos));
                        assert!(at >= least, "too old a state is read: {done:?}");
                    }
                }
                match (&read.query, reply) {
                    (Query::Get { key }, Reply::Value { found, .. }) => {
                        let found = found.as_ref().map(|found| (found.version, &found.value));
                        assert_eq!(found, versions.get(key, at), "{done:?}");
                    }
                    (Query::Scan(scan), Reply::Page { page, .. }) => versions.check_page(scan, page, at),
                    _ => panic!("{done:?}"),
                }
            }
            (Request::OpenSession, Reply::Session(session)) => {
                assert!(*session > before && written.insert(*session));
            }
            _ => panic!("{done:?}"),
        }
    }
    check_values(history, versions);
}

fn check_write(
    write: &Write,
    outcome: &WriteOutcome,
    before: Timestamp,
    versions: &Versions,
    written: &mut BTreeSet<Timestamp>,
) {
    match outcome {
        WriteOutcome::Written { timestamp, deleted } => {
            assert!(*timestamp > before, "{write:?} at {timestamp:?} follows {before:?}");
            assert!(written.insert(*timestamp), "two commands at {timestamp:?}");
            let just_before = Timestamp(timestamp.0 - 1);
            for condition in &write.conditions {
                assert!(versions.holds(condition, just_before), "{condition:?} at {timestamp:?}");
            }
            let changes = versions.changes(&write.operations, *timestamp);
            let none = BTreeMap::new();
            assert_eq!(versions.by_timestamp.get(timestamp).unwrap_or(&none), &changes, "{write:?}");
            assert_eq!(*deleted, changes.values().filter(|value| value.is_none()).count() as u64);
        }
        WriteOutcome::ConditionFailed { timestamp, index, version, value } => {
            // What it looked at is the same up to a moment between request and answer.
            for at in [*timestamp, before.max(*timestamp)] {
                let failed = write.conditions.iter().position(|condition| !versions.holds(condition, at));
                assert_eq!(failed, Some(*index as usize), "{write:?} at {at:?}");
                let found = versions.get(&write.conditions[*index as usize].key, at);
                assert_eq!(found, value.as_ref().map(|value| (*version, value)));
            }
        }
    }
}

/// Every value is written once at most; not at all by a write that was refused.
fn check_values(history: &[Done], versions: &Versions) {
    let mut found = BTreeMap::new();
    for (timestamp, changes) in &versions.by_timestamp {
        for value in changes.values().flatten() {
            assert_eq!(found.insert(value.clone(), *timestamp), None, "{value:?} is written twice");
        }
    }
    for done in history {
        let Request::Write(write) = &done.request else { continue };
        let values = write.operations.iter().filter_map(|operation| match operation {
            Operation::Put { value, .. } => Some(value),
            _ => None,
        });
        let executed: BTreeSet<_> = values.map(|value| found.get(value)).collect();
        assert!(executed.len() <= 1, "half of a write was done: {done:?}");
        let is_done = executed.iter().any(Option::is_some);
        match &done.outcome {
            Outcome::Answered(Reply::Write(WriteOutcome::Written { .. })) | Outcome::Unknown => {}
            _ => assert!(!is_done, "what was refused was done: {done:?}"),
        }
    }
}
