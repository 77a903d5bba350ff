//! A model map: every version that was ever written, by key and by timestamp, whatever became garbage.

use std::collections::BTreeMap;

use bytes::Bytes;
use store::effects::{Body, Effects};
use store::request::{Condition, Operation, Test};
use store::timestamp::Timestamp;

/// New values by key; none where a key was removed.
pub type Changes = BTreeMap<Bytes, Option<Bytes>>;

/// Every version, and every command.
#[derive(Debug, Default)]
pub struct Model {
    keys: BTreeMap<Bytes, BTreeMap<Timestamp, Option<Bytes>>>,
    /// The commands.
    pub commands: BTreeMap<Timestamp, Effects>,
}

fn within(key: &[u8], start: &[u8], end: &[u8]) -> bool {
    start <= key && (end.is_empty() || key < end)
}

/// The changes of a command.
pub fn changes_of(effects: &Effects) -> Changes {
    match &effects.body {
        Body::Written(written) => {
            written.changes.iter().map(|change| (change.key.clone(), change.value.clone())).collect()
        }
        _ => Changes::new(),
    }
}

impl Model {
    /// A command is applied.
    pub fn add(&mut self, effects: Effects) {
        for (key, value) in changes_of(&effects) {
            self.keys.entry(key).or_default().insert(effects.timestamp, value);
        }
        self.commands.insert(effects.timestamp, effects);
    }

    /// The value of a key and its version.
    pub fn get(&self, key: &[u8], at: Timestamp) -> Option<(Timestamp, &Bytes)> {
        let (version, value) = self.keys.get(key)?.range(..=at).next_back()?;
        Some((*version, value.as_ref()?))
    }

    /// The keys that have a value, in order.
    pub fn live(&self, start: &[u8], end: &[u8], at: Timestamp) -> Vec<Bytes> {
        let keys = self.keys.keys().filter(|key| within(key, start, end));
        keys.filter(|key| self.get(key, at).is_some()).cloned().collect()
    }

    /// The first condition that does not hold.
    pub fn first_failed(&self, conditions: &[Condition], at: Timestamp) -> Option<usize> {
        conditions.iter().position(|condition| !self.holds(condition, at))
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

    /// What operations change on the state just before `at`.
    pub fn changes(&self, operations: &[Operation], at: Timestamp) -> Changes {
        let before = Timestamp(at.0 - 1);
        let mut changes = Changes::new();
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
}
