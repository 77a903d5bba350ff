//! One run against one system, reduced to the figures that are reported.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::link::Protocol;
use crate::load::Outcome;
use crate::process::Usage;

/// The figures of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// How the system was spoken to.
    pub protocol: Protocol,
    /// Successful operations a second.
    pub operations_per_second: f64,
    /// Half of the operations took at most so long, in microseconds.
    pub p50_micros: u64,
    /// 99 % did.
    pub p99_micros: u64,
    /// 99.9 % did.
    pub p999_micros: u64,
    /// The longest.
    pub max_micros: u64,
    /// Operations that succeeded.
    pub operations: u64,
    /// Operations that did not, by kind.
    pub failures: BTreeMap<String, u64>,
    /// Conditions that did not hold.
    pub conditions_failed: u64,
    /// Reads that found less than they must.
    pub missing: u64,
    /// The longest time without a successful write; of runs without writes the whole run.
    pub longest_gap_millis: u64,
    /// CPU time of the generator per operation, in microseconds.
    pub client_cpu_micros: f64,
    /// The same of each server; the leader first, if the run was on one leader.
    pub server_cpu_micros: Vec<f64>,
    /// Bytes that all servers together caused to be written, per operation.
    pub written_bytes: f64,
    /// Resident memory of the largest server at the end.
    pub rss_bytes: u64,
    /// Of that, what no file backs.
    pub rss_anon_bytes: u64,
}

impl Measured {
    /// The figures of `outcome`, whose first process is the server at `leader`.
    #[must_use]
    pub fn of(protocol: Protocol, outcome: &Outcome, leader: usize) -> Self {
        let recorder = &outcome.recorder;
        let operations = recorder.latencies.len();
        let per_operation = |amount: u64| amount as f64 / operations.max(1) as f64;
        let (generator, servers) =
            outcome.usage.split_last().map_or((Usage::default(), &[][..]), |(last, rest)| (*last, rest));
        let mut server_cpu_micros: Vec<f64> =
            servers.iter().map(|usage| per_operation(usage.cpu_micros)).collect();
        if leader < server_cpu_micros.len() {
            server_cpu_micros[..=leader].rotate_right(1);
        }
        let largest = servers.iter().max_by_key(|usage| usage.rss_bytes).copied().unwrap_or_default();
        Measured {
            protocol,
            operations_per_second: outcome.rate(),
            p50_micros: recorder.latencies.value_at_quantile(0.5),
            p99_micros: recorder.latencies.value_at_quantile(0.99),
            p999_micros: recorder.latencies.value_at_quantile(0.999),
            max_micros: recorder.latencies.max(),
            operations,
            failures: recorder.failures.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            conditions_failed: recorder.conditions_failed,
            missing: recorder.missing,
            longest_gap_millis: millis(recorder.longest_gap()),
            client_cpu_micros: per_operation(generator.cpu_micros),
            server_cpu_micros,
            written_bytes: per_operation(servers.iter().map(|usage| usage.written_bytes).sum()),
            rss_bytes: largest.rss_bytes,
            rss_anon_bytes: largest.rss_anon_bytes,
        }
    }

    /// All that did not go as it should: failures and reads that found too little.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.failures.values().sum::<u64>() + self.missing
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!(
            "{:9.0} op/s  p50 {:>7} p99 {:>7} p99.9 {:>7} ms  CPU us/op client {:.1}, servers {}",
            self.operations_per_second,
            as_millis(self.p50_micros),
            as_millis(self.p99_micros),
            as_millis(self.p999_micros),
            self.client_cpu_micros,
            self.server_cpu_micros.iter().map(|micros| format!("{micros:.1}")).collect::<Vec<_>>().join("+"),
        );
        for (kind, count) in &self.failures {
            line += &format!("  {count} x {kind}");
        }
        if self.missing > 0 {
            line += &format!("  {} reads found too little", self.missing);
        }
        if self.conditions_failed > 0 {
            line += &format!("  {} conditions failed", self.conditions_failed);
        }
        line
    }
}

/// Milliseconds with two digits behind the point.
#[must_use]
pub fn as_millis(micros: u64) -> String {
    format!("{:.2}", micros as f64 / 1000.0)
}

/// Whole milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The middle, the least and the greatest of some figures.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Spread {
    /// Half are at most this.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

impl Spread {
    /// Of these figures; zeros if there are none.
    #[must_use]
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
        let last = sorted.len().saturating_sub(1);
        // Of an even number, the mean of the two in the middle.
        Spread { median: f64::midpoint(at(last / 2), at(last.div_ceil(2))), least: at(0), most: at(last) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::recorder::{Expected, Recorder};
    use crate::workload::{Answer, Operation};

    #[test]
    fn costs_are_divided_and_the_leader_comes_first() {
        let start = Instant::now();
        let mut recorder = Recorder::default();
        recorder.open(start);
        let expected = Expected::of(&Operation::PutMany(Vec::new()));
        for millis in 1..=10 {
            recorder.record(expected, Ok(Answer::Written(1)), start, start + Duration::from_millis(millis));
        }
        recorder.record(expected, Err("busy"), start, start);
        let usage =
            |cpu_micros| Usage { cpu_micros, written_bytes: 100, rss_bytes: cpu_micros, ..Usage::default() };
        let outcome = Outcome {
            elapsed: Duration::from_secs(2),
            recorder,
            usage: vec![usage(10), usage(20), usage(90), usage(50)],
        };
        let measured = Measured::of(Protocol::Unary, &outcome, 2);
        assert_eq!(measured.server_cpu_micros, [9.0, 1.0, 2.0]);
        assert_eq!((measured.client_cpu_micros, measured.written_bytes), (5.0, 30.0));
        assert_eq!((measured.operations_per_second, measured.errors(), measured.rss_bytes), (5.0, 1, 90));
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0]), Spread { median: 2.5, least: 1.0, most: 4.0 });
        assert_eq!(Spread::of([]), Spread { median: 0.0, least: 0.0, most: 0.0 });
    }
}
