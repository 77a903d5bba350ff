//! How old timestamps are, by elapsed time alone: clocks that jump make nothing older.

use std::collections::VecDeque;
use std::time::Duration;

use raft::Time;

use crate::timestamp::Timestamp;

/// Samples in memory for the longest age.
const SAMPLES: u32 = 32;

/// When which timestamp was applied. Every replica keeps one, so that a new leader need not begin anew; a
/// restart does.
#[derive(Clone, Debug)]
pub struct Ages {
    longest: Duration,
    samples: VecDeque<(Time, Timestamp)>,
}

impl Ages {
    /// Knows of ages up to `longest`.
    #[must_use]
    pub fn new(longest: Duration) -> Self {
        Self { longest, samples: VecDeque::new() }
    }

    /// `applied` is applied now. To be called often: what is too near to the last sample is left out.
    pub fn observe(&mut self, now: Time, applied: Timestamp) {
        if self.samples.back().is_some_and(|(last, _)| now.since(*last) < self.longest / SAMPLES) {
            return;
        }
        self.samples.push_back((now, applied));
        while self.samples.get(1).is_some_and(|(time, _)| now.since(*time) >= self.longest) {
            self.samples.pop_front();
        }
    }

    /// The highest timestamp that is known to have been applied `age` ago.
    #[must_use]
    pub fn older_than(&self, now: Time, age: Duration) -> Option<Timestamp> {
        self.samples.iter().rev().find(|(time, _)| now.since(*time) >= age).map(|(_, timestamp)| *timestamp)
    }
}
