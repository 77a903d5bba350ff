//! What a RocksDB shows of itself while it runs.

use std::sync::Arc;

use super::database::Database;

/// Of one database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Levels {
    /// In all memtables.
    pub memtable_bytes: u64,
    /// Memtables that wait to be flushed.
    pub waiting_memtables: u64,
    /// Files of the youngest level: many of them slow down reads, and then writes.
    pub youngest_files: u64,
    /// In tables.
    pub table_bytes: u64,
    /// That compactions have still to rewrite.
    pub pending_compaction_bytes: u64,
    /// Writes are slowed down to so many bytes a second; zero: they are not.
    pub delayed_write_rate: u64,
    /// Writes wait until flushes and compactions have caught up.
    pub stopped: bool,
    /// In the block cache,
    pub cache_bytes: u64,
    /// and of these, in use.
    pub pinned_cache_bytes: u64,
}

/// Shows a database; cheap to clone.
#[derive(Clone)]
pub struct Gauge(pub(super) Arc<Database>);

impl Gauge {
    /// As it is now; what RocksDB does not say is zero.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let value = |name: &str| self.0.db.property_int_value(name).ok().flatten().unwrap_or_default();
        let youngest = self.0.db.property_value("rocksdb.num-files-at-level0").ok().flatten();
        Levels {
            memtable_bytes: value("rocksdb.cur-size-all-mem-tables"),
            waiting_memtables: value("rocksdb.num-immutable-mem-table"),
            youngest_files: youngest.and_then(|files| files.parse().ok()).unwrap_or_default(),
            table_bytes: value("rocksdb.live-sst-files-size"),
            pending_compaction_bytes: value("rocksdb.estimate-pending-compaction-bytes"),
            delayed_write_rate: value("rocksdb.actual-delayed-write-rate"),
            stopped: value("rocksdb.is-write-stopped") > 0,
            cache_bytes: value("rocksdb.block-cache-usage"),
            pinned_cache_bytes: value("rocksdb.block-cache-pinned-usage"),
        }
    }
}
