//! Installs that a crash interrupted, finished before anything else looks at the ranges.

use raft::{BaseWrite, LogWrite, WriteSeq};

use super::RangeDirectory;
use crate::directory::Directory;
use crate::effects::ClusterVersion;
use crate::engine::Engine;
use crate::log_store::{LogBatch, LogItem, LogReader, LogStore};
use crate::replica::StoreFault;
use crate::snapshot::{self, Snapshots, finish_intent};

/// Finishes every open intent, before `Store::open`: the data are replaced, then one log batch resets the log and
/// clears the intent, then the files go. `directory` is the one that the carrier will be opened with. Can be
/// repeated, however far it came.
///
/// # Errors
/// The process must stop.
pub fn finish_open_intents<S: LogStore, E: Engine, D: Directory>(
    log: &mut S,
    engine: &E,
    directory: &D,
    supported: ClusterVersion,
) -> Result<(), StoreFault> {
    for (range, stored) in log.reader().replicas()? {
        let Some(intent) = stored.intent else { continue };
        let directory = RangeDirectory::new(directory.clone(), range);
        let (manifest, _) = finish_intent(engine, &directory, &intent, supported)?;
        let mut hard_state = stored.hard_state;
        hard_state.commit = hard_state.commit.max(manifest.meta.last.index);
        let write = LogWrite {
            seq: WriteSeq(0),
            hard_state: Some(hard_state),
            base: Some(BaseWrite { meta: manifest.meta, reset: true }),
            truncate_from: None,
            entries: Vec::new(),
        };
        log.write(&LogBatch { items: vec![LogItem::Write(range, write)] })?;
        let mut snapshots = Snapshots::<E::View, _>::open(range, directory, snapshot::Settings::default())?;
        snapshots.clear_leftovers()?;
    }
    Ok(())
}
