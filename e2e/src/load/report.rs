//! What came of a load: printed by kv-load as its last line, read by tests.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::{Violation, check};
use super::history::{Done, Outcome};

/// What clients saw. Times are whole milliseconds.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Writes that were acknowledged.
    pub written: u64,
    /// Reads that were answered.
    pub read: u64,
    /// Writes that surely were not done, after all retries.
    pub failed: u64,
    /// Writes of which nobody knows whether they were done.
    pub unknown: u64,
    /// Reads without an answer, after all retries.
    pub unread: u64,
    /// Answers that were checked, those of the last reading of all keys too.
    pub checked: u64,
    /// Half of the writes took at most so long.
    pub write_p50_millis: u64,
    /// All but one in a hundred writes took at most so long.
    pub write_p99_millis: u64,
    /// The slowest write.
    pub write_most_millis: u64,
    /// The longest time without a successful write.
    pub longest_gap_millis: u64,
    /// What is wrong, if anything is.
    pub violation: Option<String>,
}

impl Report {
    /// Of a history; what is left to be done is the check.
    #[must_use]
    pub fn of(history: &[Done]) -> Self {
        let mut report = Self::default();
        let (mut latencies, mut ends) = (Vec::new(), vec![Duration::ZERO]);
        for done in history {
            let count = match (done.is_write(), &done.outcome) {
                (true, Outcome::Answered { .. }) => {
                    latencies.push(done.latency());
                    ends.push(done.returned);
                    &mut report.written
                }
                (true, Outcome::Failed) => &mut report.failed,
                (true, Outcome::Unknown) => &mut report.unknown,
                (false, Outcome::Answered { .. }) => &mut report.read,
                (false, _) => &mut report.unread,
            };
            *count += 1;
        }
        ends.extend(history.iter().map(|done| done.returned).max());
        ends.sort_unstable();
        latencies.sort_unstable();
        let gaps = ends.windows(2).map(|pair| pair[1] - pair[0]);
        report.longest_gap_millis = millis(gaps.max());
        report.write_p50_millis = millis(latencies.get(latencies.len() / 2).copied());
        report.write_p99_millis = millis(latencies.get(latencies.len() * 99 / 100).copied());
        report.write_most_millis = millis(latencies.last().copied());
        report
    }

    /// With the check of the history, to which the reading of all keys at the end belongs.
    #[must_use]
    pub fn checked(mut self, history: &[Done]) -> Self {
        match check(history) {
            Ok(checked) => self.checked = checked as u64,
            Err(violation) => self.violation = Some(Violation::to_string(&violation)),
        }
        self
    }
}

/// For people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.violation {
            None => writeln!(
                f,
                "{} acknowledged writes, all there; {} answers checked, linearizable",
                self.written, self.checked
            )?,
            Some(violation) => writeln!(f, "WRONG: {violation}")?,
        }
        writeln!(
            f,
            "a write took {} ms in the median, {} ms at p99, {} ms at most; longest time without one: {} ms",
            self.write_p50_millis, self.write_p99_millis, self.write_most_millis, self.longest_gap_millis
        )?;
        write!(f, "writes that failed: {}, that nobody knows of: {}", self.failed, self.unknown)
    }
}

fn millis(time: Option<Duration>) -> u64 {
    time.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::history::Request;
    use super::*;

    #[test]
    fn gaps_and_latencies_are_those_of_acknowledged_writes() {
        let done = |invoked, returned, outcome| Done {
            key: "key".to_owned(),
            request: Request::Put(format!("{invoked}")),
            invoked: Duration::from_millis(invoked),
            returned: Duration::from_millis(returned),
            outcome,
        };
        let answered = |timestamp| Outcome::Answered { timestamp, found: None };
        let history = [
            done(0, 10, answered(1)),
            done(10, 40, answered(2)),
            done(40, 300, Outcome::Unknown),
            done(300, 400, Outcome::Failed),
        ];
        let expected = Report {
            written: 2,
            failed: 1,
            unknown: 1,
            write_p50_millis: 30,
            write_p99_millis: 30,
            write_most_millis: 30,
            longest_gap_millis: 360,
            ..Report::default()
        };
        assert_eq!(Report::of(&history), expected);
    }
}
