//! What is asked: operations on random keys of a key space that every system gets alike.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use clap::ValueEnum;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use serde::Serialize;

/// Rows of one scan.
pub const SCAN_ROWS: u32 = 100;

/// A mix of operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Writes of random keys.
    Put,
    /// Writes of one and the same key.
    PutHot,
    /// Linearizable reads of random keys.
    Get,
    /// Linearizable scans of 100 rows from a random key on.
    Scan,
    /// Writes of random keys on condition that their version is the one last seen.
    Cas,
    /// 95 % reads, 5 % writes.
    Mix95,
    /// Half reads, half writes.
    Mix50,
}

/// One request.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Sets a key.
    Put(Bytes, Bytes),
    /// Sets several keys at once.
    PutMany(Vec<(Bytes, Bytes)>),
    /// Reads a key.
    Get(Bytes),
    /// Reads rows from a key on.
    Scan(Bytes, u32),
    /// Sets a key if its version is this.
    Cas(Bytes, Bytes, u64),
}

/// How a request was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Written, with this version.
    Written(u64),
    /// So many rows were read.
    Rows(usize),
    /// The condition failed: this is the version that the key has.
    Other(u64),
}

/// The key space of one system: its size, and the version last seen of each key.
#[derive(Debug)]
pub struct Keys {
    versions: Vec<AtomicU64>,
}

impl Keys {
    /// A space of `count` keys, none of which was written.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Keys { versions: (0..count).map(|_| AtomicU64::new(0)).collect() }
    }

    /// How many keys there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.versions.len()
    }

    /// Takes note of the version of the key with this number.
    pub fn saw(&self, number: usize, version: u64) {
        if let Some(known) = self.versions.get(number) {
            known.fetch_max(version, Ordering::Relaxed);
        }
    }

    fn version(&self, number: usize) -> u64 {
        self.versions.get(number).map_or(0, |known| known.load(Ordering::Relaxed))
    }
}

/// The name of the key with this number: 16 bytes, in the order of the numbers.
#[must_use]
pub fn key(number: usize) -> Bytes {
    let mut name = [b'0'; 16];
    name[..4].copy_from_slice(b"key-");
    let mut rest = number;
    for digit in name[4..].iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    Bytes::copy_from_slice(&name)
}

/// Values are windows of one random block: they differ, do not compress, and cost no copy.
#[derive(Clone, Debug)]
pub struct Values {
    pool: Bytes,
    bytes: usize,
}

/// From how many places of the block values are taken.
const WINDOWS: usize = 4096;

impl Values {
    /// Values of `bytes` random bytes.
    #[must_use]
    pub fn new(bytes: usize, seed: u64) -> Self {
        let mut pool = BytesMut::zeroed(bytes + WINDOWS);
        SmallRng::seed_from_u64(seed).fill_bytes(&mut pool);
        Values { pool: pool.freeze(), bytes }
    }
}

/// Makes up the operations of one client.
#[derive(Debug)]
pub struct Source {
    workload: Workload,
    random: SmallRng,
    values: Values,
}

impl Source {
    /// Operations of `workload` with values out of `values`.
    #[must_use]
    pub fn new(workload: Workload, values: Values, seed: u64) -> Self {
        Source { workload, random: SmallRng::seed_from_u64(seed), values }
    }

    /// Any random number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        self.random.random_range(0..count.max(1))
    }

    /// The next operation, and the number of its key.
    pub fn next(&mut self, keys: &Keys) -> (usize, Operation) {
        let number = match self.workload {
            Workload::PutHot => 0,
            Workload::Scan => self.below(keys.count().saturating_sub(SCAN_ROWS as usize)),
            _ => self.below(keys.count()),
        };
        let operation = match self.workload {
            Workload::Put | Workload::PutHot => Operation::Put(key(number), self.value()),
            Workload::Get => Operation::Get(key(number)),
            Workload::Scan => Operation::Scan(key(number), SCAN_ROWS),
            Workload::Cas => Operation::Cas(key(number), self.value(), keys.version(number)),
            Workload::Mix95 => self.mixed(number, 95),
            Workload::Mix50 => self.mixed(number, 50),
        };
        (number, operation)
    }

    /// Puts of the keys from `first` on, together.
    pub fn many(&mut self, first: usize, count: usize) -> Operation {
        Operation::PutMany((first..first + count).map(|number| (key(number), self.value())).collect())
    }

    fn mixed(&mut self, number: usize, reads_percent: u32) -> Operation {
        if self.random.random_range(0..100) < reads_percent {
            Operation::Get(key(number))
        } else {
            Operation::Put(key(number), self.value())
        }
    }

    fn value(&mut self) -> Bytes {
        let start = self.below(WINDOWS);
        self.values.pool.slice(start..start + self.values.bytes)
    }
}

/// The key behind all keys of the key space.
#[must_use]
pub fn end() -> Bytes {
    Bytes::from_static(b"key.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_and_before_the_end() {
        assert_eq!(key(42), Bytes::from_static(b"key-000000000042"));
        assert!(key(9) < key(10) && key(99_999) < key(100_000) && key(usize::MAX) < end());
    }

    #[test]
    fn mixes_have_their_shares() {
        let keys = Keys::new(1000);
        for (workload, share) in [(Workload::Mix95, 0.95), (Workload::Mix50, 0.5)] {
            let mut source = Source::new(workload, Values::new(16, 1), 1);
            let reads = (0..20_000).filter(|_| matches!(source.next(&keys).1, Operation::Get(_))).count();
            assert!((reads as f64 / 20_000.0 - share).abs() < 0.02, "{workload:?}: {reads}");
        }
    }

    #[test]
    fn a_condition_names_the_version_last_seen() {
        let keys = Keys::new(1);
        keys.saw(0, 7);
        keys.saw(0, 5);
        let mut source = Source::new(Workload::Cas, Values::new(300, 1), 1);
        let (_, Operation::Cas(_, value, version)) = source.next(&keys) else { panic!("another operation") };
        assert_eq!((value.len(), version), (300, 7));
    }

    #[test]
    fn scans_find_all_their_rows() {
        let keys = Keys::new(150);
        let mut source = Source::new(Workload::Scan, Values::new(16, 1), 1);
        assert!((0..1000).all(|_| source.next(&keys).0 < 50));
    }

    #[test]
    fn the_hot_key_is_one_key_with_changing_values() {
        let keys = Keys::new(1000);
        let mut source = Source::new(Workload::PutHot, Values::new(64, 1), 1);
        let mut next = || match source.next(&keys).1 {
            Operation::Put(key, value) => (key, value),
            other => panic!("{other:?}"),
        };
        let (first, second) = (next(), next());
        assert_eq!(first.0, second.0);
        assert_ne!(first.1, second.1);
    }
}
