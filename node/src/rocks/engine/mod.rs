//! State machine data in a RocksDB without a write-ahead log.

mod ingest;
mod settings;
mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use rocksdb::{FlushOptions, Options, ReadOptions, ReadTier, WriteBatch, WriteOptions};
use store::engine::{Batch, Change, Engine, EngineError, IngestEntry, Span};

use super::database::Database;
use super::failure::{Cause, Failed};
use super::levels::Gauge;

pub use settings::EngineSettings;
pub use view::{RocksCursor, RocksView};

/// State machine data on a disk; see [`Engine`]. All ranges are in one column family: a flush takes a batch whole,
/// in order.
#[derive(Clone)]
pub struct RocksEngine {
    shared: Arc<Shared>,
}

struct Shared {
    database: Arc<Database>,
    options: Options,
    /// Without a log: what is lost in a crash is applied again from the Raft log.
    unlogged: WriteOptions,
    /// Files on their way into the database, on the same file system.
    incoming: PathBuf,
    /// Numbers them.
    files: AtomicU64,
    failed: Failed<EngineError>,
}

impl RocksEngine {
    /// Opens the engine in the folder `path`, or makes it.
    ///
    /// # Errors
    /// The process must stop.
    pub fn open(path: &Path, settings: &EngineSettings) -> Result<Self, EngineError> {
        Self::open_database(path, settings).map_err(|cause| cause.of_engine("open"))
    }

    fn open_database(path: &Path, settings: &EngineSettings) -> Result<Self, Cause> {
        let options = settings.options()?;
        let database = Arc::new(Database::open(path, options.clone())?);
        let incoming = path.join("incoming");
        ingest::empty(&incoming)?;
        let mut unlogged = WriteOptions::default();
        unlogged.disable_wal(true);
        let (files, failed) = (AtomicU64::new(0), Failed::default());
        Ok(Self { shared: Arc::new(Shared { database, options, unlogged, incoming, files, failed }) })
    }

    /// Shows its database.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        Gauge(Arc::clone(&self.shared.database))
    }

    /// Does something that changes the disk; a failure is the last thing that this engine does.
    fn change(
        &self,
        action: &'static str,
        change: impl FnOnce(&Shared) -> Result<(), Cause>,
    ) -> Result<(), EngineError> {
        self.shared.failed.check()?;
        self.shared.failed.keep(change(&self.shared).map_err(|cause| cause.of_engine(action)))
    }
}

impl Shared {
    fn flush(&self) -> Result<(), Cause> {
        let Database { db, .. } = &*self.database;
        // What is written meanwhile may be durable or not.
        let sequence = db.latest_sequence_number();
        let mut wait = FlushOptions::default();
        wait.set_wait(true);
        db.flush_opt(&wait)?;
        self.database.mark(sequence)
    }
}

impl Engine for RocksEngine {
    type View = RocksView;

    fn write(&self, batch: Batch) -> Result<(), EngineError> {
        self.change("write", |shared| {
            let mut changes = WriteBatch::default();
            for change in &batch.changes {
                match change {
                    Change::Put { key, value } => changes.put(key, value),
                    Change::Delete { key } => changes.delete(key),
                }
            }
            shared.database.write(changes, &shared.unlogged)
        })
    }

    fn view(&self) -> RocksView {
        RocksView::new(Arc::clone(&self.shared.database))
    }

    fn flush(&self) -> Result<(), EngineError> {
        self.change("flush", Shared::flush)
    }

    fn read_persisted(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.shared.failed.check()?;
        let mut persisted = ReadOptions::default();
        persisted.set_read_tier(ReadTier::Persisted);
        let found = self.shared.database.db.get_pinned_opt(key, &persisted);
        let found = found.map_err(|error| Cause::from(error).of_engine("read"))?;
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn remove(&self, spans: &[Span]) -> Result<(), EngineError> {
        self.change("remove a span", |shared| {
            let mut changes = WriteBatch::default();
            for span in spans.iter().filter(|span| !span.is_empty()) {
                changes.delete_range(&span.start, &span.end);
            }
            shared.database.write(changes, &shared.unlogged)?;
            shared.flush()
        })
    }

    fn ingest(
        &self,
        spans: &[Span],
        entries: &mut dyn Iterator<Item = IngestEntry>,
    ) -> Result<(), EngineError> {
        ingest::ingest(self, spans, entries)
    }
}
