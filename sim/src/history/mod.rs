//! Checks that a history is linearizable: that every operation seems to take effect at one instant between
//! its invocation and its completion.
//!
//! Operation A comes before operation B if A completed before B was invoked; operations that touch at the
//! same instant overlap. An operation that failed never took effect. One whose outcome is unknown may take
//! effect at any time after its invocation, or never.
//!
//! Keys are checked one by one, which is enough: a history is linearizable if it is for each key. The way of
//! a key: `resolve` settles the unknown outcomes, `search` looks for an order, `replay` confirms it;
//! where there is none, `shrink` and `violation` say why in as few records as possible.

mod cache;
mod record;
mod replay;
mod resolve;
mod search;
mod shrink;
pub mod text;
mod timeline;
mod violation;

pub use record::{Flaw, History, OpId, Operation, Outcome, Record};
pub use violation::{Explanation, Verdict, Violation};

use search::Found;

/// What a check may use up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Steps of the search, over all keys. Beyond, the check fails.
    pub steps: u64,
    /// Bytes for configurations remembered. Beyond, some are forgotten, which costs steps.
    pub cache_bytes: usize,
}

impl Limits {
    /// So many steps, and a cache of 16 MiB.
    #[must_use]
    pub fn steps(steps: u64) -> Self {
        Self { steps, cache_bytes: 16 << 20 }
    }
}

/// What was checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CheckReport {
    /// Operations in the history.
    pub operations: usize,
    /// Keys they went to.
    pub keys: usize,
    /// Steps of the search.
    pub steps: u64,
}

/// A record with its number in the history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbered {
    /// Its position in [`History::records`].
    pub number: usize,
    /// The record.
    pub record: Record,
}

/// Checks every key, with at most `budget` steps of search in all. Depends on nothing but its arguments.
///
/// # Errors
/// The first key that is not linearizable, or on which the budget ran out, or the first malformed record.
pub fn check(history: &History, budget: u64) -> Result<CheckReport, Violation> {
    check_within(history, &Limits::steps(budget))
}

/// [`check`] with a limit on memory as well.
///
/// # Errors
/// As [`check`].
pub fn check_within(history: &History, limits: &Limits) -> Result<CheckReport, Violation> {
    if let Some((flaw, numbers)) = history.flaw() {
        return Err(Violation::malformed(history, flaw, &numbers));
    }
    let mut records: Vec<Numbered> =
        history.records().iter().enumerate().map(|(number, r)| Numbered { number, record: *r }).collect();
    records.sort_by_key(|n| (n.record.key, n.record.invoked));
    let mut report = CheckReport { operations: records.len(), ..CheckReport::default() };
    for of_key in records.chunk_by(|a, b| a.record.key == b.record.key) {
        report.keys += 1;
        let left = Limits { steps: limits.steps.saturating_sub(report.steps), ..*limits };
        match find_order(of_key, &left, &mut report.steps) {
            Found::Order(_) => {}
            Found::Nothing(longest) => return Err(Violation::not_linearizable(of_key, &longest)),
            Found::Exhausted(longest) => return Err(Violation::exhausted(of_key, &longest, limits.steps)),
        }
    }
    Ok(report)
}

/// Searches for an order of the records of one key, and confirms it.
fn find_order(records: &[Numbered], limits: &Limits, steps: &mut u64) -> Found {
    let problem = resolve::resolve(records);
    let found = search::search(&problem, limits, steps);
    if let Found::Order(order) = &found {
        assert_eq!(replay::confirm(records, order), Ok(()), "the checker contradicts itself");
    }
    found
}
