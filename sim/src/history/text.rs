//! Histories as text, a line for each record:
//!
//! ```text
//! # time     who  key  what           outcome
//! 0..10      c1   k1   write 5     -> written
//! 12..20     c2   k1   cas 5 6     -> swapped
//! 12..22     c3   k1   cas none 7  -> cas-failed 6
//! 21..25     c1   k1   read        -> value 6
//! 26..       c2   k1   delete      -> unknown
//! ```

use thiserror::Error;

use super::{History, Operation, Outcome, Record};

/// A line that is not a record.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line. Each names the words it is about.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Problem {
    /// It needs an arrow before the outcome.
    #[error("there is no `->`")]
    NoArrow,
    /// It needs a time, a client, a key and an operation.
    #[error("there is no {0}")]
    Missing(&'static str),
    /// For example `3..9`, or `3..` for what never completed.
    #[error("`{0}` is no interval")]
    Interval(String),
    /// For example `c1`.
    #[error("`{0}` is no client")]
    Client(String),
    /// For example `k1`.
    #[error("`{0}` is no key")]
    Key(String),
    /// `write V`, `cas V V`, `read` or `delete`.
    #[error("`{0}` is no operation")]
    Operation(String),
    /// `written`, `swapped`, `cas-failed V`, `value V`, `failed` or `unknown`.
    #[error("`{0}` is no outcome")]
    Outcome(String),
}

/// Reads a history. Empty lines and what follows a `#` mean nothing.
///
/// # Errors
/// The first line that is not a record.
pub fn parse(text: &str) -> Result<History, ParseError> {
    let mut history = History::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            history.push(record(line).map_err(|problem| ParseError { line: number + 1, problem })?);
        }
    }
    Ok(history)
}

/// Writes a history so that [`parse`] reads it.
#[must_use]
pub fn format(history: &History) -> String {
    let line = |r: &Record| {
        let (time, operation, outcome) = (interval(r), operation(r.operation), outcome(r.outcome));
        format!("{time:<12} c{:<3} k{:<3} {operation:<14} -> {outcome}\n", r.client, r.key)
    };
    history.records().iter().map(line).collect()
}

fn record(line: &str) -> Result<Record, Problem> {
    let (left, right) = line.split_once("->").ok_or(Problem::NoArrow)?;
    let mut words = left.split_whitespace();
    let mut word = |name| words.next().ok_or(Problem::Missing(name));
    let (interval, client, key) = (word("time")?, word("client")?, word("key")?);
    let (invoked, completed) =
        read_interval(interval).ok_or_else(|| Problem::Interval(interval.to_owned()))?;
    let number = |word: &str, letter| word.strip_prefix(letter)?.parse::<u64>().ok();
    let operation: Vec<_> = words.collect();
    let outcome: Vec<_> = right.split_whitespace().collect();
    Ok(Record {
        client: number(client, 'c')
            .and_then(|n| n.try_into().ok())
            .ok_or_else(|| Problem::Client(client.to_owned()))?,
        key: number(key, 'k').ok_or_else(|| Problem::Key(key.to_owned()))?,
        operation: read_operation(&operation).ok_or_else(|| Problem::Operation(operation.join(" ")))?,
        invoked,
        completed,
        outcome: read_outcome(&outcome).ok_or_else(|| Problem::Outcome(outcome.join(" ")))?,
    })
}

fn read_interval(word: &str) -> Option<(u64, Option<u64>)> {
    let (from, to) = word.split_once("..")?;
    let to = if to.is_empty() { None } else { Some(to.parse().ok()?) };
    Some((from.parse().ok()?, to))
}

fn read_operation(words: &[&str]) -> Option<Operation> {
    Some(match words {
        ["write", value] => Operation::Write { value: value.parse().ok()? },
        ["cas", expected, new] => {
            Operation::CompareAndSet { expected: read_value(expected)?, new: new.parse().ok()? }
        }
        ["read"] => Operation::Read,
        ["delete"] => Operation::Delete,
        _ => return None,
    })
}

fn read_outcome(words: &[&str]) -> Option<Outcome> {
    Some(match words {
        ["written"] => Outcome::Written,
        ["swapped"] => Outcome::Swapped,
        ["cas-failed", actual] => Outcome::CasFailed { actual: read_value(actual)? },
        ["value", found] => Outcome::Value(read_value(found)?),
        ["failed"] => Outcome::Failed,
        ["unknown"] => Outcome::Unknown,
        _ => return None,
    })
}

fn read_value(word: &str) -> Option<Option<u64>> {
    if word == "none" { Some(None) } else { word.parse().ok().map(Some) }
}

pub(super) fn interval(record: &Record) -> String {
    let completed = record.completed.map(|at| at.to_string()).unwrap_or_default();
    format!("{}..{completed}", record.invoked)
}

pub(super) fn operation(operation: Operation) -> String {
    match operation {
        Operation::Write { value } => format!("write {value}"),
        Operation::CompareAndSet { expected, new } => format!("cas {} {new}", value(expected)),
        Operation::Read => "read".to_owned(),
        Operation::Delete => "delete".to_owned(),
    }
}

pub(super) fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Written => "written".to_owned(),
        Outcome::Swapped => "swapped".to_owned(),
        Outcome::CasFailed { actual } => format!("cas-failed {}", value(actual)),
        Outcome::Value(found) => format!("value {}", value(found)),
        Outcome::Failed => "failed".to_owned(),
        Outcome::Unknown => "unknown".to_owned(),
    }
}

pub(super) fn value(value: Option<u64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let text = "0..10 c1 k1 write 5 -> written\n12..20 c2 k7 cas 5 6 -> swapped # why not\n\n\
                    12..22 c3 k1 cas none 7 -> cas-failed 6\n21..25 c1 k1 read -> value none\n\
                    26.. c2 k1 delete -> unknown\n27..28 c2 k1 delete -> failed\n";
        let history = parse(text).unwrap();
        assert_eq!(history.len(), 6);
        assert_eq!(parse(&format(&history)), Ok(history));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let word = str::to_owned;
        for (text, problem) in [
            ("0..1 c1 k1 read", Problem::NoArrow),
            ("0..1 c1 -> failed", Problem::Missing("key")),
            ("0-1 c1 k1 read -> failed", Problem::Interval(word("0-1"))),
            ("0..1 1 k1 read -> failed", Problem::Client(word("1"))),
            ("0..1 c9999999999 k1 read -> failed", Problem::Client(word("c9999999999"))),
            ("0..1 c1 k read -> failed", Problem::Key(word("k"))),
            ("0..1 c1 k1 write x -> failed", Problem::Operation(word("write x"))),
            ("0..1 c1 k1 -> failed", Problem::Operation(word(""))),
            ("0..1 c1 k1 read -> value", Problem::Outcome(word("value"))),
        ] {
            let text = format!("# about\n{text}\n");
            assert_eq!(parse(&text), Err(ParseError { line: 2, problem }), "{text}");
        }
    }
}
