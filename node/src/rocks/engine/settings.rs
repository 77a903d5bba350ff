//! How RocksDB is to keep state machine data.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, Options};

use crate::rocks::database;
use crate::rocks::failure::Cause;

/// How much memory the engine may use.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// For each of up to three memtables, one that is written and two that are flushed; what is in them is lost in
    /// a crash and applied again.
    pub memtable_bytes: usize,
    /// For blocks of data, index and filters that were read.
    pub cache_bytes: usize,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { memtable_bytes: 64 << 20, cache_bytes: 128 << 20 }
    }
}

impl EngineSettings {
    pub(super) fn options(&self) -> Result<Options, Cause> {
        let mut options = database::options()?;
        options.set_write_buffer_size(self.memtable_bytes);
        // Points in the range's own state are looked up by their whole key; a miss need not search the skip list.
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.02);
        options.set_block_based_table_factory(&self.tables());
        // The youngest levels are rewritten soon: no CPU for them. LZ4 below costs little; nothing else is worth
        // its CPU on few cores.
        let mut levels = [DBCompressionType::Lz4; 7];
        levels[..2].fill(DBCompressionType::None);
        options.set_compression_per_level(&levels);
        Ok(options)
    }

    fn tables(&self) -> BlockBasedOptions {
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&Cache::new_lru_cache(self.cache_bytes));
        // Index and filters count for the cache too, so that its size is all there is.
        tables.set_cache_index_and_filter_blocks(true);
        tables.set_cache_index_and_filter_blocks_with_high_priority(true);
        tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
        // One in a hundred misses reads a block.
        tables.set_bloom_filter(10.0, false);
        tables.set_whole_key_filtering(true);
        // Scans are common: a quarter of the index of the default.
        tables.set_block_size(16 << 10);
        tables
    }
}
