//! Conditions of a write.

use bytes::Bytes;

use super::Lookup;
use crate::engine::Engine;
use crate::range::StateError;
use crate::request::{Condition, Test, Versioned};
use crate::timestamp::Timestamp;

/// The first condition that does not hold.
pub(super) struct Failed {
    pub(super) index: u32,
    pub(super) version: Timestamp,
    pub(super) value: Option<Bytes>,
}

pub(super) fn first_failed<E: Engine>(
    conditions: &[Condition],
    lookup: &mut Lookup<'_, E>,
) -> Result<Option<Failed>, StateError> {
    for (index, condition) in (0..).zip(conditions) {
        let found = lookup.get(&condition.key)?;
        if !holds(&condition.test, found.as_ref()) {
            let (version, value) = match found {
                Some(Versioned { value, version }) => (version, Some(value)),
                None => (Timestamp::ZERO, None),
            };
            return Ok(Some(Failed { index, version, value }));
        }
    }
    Ok(None)
}

fn holds(test: &Test, found: Option<&Versioned>) -> bool {
    match test {
        Test::Exists => found.is_some(),
        Test::Absent => found.is_none(),
        Test::ValueIs(value) => found.is_some_and(|found| found.value == value),
        Test::VersionIs(version) => found.map_or(Timestamp::ZERO, |found| found.version) == *version,
    }
}
