//! From the records of one key to a search problem without unknown outcomes.
//!
//! Values are unique, so whoever observes a value proves that its writer took effect, and did so before the
//! observer completed. This decides nearly every unknown outcome before the search begins:
//!
//! - An unknown write or compare-and-set whose value is observed *must* take effect, by a known deadline.
//! - One whose value nobody observes may be left out. Take an order that contains it: until the next change
//!   nothing in that order finds its value, so without it that order is as good. (An unknown compare-and-set
//!   after it might suddenly match; but that one may be left out as well.)
//! - Only unknown deletes stay optional: absence does not tell who caused it.

use super::{Numbered, Operation, Outcome};

/// What a key holds: [`ABSENT`], or who wrote it: one more than the position of an [`Op`].
pub(super) type State = usize;
/// The key is absent, as it is at the start.
pub(super) const ABSENT: State = 0;

/// An operation that takes effect once, at one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    /// Position among the records that were resolved.
    pub record: usize,
    /// It takes effect at this time or later.
    pub invoked: u64,
    /// It takes effect at this time or earlier; `None`: or never.
    pub deadline: Option<u64>,
    /// It takes effect only in this state.
    pub needs: Option<State>,
    /// It leaves this state behind; `None`: it changes nothing.
    pub sets: Option<State>,
}

/// Find an order of these in which each finds what it needs.
#[derive(Debug)]
pub(super) struct Problem {
    /// In the order in which they were invoked.
    pub ops: Vec<Op>,
    /// All states are below this, the one that is never reached included.
    pub states: usize,
}

/// An operation before it is known who wrote what it needs.
struct Draft {
    record: usize,
    deadline: Option<u64>,
    needs: Option<Option<u64>>,
    /// Says of itself that it cannot have happened.
    absurd: bool,
}

/// The problem that `records` of one key pose.
pub(super) fn resolve(records: &[Numbered]) -> Problem {
    let mut drafts: Vec<Draft> = (0..records.len()).filter_map(|at| draft(records, at)).collect();
    drafts.sort_by_key(|d| records[d.record].record.invoked);

    let mut writers: Vec<(u64, usize)> = (drafts.iter().enumerate())
        .filter_map(|(at, d)| Some((records[d.record].record.written()?, at)))
        .collect();
    writers.sort_unstable();
    let writer = |value: u64| {
        let at = writers.binary_search_by_key(&value, |w| w.0).ok()?;
        Some(writers[at].1)
    };

    set_deadlines(&mut drafts, writer);
    let is_delete = |d: &Draft| matches!(records[d.record].record.operation, Operation::Delete);
    let absence_matters = drafts.iter().any(|d| d.deadline.is_some() && d.needs == Some(None));
    let keep = |d: &Draft| d.deadline.is_some() || (is_delete(d) && absence_matters);

    // Numbers of the states: positions among those that are kept.
    let mut kept = 0;
    let state_of: Vec<State> = drafts
        .iter()
        .map(|d| {
            kept += usize::from(keep(d));
            kept
        })
        .collect();
    let never = kept + 1;
    let needed = |d: &Draft| match d.needs? {
        _ if d.absurd => Some(never),
        None => Some(ABSENT),
        Some(value) => Some(writer(value).map_or(never, |at| state_of[at])),
    };
    let ops = (drafts.iter().enumerate())
        .filter(|(_, d)| keep(d))
        .map(|(at, d)| Op {
            record: d.record,
            invoked: records[d.record].record.invoked,
            deadline: d.deadline,
            needs: needed(d),
            sets: if is_delete(d) { Some(ABSENT) } else { changes(records, d).then(|| state_of[at]) },
        })
        .collect();
    Problem { ops, states: never + 1 }
}

fn changes(records: &[Numbered], draft: &Draft) -> bool {
    records[draft.record].record.written().is_some()
}

/// `None` if the record says nothing.
fn draft(records: &[Numbered], at: usize) -> Option<Draft> {
    let record = &records[at].record;
    let (deadline, needs) = match (record.outcome, record.operation) {
        (Outcome::Failed, _) | (Outcome::Unknown, Operation::Read) => return None,
        (Outcome::Unknown, Operation::CompareAndSet { expected, .. }) => (None, Some(expected)),
        (Outcome::Unknown, _) => (None, None),
        _ => (record.completed, record.observed()),
    };
    let absurd = match (record.outcome, record.operation) {
        (Outcome::CasFailed { actual }, Operation::CompareAndSet { expected, .. }) => actual == expected,
        _ => false,
    };
    Some(Draft { record: at, deadline, needs, absurd })
}

/// Whoever wrote a value did so before each of its observers completed.
fn set_deadlines(drafts: &mut [Draft], writer: impl Fn(u64) -> Option<usize>) {
    for start in 0..drafts.len() {
        let Some(limit) = drafts[start].deadline else { continue };
        let mut at = start;
        while let Some(before) = drafts[at].needs.flatten().and_then(&writer) {
            if drafts[before].deadline.is_some_and(|deadline| deadline <= limit) {
                break;
            }
            drafts[before].deadline = Some(limit);
            at = before;
        }
    }
}
