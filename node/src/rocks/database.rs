//! A RocksDB with its mark, in a folder of its own: what engine and log have in common.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rocksdb::{DB, Options, WriteBatch, WriteOptions};

use super::failure::Cause;
use super::mark::Mark;
use super::tail;

/// With so many full memtables a writer waits for a flush: two more than needed, so that it seldom does.
const WAITING_MEMTABLES: i32 = 3;
/// Between two looks whether there is room in memory again. RocksDB tells nobody of the end of a flush.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A database and how far it was reported durable.
pub(super) struct Database {
    pub(super) db: DB,
    mark: Mark,
}

impl Database {
    /// Opens the database in `path`, or makes it if there is none; refuses one that has less than its mark says.
    pub(super) fn open(path: &Path, mut options: Options) -> Result<Self, Cause> {
        create_folder(path)?;
        let (mark, durable) = Mark::open(&path.join("mark"))?;
        let files = path.join("db");
        match (durable, files.join("CURRENT").try_exists()?) {
            (Some(durable), true) => tail::cut_torn_writes(&files, durable)?,
            (Some(1..), false) => return Err(lost(path, "its database")),
            (None, true) => return Err(lost(path, "its mark")),
            (Some(0), false) => options.create_if_missing(true),
            (None, false) => {
                // The mark is there before the database, so that without it something was lost.
                mark.set(0)?;
                mark.sync()?;
                sync_folder(path)?;
                options.create_if_missing(true);
            }
        }
        let db = DB::open(&options, &files)?;
        let found = db.latest_sequence_number();
        if durable.is_some_and(|durable| found < durable) {
            return Err(lost(path, &format!("changes from {} on", found + 1)));
        }
        mark.set(found)?;
        mark.sync()?;
        Ok(Self { db, mark })
    }

    /// Writes a batch when there is room for it in memory.
    pub(super) fn write(&self, changes: WriteBatch, options: &WriteOptions) -> Result<(), Cause> {
        self.wait_for_room()?;
        Ok(self.db.write_opt(changes, options)?)
    }

    /// RocksDB would wait too, but inside of the write, and for ever on a full disk: to recover, it flushes as soon as some
    /// space is free, a flush waits for the write before it, and that one waits for the recovery.
    fn wait_for_room(&self) -> Result<(), Cause> {
        let value = |name: &str| Ok::<_, Cause>(self.db.property_int_value(name)?.unwrap_or_default());
        while value("rocksdb.num-immutable-mem-table")? >= WAITING_MEMTABLES as u64
            || value("rocksdb.is-write-stopped")? > 0
        {
            self.check_background()?;
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Fails if RocksDB failed behind the scenes.
    fn check_background(&self) -> Result<(), Cause> {
        match self.db.property_int_value("rocksdb.background-errors")? {
            Some(1..) => Err(self.why_stopped()),
            Some(0) | None => Ok(()),
        }
    }

    /// Says that everything up to `sequence` is durable, unless RocksDB failed behind the scenes meanwhile.
    pub(super) fn mark(&self, sequence: u64) -> Result<(), Cause> {
        self.check_background()?;
        Ok(self.mark.set(sequence)?)
    }

    /// A database that stopped tells a writer why; this one writes nothing.
    fn why_stopped(&self) -> Cause {
        let mut unlogged = WriteOptions::default();
        unlogged.disable_wal(true);
        match self.db.write_opt(WriteBatch::default(), &unlogged) {
            Err(error) => error.into(),
            Ok(()) => Cause::Io("a compaction in the background failed, RocksDB's LOG says why".into()),
        }
    }
}

fn lost(path: &Path, what: &str) -> Cause {
    Cause::Corruption(format!("{} has lost {what}", path.display()))
}

/// What both databases have in common.
pub(super) fn options() -> Result<Options, Cause> {
    // Set by name, because the C interface lacks them. Nothing is retried in the background. Closing makes nothing
    // durable, so that a stop and a crash are the same.
    let by_name = "max_bgerror_resume_count=0;avoid_flush_during_shutdown=true";
    let mut options = Options::default().get_options_from_string(by_name)?;
    // RocksDB's own limits are never met: the writer waits before.
    options.set_max_write_buffer_number(WAITING_MEMTABLES + 2);
    // Checks what it reads and writes, and stops taking writes after a failure.
    options.set_paranoid_checks(true);
    // One thread writes: nothing to arrange between several.
    options.set_allow_concurrent_memtable_write(false);
    options.set_enable_write_thread_adaptive_yield(false);
    // One flush and one compaction: there are few cores, and the store needs them.
    options.set_max_background_jobs(2);
    // The kernel writes back bit by bit, so that the sync of a whole file does not hold up that of the log.
    options.set_bytes_per_sync(1 << 20);
    // What is no longer needed is deleted in the background, not by a reader.
    options.set_avoid_unnecessary_blocking_io(true);
    // No compactions because of age, no statistics in the background.
    options.set_ttl(0);
    options.set_periodic_compaction_seconds(0);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    // RocksDB's own LOG stays small.
    options.set_max_log_file_size(8 << 20);
    options.set_keep_log_file_num(3);
    Ok(options)
}

/// Makes a folder, and those above it, durably.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_folder(above)?;
    fs::create_dir(path)?;
    sync_folder(above)
}

/// Makes durable which names a folder has.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
