//! What the databases of a node show.

use std::fmt;

use super::page::{Labels, Page};
use crate::rocks::{Gauge, Levels};

/// Name, help and value.
type Level = (&'static str, &'static str, fn(&Levels) -> f64);

const LEVELS: [Level; 9] = [
    ("rocksdb_memtable_bytes", "In memtables", |of| of.memtable_bytes as f64),
    ("rocksdb_waiting_memtables", "Memtables that wait to be flushed", |of| of.waiting_memtables as f64),
    ("rocksdb_youngest_files", "Files of the youngest level", |of| of.youngest_files as f64),
    ("rocksdb_table_bytes", "In tables on the disk", |of| of.table_bytes as f64),
    ("rocksdb_pending_compaction_bytes", "That compactions have still to rewrite", |of| {
        of.pending_compaction_bytes as f64
    }),
    ("rocksdb_delayed_write_bytes_per_second", "Writes are slowed down to this, 0: they are not", |of| {
        of.delayed_write_rate as f64
    }),
    ("rocksdb_write_stopped", "1: writes wait for flushes and compactions", |of| {
        f64::from(u8::from(of.stopped))
    }),
    ("rocksdb_block_cache_bytes", "In the block cache", |of| of.cache_bytes as f64),
    ("rocksdb_block_cache_pinned_bytes", "In the block cache, and in use", |of| of.pinned_cache_bytes as f64),
];

pub(super) fn write(page: &mut Page<'_>, databases: &[(&'static str, Gauge)]) -> fmt::Result {
    let levels: Vec<_> = databases.iter().map(|(name, gauge)| (*name, gauge.levels())).collect();
    for (name, help, value) in LEVELS {
        let of = |(database, levels): &(&str, Levels)| -> (Labels, f64) {
            (vec![("database", (*database).to_owned())], value(levels))
        };
        page.gauges(name, help, levels.iter().map(of))?;
    }
    Ok(())
}
