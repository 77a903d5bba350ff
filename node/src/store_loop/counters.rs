//! What the threads of a node count, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

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
    /// Time that these took, in nanoseconds.
    pub log_sync_nanos: Counter,
    /// Flushes of the data engine.
    pub flushes: Counter,
    /// Time that these took, in nanoseconds.
    pub flush_nanos: Counter,
    /// Depth: requests of clients that wait for the store.
    pub foreground_depth: Counter,
    /// Depth: their bytes.
    pub foreground_bytes: Counter,
    /// Depth: envelopes and calls that wait for the store.
    pub system_depth: Counter,
    /// Depth: their bytes.
    pub system_bytes: Counter,
    /// Depth: log batches that wait for the log writer.
    pub log_depth: Counter,
}
