//! Finds the smallest part of a key's history that still is not linearizable, for people to read.

use std::collections::BTreeSet;
use std::ops::Range;

use super::search::Found;
use super::{Limits, Numbered, Operation, Outcome, Record, find_order};

/// Steps for one try: what would need more is taken for linearizable, and so stays as large as it is.
const STEPS_PER_TRY: u64 = 200_000;
/// Steps for all tries.
const STEPS: u64 = 20_000_000;

/// Shrinks `records`, which are not linearizable, to few that are not linearizable either. Also tells the number
/// of the record with whose completion it broke.
pub(super) fn shrink(records: &[Numbered]) -> (Vec<Numbered>, Option<usize>) {
    let mut steps = 0;
    let mut core = cut_where_it_breaks(records, &mut steps);
    // Large parts first, and from the end: what broke is most often about what came just before it.
    let mut size = core.len() / 2;
    while size > 0 {
        let before = core.len();
        let mut end = core.len();
        while end > 0 && steps <= STEPS {
            let start = end.saturating_sub(size);
            let smaller = without(&core, start..end);
            if smaller.len() < core.len() && is_broken(&smaller, &mut steps) {
                core = smaller;
            }
            end = start.min(core.len());
        }
        if size > 1 || core.len() == before {
            size /= 2;
        }
    }
    let known = core.iter().filter(|n| !matches!(n.record.outcome, Outcome::Unknown | Outcome::Failed));
    let stuck = known.max_by_key(|n| n.record.completed).map(|n| n.number);
    add_writers(records, &mut core);
    (core, stuck)
}

fn is_broken(records: &[Numbered], steps: &mut u64) -> bool {
    matches!(find_order(records, &Limits::steps(STEPS_PER_TRY), steps), Found::Nothing(_))
}

/// The history as it was known at the first instant at which it could not be explained. What was still open
/// then has an unknown outcome. (A linearizable history was linearizable at every instant before.)
fn cut_where_it_breaks(records: &[Numbered], steps: &mut u64) -> Vec<Numbered> {
    let mut times: Vec<u64> = records.iter().filter_map(|n| n.record.completed).collect();
    times.sort_unstable();
    times.dedup();
    let broken_at = times.partition_point(|time| !is_broken(&known_at(records, *time), steps));
    match times.get(broken_at).map(|time| known_at(records, *time)) {
        Some(cut) if is_broken(&cut, steps) => cut,
        _ => records.to_vec(),
    }
}

fn known_at(records: &[Numbered], time: u64) -> Vec<Numbered> {
    let mut known: Vec<_> = records.iter().copied().filter(|n| n.record.invoked <= time).collect();
    for Numbered { record, .. } in &mut known {
        if record.completed.is_some_and(|at| at > time) && record.outcome != Outcome::Failed {
            record.completed = None;
            record.outcome = Outcome::Unknown;
        }
    }
    known
}

/// Leaves out the records in `part` as far as that cannot break what was linearizable: with each also all that
/// rests on the value it wrote, and no delete that may explain an absence.
fn without(records: &[Numbered], part: Range<usize>) -> Vec<Numbered> {
    let is_delete = |at: usize| records[at].record.operation == Operation::Delete;
    let mut gone: Vec<bool> = (0..records.len()).map(|at| part.contains(&at) && !is_delete(at)).collect();
    let mut values = BTreeSet::new();
    let mut count = usize::MAX;
    while count != values.len() {
        count = values.len();
        for (Numbered { record, .. }, gone) in records.iter().zip(&mut gone) {
            *gone |= needs(record).flatten().is_some_and(|value| values.contains(&value));
            values.extend(record.written().filter(|_| *gone));
        }
    }
    let left: Vec<_> = records.iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(n, _)| *n).collect();
    for at in part.filter(|at| is_delete(*at)) {
        gone[at] = !may_explain(&records[at].record, &left);
    }
    records.iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(n, _)| *n).collect()
}

/// What the key must hold for the record to take effect, if that matters.
fn needs(record: &Record) -> Option<Option<u64>> {
    match (record.operation, record.outcome) {
        (Operation::CompareAndSet { expected, .. }, Outcome::Unknown) => Some(expected),
        _ => record.observed(),
    }
}

/// Whether one of `records` may have found the absence that `delete` caused.
fn may_explain(delete: &Record, records: &[Numbered]) -> bool {
    let later = |n: &&Numbered| n.record.written().is_some() && is_before(delete, &n.record);
    let known = |n: &Numbered| n.record.completed.filter(|_| n.record.outcome != Outcome::Unknown);
    let overwritten = records.iter().filter(later).filter_map(known).min().unwrap_or(u64::MAX);
    let may_find = |r: &Record| needs(r) == Some(None) && !is_before(r, delete) && r.invoked <= overwritten;
    delete.outcome != Outcome::Failed && records.iter().any(|n| may_find(&n.record))
}

fn is_before(a: &Record, b: &Record) -> bool {
    a.outcome != Outcome::Unknown && a.completed.is_some_and(|at| at < b.invoked)
}

/// Whoever sees a value wants to see who wrote it, even if that failed, or came too late to count.
fn add_writers(records: &[Numbered], core: &mut Vec<Numbered>) {
    core.retain(|n| n.record.outcome != Outcome::Failed);
    let is_there = |value: &u64| core.iter().any(|n| n.record.written() == Some(*value));
    let observed = core.iter().filter_map(|n| n.record.observed().flatten());
    let unexplained: Vec<u64> = observed.filter(|value| !is_there(value)).collect();
    let writes =
        |n: &&Numbered| n.record.operation.written().is_some_and(|value| unexplained.contains(&value));
    core.extend(records.iter().filter(writes));
    core.sort_by_key(|n| (n.record.invoked, n.number));
}
