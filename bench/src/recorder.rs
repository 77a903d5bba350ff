//! What a run measured.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::link::Failure;
use crate::workload::{Answer, Operation};

/// Latencies in microseconds, to three digits, up to two minutes.
#[must_use]
pub fn latencies() -> Histogram<u64> {
    // The bounds are constant and valid; a histogram that grows by itself takes any value as well.
    let mut empty = Histogram::new_with_bounds(1, 120_000_000, 3)
        .unwrap_or_else(|_| unreachable!("constant bounds are valid"));
    empty.auto(true);
    empty
}

/// Counts from the moment it is opened until it is closed.
#[derive(Debug)]
pub struct Recorder {
    open: bool,
    /// Of operations that succeeded, failed conditions included.
    pub latencies: Histogram<u64>,
    /// By kind.
    pub failures: BTreeMap<Failure, u64>,
    /// Conditions that did not hold.
    pub conditions_failed: u64,
    /// Reads that found less than they must.
    pub missing: u64,
    last_write: Instant,
    longest_gap: Duration,
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder {
            open: false,
            latencies: latencies(),
            failures: BTreeMap::new(),
            conditions_failed: 0,
            missing: 0,
            last_write: Instant::now(),
            longest_gap: Duration::ZERO,
        }
    }
}

impl Recorder {
    /// From now on everything counts.
    pub fn open(&mut self, now: Instant) {
        self.open = true;
        self.last_write = now;
    }

    /// From now on nothing counts any more.
    pub fn close(&mut self, now: Instant) {
        self.wrote(now);
        self.open = false;
    }

    /// The longest time between two successful writes, the ends of the recording included.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    /// An operation ended at `now`, which was to begin at `intended`.
    pub fn record(
        &mut self,
        expected: Expected,
        answer: Result<Answer, Failure>,
        intended: Instant,
        now: Instant,
    ) {
        if !self.open {
            return;
        }
        match answer {
            Ok(answer) => {
                let micros = now.saturating_duration_since(intended).as_micros();
                self.latencies.saturating_record(u64::try_from(micros).unwrap_or(u64::MAX).max(1));
                match answer {
                    Answer::Written(_) => self.wrote(now),
                    Answer::Other(_) => self.conditions_failed += 1,
                    Answer::Rows(rows) if rows < expected.0 => self.missing += 1,
                    Answer::Rows(_) => {}
                }
            }
            Err(kind) => *self.failures.entry(kind).or_default() += 1,
        }
    }

    fn wrote(&mut self, now: Instant) {
        self.longest_gap = self.longest_gap.max(now.saturating_duration_since(self.last_write));
        self.last_write = now;
    }
}

/// How many rows a read must find at least.
#[derive(Clone, Copy, Debug)]
pub struct Expected(usize);

impl Expected {
    /// Of this operation, on a key space whose keys all exist.
    #[must_use]
    pub fn of(operation: &Operation) -> Self {
        Expected(match operation {
            Operation::Get(_) => 1,
            Operation::Scan(_, limit) => *limit as usize,
            Operation::Put(..) | Operation::PutMany(_) | Operation::Cas(..) => 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Expected = Expected(0);

    #[test]
    fn only_what_ends_while_it_is_open_counts() {
        let start = Instant::now();
        let mut recorder = Recorder::default();
        let at = |millis| start + Duration::from_millis(millis);
        recorder.record(ANY, Ok(Answer::Written(1)), start, at(1));
        recorder.open(at(10));
        recorder.record(ANY, Ok(Answer::Written(2)), at(9), at(14));
        recorder.record(ANY, Ok(Answer::Other(2)), at(9), at(15));
        recorder.record(ANY, Err("busy"), at(9), at(16));
        recorder.record(Expected(1), Ok(Answer::Rows(0)), at(9), at(16));
        recorder.close(at(20));
        recorder.record(ANY, Ok(Answer::Written(3)), at(9), at(30));
        assert_eq!(recorder.latencies.len(), 3);
        assert_eq!(recorder.latencies.min(), 5000);
        assert_eq!((recorder.conditions_failed, recorder.missing, recorder.failures["busy"]), (1, 1, 1));
    }

    #[test]
    fn the_gap_spans_failures_and_the_ends() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut recorder = Recorder::default();
        recorder.open(start);
        recorder.record(ANY, Ok(Answer::Written(1)), start, at(100));
        recorder.record(ANY, Err("unavailable"), start, at(900));
        recorder.record(ANY, Ok(Answer::Rows(1)), start, at(1000));
        recorder.record(ANY, Ok(Answer::Written(2)), start, at(1300));
        recorder.close(at(1400));
        assert_eq!(recorder.longest_gap(), Duration::from_millis(1200));
        recorder.open(at(2000));
        recorder.close(at(5000));
        assert_eq!(recorder.longest_gap(), Duration::from_secs(3));
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut latencies = latencies();
        for micros in 1..=1000 {
            latencies.saturating_record(micros * 100);
        }
        let close = |quantile, wanted: f64| {
            (latencies.value_at_quantile(quantile) as f64 / wanted - 1.0).abs() < 0.002
        };
        assert!(close(0.5, 50_000.0) && close(0.99, 99_000.0) && close(0.999, 99_900.0));
    }
}
