//! Ingestion: entries are written into files beside the database, and taken in all at once by linking them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rocksdb::{IngestExternalFileOptions, SstFileWriter};
use store::engine::{Cursor, Engine, EngineError, IngestEntry, Span, View};

use super::{RocksEngine, Shared};
use crate::rocks::database;
use crate::rocks::failure::Cause;

/// A file ends when it has so many bytes: RocksDB's own files are as big.
const FILE_BYTES: u64 = 64 << 20;

/// Makes the folder of incoming files; what a crash left there is deleted.
pub(super) fn empty(incoming: &Path) -> io::Result<()> {
    database::create_folder(incoming)?;
    for file in fs::read_dir(incoming)? {
        fs::remove_file(file?.path())?;
    }
    database::sync_folder(incoming)
}

/// See [`Engine::ingest`].
pub(super) fn ingest(
    engine: &RocksEngine,
    spans: &[Span],
    entries: &mut dyn Iterator<Item = IngestEntry>,
) -> Result<(), EngineError> {
    let shared = &*engine.shared;
    shared.failed.check()?;
    if !Span::are_ordered(spans) {
        return Err(refused("spans to ingest into are not in order"));
    }
    let view = engine.view();
    for span in spans {
        let mut cursor = view.cursor(span);
        cursor.seek(&span.start)?;
        if cursor.entry().is_some() {
            return Err(refused("a span to ingest into is not empty"));
        }
    }
    let mut files = Files { shared, paths: Vec::new() };
    files.write(spans, entries)?;
    engine.change("ingest", |shared| {
        shared.flush()?;
        if files.paths.is_empty() {
            return Ok(());
        }
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        shared.database.db.ingest_external_file_opts(&options, files.paths.clone())?;
        shared.database.mark(shared.database.db.latest_sequence_number())
    })
}

fn refused(detail: &str) -> EngineError {
    EngineError::Refused { detail: detail.into() }
}

/// Files to be taken in. They go with this: what was taken in has another link.
struct Files<'a> {
    shared: &'a Shared,
    paths: Vec<PathBuf>,
}

impl<'a> Files<'a> {
    /// Writes the entries, each span into files of its own, so that no file spans what belongs to other ranges.
    fn write(
        &mut self,
        spans: &[Span],
        entries: &mut dyn Iterator<Item = IngestEntry>,
    ) -> Result<(), EngineError> {
        let mut spans = spans.iter();
        let mut span = spans.next();
        let mut open = None;
        let mut last = None;
        for entry in entries {
            let (key, value) = entry?;
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(refused("entries to ingest are not in order"));
            }
            while span.is_some_and(|span| !span.contains(&key)) {
                span = spans.next();
                self.finish(open.take())?;
            }
            if span.is_none() {
                return Err(refused("an entry to ingest is outside of the spans"));
            }
            if open.as_ref().is_some_and(|file: &SstFileWriter<'_>| file.file_size() >= FILE_BYTES) {
                self.finish(open.take())?;
            }
            let file = match &mut open {
                Some(file) => file,
                None => open.insert(self.create()?),
            };
            self.shared.written(file.put(&key, &value))?;
            last = Some(key);
        }
        self.finish(open)
    }

    fn create(&mut self) -> Result<SstFileWriter<'a>, EngineError> {
        let number = self.shared.files.fetch_add(1, Ordering::Relaxed);
        let path = self.shared.incoming.join(format!("{number}.sst"));
        let file = SstFileWriter::create(&self.shared.options);
        self.paths.push(path.clone());
        self.shared.written(file.open(path))?;
        Ok(file)
    }

    /// Ends a file and syncs it.
    fn finish(&self, file: Option<SstFileWriter<'_>>) -> Result<(), EngineError> {
        self.shared.written(file.map_or(Ok(()), |mut file| file.finish()))
    }
}

impl Shared {
    fn written<T>(&self, result: Result<T, rocksdb::Error>) -> Result<T, EngineError> {
        self.failed.keep(result.map_err(|error| Cause::from(error).of_engine("write a file to ingest")))
    }
}

impl Drop for Files<'_> {
    fn drop(&mut self) {
        for path in &self.paths {
            // One that was moved is gone already; any other one is deleted by the next start at the latest.
            let _ = fs::remove_file(path);
        }
    }
}
