//! What the threads of a node count, for metrics.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that several threads change or read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Its value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn add_nanos(&self, nanos: u64) {
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: usize) {
        self.0.store(value as u64, Ordering::Relaxed);
    }
}

/// How long something took, in classes that double: each time is counted once, and all of them are added up.
#[derive(Debug, Default)]
pub struct Times {
    classes: [Counter; CLASSES],
    nanos: Counter,
}

const CLASSES: usize = 19;
/// The first class ends at 2^16 ns, which is 65 us; the last but one at 8.6 s, and the last never.
const FIRST_BITS: u32 = 16;

impl Times {
    /// Something took so long.
    pub fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bits = (u64::BITS - nanos.saturating_sub(1).leading_zeros()).saturating_sub(FIRST_BITS);
        self.classes[(bits as usize).min(CLASSES - 1)].add(1);
        self.nanos.add_nanos(nanos);
    }

    /// The end of each class in seconds, and how many are in it.
    #[must_use]
    pub fn classes(&self) -> [(f64, u64); CLASSES] {
        array::from_fn(|class| {
            let end = if class + 1 == CLASSES {
                f64::MAX
            } else {
                (1_u64 << (FIRST_BITS as usize + class)) as f64 / 1e9
            };
            (end, self.classes[class].get())
        })
    }

    /// All times together, in nanoseconds.
    #[must_use]
    pub fn nanos(&self) -> u64 {
        self.nanos.get()
    }
}

/// All of them. Those that are no depth never fall.
#[derive(Debug, Default)]
pub struct Counters {
    /// Turns of the store loop.
    pub turns: Counter,
    /// Requests of clients that the store took.
    pub requests: Counter,
    /// Requests of clients refused at the door.
    pub refused_requests: Counter,
    /// Envelopes of peers that the store took.
    pub envelopes_received: Counter,
    /// Envelopes handed to the transport.
    pub envelopes_sent: Counter,
    /// Log batches that the store made.
    pub log_batches: Counter,
    /// Synced writes that made them durable.
    pub log_syncs: Counter,
    /// Time that these took.
    pub log_sync_times: Times,
    /// Flushes of the data engine.
    pub flushes: Counter,
    /// Time that these took, in nanoseconds.
    pub flush_nanos: Counter,
    /// Depth: requests of clients that wait for the store.
    pub foreground_depth: Counter,
    /// Depth: their bytes.
    pub foreground_bytes: Counter,
    /// Depth: writes of clients, from the door to their answers.
    pub writes_under_way: Counter,
    /// How many of them there may be now.
    pub writes_limit: Counter,
    /// Depth: envelopes and calls that wait for the store.
    pub system_depth: Counter,
    /// Depth: their bytes.
    pub system_bytes: Counter,
    /// Depth: log batches that wait for the log writer.
    pub log_depth: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_class_that_does_not_end_before_it() {
        let times = Times::default();
        let first = Duration::from_nanos(1 << 16);
        let one = Duration::from_nanos(1);
        for time in [Duration::ZERO, first, first + one, 2 * first, Duration::from_secs(9), Duration::MAX] {
            times.add(time);
        }
        let classes = times.classes();
        assert_eq!((classes[0], classes[1]), ((65_536e-9, 2), (131_072e-9, 2)));
        assert_eq!(classes[CLASSES - 1], (f64::MAX, 2));
        assert!(classes[CLASSES - 2].0 > 8.0 && classes.is_sorted());
    }
}
