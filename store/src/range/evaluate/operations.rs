//! Operations of a write: what is wrong with them, and what they change.

use bytes::Bytes;

use super::lookup::Lookup;
use super::{Evaluator, RangeError, invalid, within};
use crate::effects::Change;
use crate::engine::Engine;
use crate::request::{Condition, Operation, Test};

/// Operations by key, on distinct keys.
pub(super) struct Plan {
    /// Sets and removals of single keys.
    singles: Vec<Change>,
    ranges: Vec<(Bytes, Bytes)>,
}

impl<E: Engine> Evaluator<'_, E> {
    /// Refuses what can be refused without looking at any state.
    pub(super) fn plan(
        &self,
        conditions: &[Condition],
        operations: Vec<Operation>,
    ) -> Result<Plan, RangeError> {
        let limits = self.limits;
        if conditions.is_empty() && operations.is_empty() {
            return Err(invalid("the write is empty: give it an operation or a condition"));
        }
        within("the number of conditions", conditions.len(), limits.batch_operations)?;
        within("the number of operations", operations.len(), limits.batch_operations)?;
        let mut request = 0;
        for condition in conditions {
            request += self.check_key(&condition.key)?;
            if let Test::ValueIs(value) = &condition.test {
                request += self.check_value(value)?;
            }
        }
        let mut singles = Vec::with_capacity(operations.len());
        let mut ranges = Vec::new();
        for operation in operations {
            match operation {
                Operation::Put { key, value } => {
                    request += self.check_key(&key)? + self.check_value(&value)?;
                    singles.push(Change { key, value: Some(value) });
                }
                Operation::Delete { key } => {
                    request += self.check_key(&key)?;
                    singles.push(Change { key, value: None });
                }
                Operation::DeleteRange { start, end } => {
                    request += self.check_range(&start, &end)?;
                    if start < end || end.is_empty() {
                        ranges.push((start, end));
                    }
                }
            }
        }
        within("the request", request, limits.request_bytes)?;
        singles.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        ranges.sort_unstable();
        check_distinct(&singles, &ranges)?;
        Ok(Plan { singles, ranges })
    }

    fn check_key(&self, key: &Bytes) -> Result<usize, RangeError> {
        if key.is_empty() {
            return Err(invalid("a key is empty: keys have one byte at least"));
        }
        within("a key", key.len(), self.limits.key_bytes)?;
        Ok(key.len())
    }

    fn check_value(&self, value: &Bytes) -> Result<usize, RangeError> {
        within("a value", value.len(), self.limits.value_bytes)?;
        Ok(value.len())
    }

    fn check_range(&self, start: &Bytes, end: &Bytes) -> Result<usize, RangeError> {
        if !end.is_empty() && start > end {
            return Err(invalid("a DeleteRange ends before its start: swap them"));
        }
        for bound in [start, end] {
            // What follows the longest key directly is one byte longer.
            within("a bound of a DeleteRange", bound.len(), self.limits.key_bytes + 1)?;
        }
        Ok(start.len() + end.len())
    }

    /// The changes by key. A tombstone is made only where a value is: elsewhere it would say nothing.
    pub(super) fn changes(&self, plan: Plan, lookup: &Lookup<'_, E>) -> Result<Vec<Change>, RangeError> {
        let Plan { singles, ranges } = plan;
        if ranges.is_empty() && singles.iter().all(|change| change.value.is_some()) {
            return Ok(singles);
        }
        let mut changes = Vec::with_capacity(singles.len());
        for change in singles {
            if change.value.is_some() || lookup.exists(&change.key)? {
                changes.push(change);
            }
        }
        if !ranges.is_empty() {
            changes.append(&mut self.delete_ranges(&ranges, lookup)?);
            changes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        }
        Ok(changes)
    }
}

/// Both are sorted.
fn check_distinct(singles: &[Change], ranges: &[(Bytes, Bytes)]) -> Result<(), RangeError> {
    if singles.windows(2).any(|pair| pair[0].key == pair[1].key) {
        return Err(invalid("a key occurs in two operations of one write: keep one of them"));
    }
    let before = |key: &Bytes, end: &Bytes| end.is_empty() || key < end;
    let inside = |(start, end): &(Bytes, Bytes)| {
        let first = singles.partition_point(|change| change.key < start);
        singles.get(first).is_some_and(|change| before(&change.key, end))
    };
    if ranges.windows(2).any(|pair| before(&pair[1].0, &pair[0].1)) || ranges.iter().any(inside) {
        return Err(invalid(
            "a DeleteRange overlaps with another operation of the write: make them distinct",
        ));
    }
    Ok(())
}
