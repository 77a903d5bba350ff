//! The logs of all ranges in a RocksDB whose write-ahead log is synced with each batch.

mod batch;
mod key;
mod reader;
mod record;

use std::path::Path;
use std::sync::Arc;

use rocksdb::{DBRecoveryMode, Options, WriteBatch, WriteOptions};
use store::log_store::{LogBatch, LogReader, LogShape, LogStore, LogStoreError};

use super::database::{self, Database};
use super::failure::{Cause, Failed};
use super::levels::Gauge;

pub use reader::RocksLogReader;

/// The version of keys and records. An older one is read, a newer one is refused.
const FORMAT: u32 = 1;

/// How much memory the log may use.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// For each of up to three memtables. Entries that are dropped while they are in one are never written again.
    pub memtable_bytes: usize,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { memtable_bytes: 64 << 20 }
    }
}

impl LogSettings {
    fn options(&self) -> Result<Options, Cause> {
        let mut options = database::options()?;
        // A record that is cut at the end of the newest write-ahead log was never reported; any other damage is an
        // error. What looks like such an end and is none is found by the mark.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        // The older write-ahead logs have to be there in full length.
        options.set_track_and_verify_wals_in_manifest(true);
        // Old records behind the end of a recycled file cannot be told from damage.
        options.set_recycle_log_file_num(0);
        options.set_write_buffer_size(self.memtable_bytes);
        // Most entries are dropped before they reach a lower level: no compression, and no filter, because all
        // reads are scans.
        options.set_compression_type(rocksdb::DBCompressionType::None);
        Ok(options)
    }
}

/// The logs of a node on a disk; see [`LogStore`].
pub struct RocksLogStore {
    database: Arc<Database>,
    synced: WriteOptions,
    shape: LogShape,
    failed: Failed<LogStoreError>,
}

impl RocksLogStore {
    /// Opens the logs in the folder `path`, or makes them; reads all of them, so that damage is found now.
    ///
    /// # Errors
    /// The process must stop.
    pub fn open(path: &Path, settings: &LogSettings) -> Result<Self, LogStoreError> {
        let opened = settings.options().and_then(|options| Database::open(path, options));
        let database = Arc::new(opened.map_err(Cause::of_log)?);
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        let (shape, failed) = (LogShape::default(), Failed::default());
        let mut store = Self { database, synced, shape, failed };
        let reader = store.reader();
        match reader.format()? {
            None => {
                let mut format = WriteBatch::default();
                format.put(key::FORMAT, record::seal(&key::FORMAT, &FORMAT.to_le_bytes()));
                store.persist(format)?;
            }
            Some(found) if found > FORMAT => {
                return Err(LogStoreError::NewerFormat { found, supported: FORMAT });
            }
            Some(_) => store.shape = LogShape::new(reader.identity()?, &reader.replicas()?),
        }
        Ok(store)
    }

    /// Shows its database.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        Gauge(Arc::clone(&self.database))
    }

    fn persist(&self, changes: WriteBatch) -> Result<(), LogStoreError> {
        let written = self.database.write(changes, &self.synced);
        let marked = written.and_then(|()| self.database.mark(self.database.db.latest_sequence_number()));
        self.failed.keep(marked.map_err(Cause::of_log))
    }
}

impl LogStore for RocksLogStore {
    type Reader = RocksLogReader;

    fn write(&mut self, batch: &LogBatch) -> Result<(), LogStoreError> {
        self.failed.check()?;
        let before = batch::logs(batch, &self.shape);
        self.shape.admit(batch)?;
        self.persist(batch::changes(batch, before))
    }

    fn reader(&self) -> RocksLogReader {
        RocksLogReader::new(Arc::clone(&self.database))
    }
}
