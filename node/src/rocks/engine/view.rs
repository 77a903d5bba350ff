//! Consistent views: RocksDB's snapshots.

use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{DBRawIterator, ReadOptions, Snapshot};
use self_cell::self_cell;
use store::engine::{Cursor, EngineError, Span, View};

use crate::rocks::database::Database;
use crate::rocks::failure::Cause;

/// A consistent view of a [`RocksEngine`](super::RocksEngine). As long as it lives, nothing that it shows is
/// dropped by a compaction.
#[derive(Clone)]
pub struct RocksView {
    pinned: Arc<Pinned>,
}

self_cell!(
    /// A snapshot, and the database that it belongs to.
    struct Pinned {
        owner: Arc<Database>,

        #[covariant]
        dependent: Snapshot,
    }
);

impl RocksView {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { pinned: Arc::new(Pinned::new(database, |database| database.db.snapshot())) }
    }
}

fn read_options() -> ReadOptions {
    let mut options = ReadOptions::default();
    // The default; said because everything relies on it.
    options.set_verify_checksums(true);
    // Who drops a cursor does not wait for files to be deleted.
    options.set_background_purge_on_iterator_cleanup(true);
    options
}

impl View for RocksView {
    type Cursor<'a> = RocksCursor<'a>;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let found = self.pinned.borrow_dependent().get_pinned_opt(key, read_options());
        let found = found.map_err(|error| Cause::from(error).of_engine("read"))?;
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn cursor(&self, span: &Span) -> RocksCursor<'_> {
        // RocksDB knows no bounds that contradict each other.
        let within = (!span.is_empty()).then(|| {
            let mut options = read_options();
            options.set_iterate_lower_bound(&span.start[..]);
            options.set_iterate_upper_bound(&span.end[..]);
            self.pinned.borrow_dependent().raw_iterator_opt(options)
        });
        RocksCursor { within }
    }
}

/// A position in a [`RocksView`].
pub struct RocksCursor<'a> {
    /// None if the span is empty.
    within: Option<DBRawIterator<'a>>,
}

impl RocksCursor<'_> {
    /// A move may end nowhere, or because of an error.
    fn go(&mut self, go: impl FnOnce(&mut DBRawIterator<'_>)) -> Result<(), EngineError> {
        let Some(iterator) = &mut self.within else { return Ok(()) };
        go(iterator);
        if iterator.valid() {
            return Ok(());
        }
        iterator.status().map_err(|error| Cause::from(error).of_engine("read"))
    }
}

impl Cursor for RocksCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), EngineError> {
        self.go(|iterator| iterator.seek(key))
    }

    fn seek_before(&mut self, key: &[u8]) -> Result<(), EngineError> {
        self.go(|iterator| {
            iterator.seek_for_prev(key);
            if iterator.key() == Some(key) {
                iterator.prev();
            }
        })
    }

    fn next(&mut self) -> Result<(), EngineError> {
        self.go(|iterator| iterator.next())
    }

    fn prev(&mut self) -> Result<(), EngineError> {
        self.go(|iterator| iterator.prev())
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.within.as_ref()?.item()
    }
}
