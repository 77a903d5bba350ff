//! A store from what the disk holds.

use raft::{LogIndex, RangeId, RestoreError, Restored, WriteSeq};

use super::mirror::{self, Mirror};
use super::{Start, Store};
use crate::engine::Engine;
use crate::log_store::{
    DiskIdentity, LogBatch, LogItem, LogReader, LogStore, LogStoreError, StoredReplica, next_boot,
};
use crate::range::RangeState;
use crate::replica::{Peers, Replica, Settings, StoreFault};

/// Read of a log at a time.
const PAGE_BYTES: usize = 4 << 20;

impl<L: LogReader, E: Engine> Store<L, E> {
    /// Opens a node's store, and begins a boot: that is durable when this returns. Installs of snapshots that
    /// were interrupted must be finished before.
    ///
    /// # Errors
    /// The process must stop. A disk that lost data is none of these reasons if it still knows who it is: it
    /// marks its replicas, which take no part any more.
    pub fn open<S: LogStore<Reader = L>>(
        log: &mut S,
        engine: E,
        settings: Settings,
        start: Start,
    ) -> Result<Self, StoreFault> {
        settings.raft.validate()?;
        let (limit, core) = (settings.limits.entry_bytes, settings.raft.entry_bytes);
        if limit.saturating_add(raft::ENTRY_OVERHEAD) > core {
            return Err(StoreFault::EntryLimit { limit, core });
        }
        let reader = log.reader();
        let (identity, last_boot) = match reader.identity()? {
            Some((identity, boot)) => (identity, boot),
            None if mirror::look(&engine, None)? != Mirror::Missing => {
                return Err(StoreFault::LostDisk { detail: "the log is empty and the data are not" });
            }
            None => (DiskIdentity { disk: start.disk, member: None }, 0),
        };
        let boot = next_boot(last_boot, start.nonce);
        let items = vec![LogItem::Identity(identity), LogItem::Boot(boot.counter)];
        log.write(&LogBatch { items })?;
        // What is applied is what is durable from here on.
        engine.flush()?;
        let peers = Peers::new(start.free_bytes, settings.reserve_bytes, settings.supported);
        let mut store = Self::empty(reader, engine, settings, start.seed, start.now, identity, boot, peers);
        store.restore(log, &start)?;
        Ok(store)
    }

    fn restore<S: LogStore<Reader = L>>(&mut self, log: &mut S, start: &Start) -> Result<(), StoreFault> {
        let Some(member) = self.identity.member else { return Ok(()) };
        self.set_member(member);
        let replicas = self.log.replicas()?;
        let mut lost = false;
        match mirror::look(&self.engine, Some(member))? {
            Mirror::Same => {}
            Mirror::Missing if replicas.is_empty() => mirror::write(&self.engine, member)?,
            Mirror::Missing | Mirror::Other => lost = true,
        }
        for (range, stored) in replicas {
            if stored.intent.is_some() {
                return Err(StoreFault::OpenIntent { range });
            }
            self.restore_replica(log, start, range, stored, lost)?;
        }
        Ok(())
    }

    fn restore_replica<S: LogStore<Reader = L>>(
        &mut self,
        log: &mut S,
        start: &Start,
        range: RangeId,
        mut stored: StoredReplica,
        lost: bool,
    ) -> Result<(), StoreFault> {
        let state = RangeState::load(&self.engine.view(), range, self.settings.supported)?;
        let applied = state.applied().position.index;
        let mut sizes = Vec::new();
        let scanned = if lost || stored.hard_state.lost_disk {
            None
        } else {
            match scan(&self.log, range, &stored, applied, &mut sizes)? {
                Ok(restored) => Some(restored),
                Err(RestoreError::DataBehindLog { .. } | RestoreError::LogBehindData { .. }) => None,
                Err(cause) => return Err(StoreFault::DamagedLog { range, cause }),
            }
        };
        let restored = match scanned {
            Some(restored) => restored,
            None => {
                mark_lost(log, range, &mut stored)?;
                // It applies nothing any more.
                scan(&self.log, range, &stored, stored.last, &mut sizes)?
                    .map_err(|cause| StoreFault::DamagedLog { range, cause })?
            }
        };
        let raft = self
            .start_core(start.now, range, stored.replica, restored)
            .map_err(|cause| StoreFault::DamagedLog { range, cause })?;
        sizes.retain(|(index, _)| *index <= applied);
        let log = (stored.base.last.index, sizes);
        let replica = Replica::new(raft, state, &self.settings, start.now, log);
        self.add(range, replica);
        Ok(())
    }
}

/// The disk lost data: durably noted, so that no later start takes part again.
fn mark_lost<S: LogStore>(log: &mut S, range: RangeId, stored: &mut StoredReplica) -> Result<(), StoreFault> {
    if !stored.hard_state.lost_disk {
        stored.hard_state.lost_disk = true;
        let write = raft::LogWrite {
            seq: WriteSeq(0),
            hard_state: Some(stored.hard_state),
            base: None,
            truncate_from: None,
            entries: Vec::new(),
        };
        log.write(&LogBatch { items: vec![LogItem::Write(range, write)] })?;
    }
    Ok(())
}

/// Reads the whole log of a range once, in pages; notes the sizes of its entries.
fn scan<L: LogReader>(
    log: &L,
    range: RangeId,
    stored: &StoredReplica,
    applied: LogIndex,
    sizes: &mut Vec<(LogIndex, usize)>,
) -> Result<Result<Restored, RestoreError>, LogStoreError> {
    sizes.clear();
    let mut failed = None;
    let mut page = Vec::new().into_iter();
    let mut next = stored.base.last.index.next();
    let entries = std::iter::from_fn(|| {
        if page.len() == 0 && next <= stored.last {
            match log.entries(range, next, stored.last, PAGE_BYTES) {
                Ok(read) => page = read.into_iter(),
                Err(error) => failed = Some(error),
            }
        }
        let entry: raft::Entry = page.next()?;
        next = entry.index.next();
        sizes.push((entry.index, entry.size()));
        Some(entry)
    });
    let scanned = Restored::scan(stored.hard_state, stored.base.clone(), entries, applied);
    failed.map_or(Ok(scanned), Err)
}
