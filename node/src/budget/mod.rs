//! How the memory of a node is divided.

mod limit;

pub use limit::{MemoryLimit, memory_limit};

use crate::config::{Config, Size};

/// A node does not start with less.
pub const LEAST_MEMORY: Size = Size(192 << 20);
/// Larger memtables make flushes longer and recovery slower, and save little.
const MOST_MEMTABLE: usize = 64 << 20;
const MOST_UNCOMMITTED: usize = 64 << 20;
const MOST_LOG_CACHE: usize = 16 << 20;
const MOST_INBOXES: usize = 256 << 20;
/// RocksDB has one that is written and two that are flushed.
const MEMTABLES: usize = 3;

/// The shares, in bytes. What is not in them is for code, stacks, connections, open tables and the allocator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// All of it.
    pub memory: usize,
    /// Blocks of data that were read.
    pub block_cache: usize,
    /// One of three memtables of the data.
    pub data_memtable: usize,
    /// One of three memtables of the log.
    pub log_memtable: usize,
    /// Requests, envelopes and answers that wait, all queues together.
    pub inboxes: usize,
    /// Own proposals not yet committed; and as much again that a leader sent and the disk does not have yet.
    pub uncommitted: usize,
    /// Entries of the log that are kept at hand.
    pub log_cache: usize,
}

impl Budget {
    /// Divides what the configuration grants, or else `limit`.
    #[must_use]
    pub fn of(config: &Config, limit: Size) -> Self {
        let memory = config.memory_bytes.unwrap_or(limit).max(LEAST_MEMORY).0;
        // An entry of the full size must pass.
        let least = config.entry_bytes.0.saturating_add(raft::ENTRY_OVERHEAD);
        Self {
            memory,
            block_cache: config.block_cache_bytes.map_or(memory / 4, |size| size.0),
            data_memtable: (memory / 32).min(MOST_MEMTABLE),
            log_memtable: (memory / 32).min(MOST_MEMTABLE),
            inboxes: (memory / 8).min(MOST_INBOXES),
            uncommitted: (memory / 16).min(MOST_UNCOMMITTED).max(least),
            log_cache: (memory / 64).min(MOST_LOG_CACHE),
        }
    }

    /// Everything that is accounted for, at its most.
    #[must_use]
    pub fn accounted(&self) -> usize {
        let memtables = MEMTABLES * (self.data_memtable + self.log_memtable);
        self.block_cache + memtables + self.inboxes + 2 * self.uncommitted + self.log_cache
    }

    /// Free space that a node needs for what it has accepted already, on a disk of `disk` bytes: below it client
    /// writes are refused.
    #[must_use]
    pub fn reserve(&self, disk: u64) -> u64 {
        let memtables = MEMTABLES * (self.data_memtable + self.log_memtable);
        // One compaction of the youngest level rewrites about as much as there is in memory.
        let pending = 2 * memtables + self.uncommitted;
        (disk / 20).max(64 << 20).max(pending as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leaves_a_quarter_to_everything_else() {
        for shift in 0..8 {
            let memory = LEAST_MEMORY.0 << shift;
            let budget = Budget::of(&Config::default(), Size(memory));
            assert!(budget.accounted() <= memory / 4 * 3, "{memory}: {budget:?}");
        }
    }

    #[test]
    fn what_is_configured_counts() {
        let memory = Some(Size(1 << 30));
        let block_cache = Some(Size(8 << 20));
        let config = Config { memory_bytes: memory, block_cache_bytes: block_cache, ..Config::default() };
        let budget = Budget::of(&config, Size(8 << 30));
        assert_eq!((budget.memory, budget.block_cache), (1 << 30, 8 << 20));
    }

    #[test]
    fn the_reserve_grows_with_the_disk_and_holds_what_is_pending() {
        let budget = Budget::of(&Config::default(), LEAST_MEMORY);
        assert!(budget.reserve(1 << 30) >= 64 << 20);
        assert_eq!(budget.reserve(100 << 40), 5 << 40);
    }
}
