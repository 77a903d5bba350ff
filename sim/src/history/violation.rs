//! Why a check did not pass, in words and tables.

use std::fmt;

use thiserror::Error;

use super::{Flaw, History, Numbered, Outcome, replay, shrink, text};

/// How many records of the longest order are shown, and how many of those without a place in it.
const SHOWN: usize = 8;

/// How a check ended that did not pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Verdict {
    /// No order of the operations explains what the clients saw.
    #[error("is not linearizable")]
    NotLinearizable,
    /// The search ran out of its budget. Nothing is known, which is as bad.
    #[error("was not decided within {budget} steps")]
    Exhausted {
        /// The budget.
        budget: u64,
    },
    /// The history says nothing about the store.
    #[error("has a malformed history: {0}")]
    Malformed(Flaw),
}

/// Why a history did not pass. Its text is for people: several lines, with tables.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("key {key} {verdict}{explanation}")]
pub struct Violation {
    /// The key.
    pub key: u64,
    /// What is wrong.
    pub verdict: Verdict,
    /// The records that show it.
    pub explanation: Box<Explanation>,
}

/// The records that show what is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Explanation {
    /// Number of the record with whose completion things went wrong.
    pub stuck: Option<usize>,
    /// The smallest part found that shows it: by itself it is not linearizable (or malformed).
    pub core: Vec<Numbered>,
    /// The longest order found for a part of the operations.
    pub longest: Vec<Numbered>,
    /// What the key holds after `longest`.
    pub state: Option<u64>,
    /// The first records without a place in `longest`.
    pub next: Vec<Numbered>,
    /// How many operations went to the key.
    pub operations: usize,
}

impl Violation {
    pub(super) fn malformed(history: &History, flaw: Flaw, numbers: &[usize]) -> Self {
        let core: Vec<_> =
            numbers.iter().map(|n| Numbered { number: *n, record: history.records()[*n] }).collect();
        let key = core.first().map_or(0, |n| n.record.key);
        let operations = history.records().iter().filter(|r| r.key == key).count();
        let explanation =
            Explanation { stuck: numbers.last().copied(), core, operations, ..Explanation::default() };
        Self { key, verdict: Verdict::Malformed(flaw), explanation: Box::new(explanation) }
    }

    pub(super) fn not_linearizable(records: &[Numbered], longest: &[usize]) -> Self {
        let (core, stuck) = shrink::shrink(records);
        let explanation = Explanation { stuck, core, ..place(records, longest) };
        Self::of(records, Verdict::NotLinearizable, explanation)
    }

    pub(super) fn exhausted(records: &[Numbered], longest: &[usize], budget: u64) -> Self {
        Self::of(records, Verdict::Exhausted { budget }, place(records, longest))
    }

    fn of(records: &[Numbered], verdict: Verdict, explanation: Explanation) -> Self {
        let key = records.first().map_or(0, |n| n.record.key);
        Self { key, verdict, explanation: Box::new(explanation) }
    }
}

/// How far the longest order got, and what comes after it.
fn place(records: &[Numbered], longest: &[usize]) -> Explanation {
    let is_next = |(at, n): &(usize, &Numbered)| {
        !longest.contains(at) && !matches!(n.record.outcome, Outcome::Failed | Outcome::Unknown)
    };
    Explanation {
        longest: longest.iter().map(|at| records[*at]).collect(),
        state: replay::replay(records, longest).unwrap_or(None),
        next: records.iter().enumerate().filter(is_next).take(SHOWN).map(|(_, n)| *n).collect(),
        operations: records.len(),
        ..Explanation::default()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(stuck) = self.core.iter().find(|n| Some(n.number) == self.stuck) {
            write!(f, "\nThe first record that nothing explains:\n{}", table([("", stuck)]))?;
        }
        if !self.core.is_empty() {
            let (few, all) = (self.core.len(), self.operations);
            writeln!(f, "\nThe records that show it, {few} of {all} as known at that time:")?;
            write!(f, "{}", table(self.core.iter().map(|n| ("", n))))?;
        }
        if !self.longest.is_empty() || !self.next.is_empty() {
            let (placed, all) = (self.longest.len(), self.operations);
            writeln!(
                f,
                "\nThe longest order found has {placed} of {all} operations. Its end, and what is next:"
            )?;
            let end = self.longest.iter().skip(placed.saturating_sub(SHOWN)).map(|n| ("placed", n));
            write!(f, "{}", table(end.chain(self.next.iter().map(|n| ("-", n)))))?;
            writeln!(f, "The key then holds {}.", text::value(self.state))?;
        }
        Ok(())
    }
}

/// Records as a table, each with a word in front.
fn table<'a>(rows: impl IntoIterator<Item = (&'a str, &'a Numbered)>) -> String {
    let mut rows: Vec<[String; 6]> = rows
        .into_iter()
        .map(|(word, Numbered { number, record })| {
            let (operation, outcome) = (text::operation(record.operation), text::outcome(record.outcome));
            let client = format!("c{}", record.client);
            [word.to_owned(), format!("#{number}"), client, text::interval(record), operation, outcome]
        })
        .collect();
    rows.insert(0, ["", "record", "client", "time", "operation", "outcome"].map(str::to_owned));
    let widths: [usize; 6] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    let mut table = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(widths).filter(|(_, w)| *w > 0).map(|(cell, w)| format!("{cell:w$}")).collect();
        table.push_str("  ");
        table.push_str(cells.join("  ").trim_end());
        table.push('\n');
    }
    table
}
