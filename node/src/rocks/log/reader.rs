//! Reads the log. Each answer comes from one iterator, and so from one state.

use std::sync::Arc;

use bytes::Bytes;
use raft::codec::{decode_entry, decode_hard_state, decode_snapshot_meta};
use raft::{Entry, HardState, LogIndex, RangeId, ReplicaId, SnapshotMeta};
use rocksdb::{DBRawIterator, ReadOptions};
use store::log_store::{DiskIdentity, LogReader, LogStoreError, StoredReplica};

use super::key::{self, Kind};
use super::record;
use crate::rocks::database::Database;
use crate::rocks::failure::Cause;

/// Reads a [`RocksLogStore`](super::RocksLogStore).
#[derive(Clone)]
pub struct RocksLogReader {
    database: Arc<Database>,
}

impl RocksLogReader {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    /// The format of what is there; none if nothing is.
    pub(super) fn format(&self) -> Result<Option<u32>, LogStoreError> {
        let mut records = self.records(&key::FORMAT, &key::END);
        match records.seek(&key::FORMAT)? {
            None => Ok(None),
            Some((found, value)) if found == key::FORMAT => {
                record::number(found, value).map(|format| Some(u32::from_le_bytes(format)))
            }
            Some((found, _)) => Err(record::damaged(found, "is there, and no format")),
        }
    }

    /// Everything from `start` on before `end`, as it is now.
    fn records(&self, start: &[u8], end: &[u8]) -> Records<'_> {
        let mut options = ReadOptions::default();
        // The default; said because everything relies on it.
        options.set_verify_checksums(true);
        options.set_iterate_lower_bound(start);
        options.set_iterate_upper_bound(end);
        // Files are deleted by somebody who is not waited for.
        options.set_background_purge_on_iterator_cleanup(true);
        Records { iterator: self.database.db.raw_iterator_opt(options) }
    }
}

/// A state of the database, within bounds.
struct Records<'a> {
    iterator: DBRawIterator<'a>,
}

/// Key and value.
type Record<'a> = (&'a [u8], &'a [u8]);

impl Records<'_> {
    /// The first record at or after `key`.
    fn seek(&mut self, key: &[u8]) -> Result<Option<Record<'_>>, LogStoreError> {
        self.iterator.seek(key);
        self.here()
    }

    fn next(&mut self) -> Result<Option<Record<'_>>, LogStoreError> {
        self.iterator.next();
        self.here()
    }

    /// The record where the iterator stands; that there is none may be the end or an error.
    fn here(&self) -> Result<Option<Record<'_>>, LogStoreError> {
        let here = self.iterator.item();
        if here.is_none() {
            self.iterator.status().map_err(|error| Cause::from(error).of_log())?;
        }
        Ok(here)
    }
}

impl LogReader for RocksLogReader {
    fn identity(&self) -> Result<Option<(DiskIdentity, u64)>, LogStoreError> {
        let mut records = self.records(&key::IDENTITY, &key::FIRST_RANGE);
        let identity = match records.seek(&key::IDENTITY)? {
            None => return Ok(None),
            Some((found, value)) if found == key::IDENTITY => {
                record::decode_identity(found, record::open(found, value)?)?
            }
            Some((found, _)) => return Err(record::damaged(found, "is there, and no identity")),
        };
        let boot = match records.next()? {
            Some((found, value)) => record::number(found, value).map(u64::from_le_bytes)?,
            None => 0,
        };
        Ok(Some((identity, boot)))
    }

    fn replicas(&self) -> Result<Vec<(RangeId, StoredReplica)>, LogStoreError> {
        let mut records = self.records(&key::FIRST_RANGE, &key::END);
        let mut replicas = Vec::new();
        let mut open: Option<Outline> = None;
        let mut record = records.seek(&key::FIRST_RANGE)?;
        while let Some((key, value)) = record {
            let (range, kind) = key::parse(key).ok_or_else(|| record::damaged(key, "has no known key"))?;
            if let Some(done) = open.take_if(|outline| outline.range != range) {
                replicas.push(done.finish()?);
            }
            open.get_or_insert_with(|| Outline::new(range)).add(key, kind, value)?;
            record = records.next()?;
        }
        if let Some(done) = open {
            replicas.push(done.finish()?);
        }
        Ok(replicas)
    }

    fn entries(
        &self,
        range: RangeId,
        first: LogIndex,
        last: LogIndex,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, LogStoreError> {
        let base_key = key::of(range, Kind::Base);
        let mut records = self.records(&base_key, &key::end_of_entries(range));
        let base = match records.seek(&base_key)? {
            None => return Ok(Vec::new()),
            Some((key, value)) if key == base_key => decode_base(key, value)?.last.index,
            Some((key, _)) => return Err(record::damaged(key, "is there, and no base")),
        };
        if first <= base || first > last {
            return Ok(Vec::new());
        }
        let mut found: Vec<Entry> = Vec::new();
        let (mut next, mut bytes) = (first, 0_usize);
        let mut record = records.seek(&key::of(range, Kind::Entry(first)))?;
        while let Some((key, value)) = record {
            let entry = decode_next(key, value, range, next)?;
            bytes = bytes.saturating_add(entry.size());
            if bytes > max_bytes && !found.is_empty() {
                break;
            }
            found.push(entry);
            if next >= last {
                break;
            }
            next = next.next();
            record = records.next()?;
        }
        Ok(found)
    }
}

/// What is known of a range while its records are read.
struct Outline {
    range: RangeId,
    replica: Option<ReplicaId>,
    hard_state: Option<HardState>,
    base: Option<SnapshotMeta>,
    intent: Option<Bytes>,
    last: LogIndex,
}

impl Outline {
    fn new(range: RangeId) -> Self {
        Self { range, replica: None, hard_state: None, base: None, intent: None, last: LogIndex::ZERO }
    }

    /// Adds the next record, in the order of keys.
    fn add(&mut self, key: &[u8], kind: Kind, value: &[u8]) -> Result<(), LogStoreError> {
        match kind {
            Kind::Replica => {
                self.replica = Some(ReplicaId(u64::from_le_bytes(record::number(key, value)?)));
            }
            Kind::HardState => {
                let content = record::open(key, value)?;
                let decoded = decode_hard_state(content).map_err(|error| record::undecodable(key, error))?;
                self.hard_state = Some(decoded);
            }
            Kind::Base => {
                let base = decode_base(key, value)?;
                self.last = base.last.index;
                self.base = Some(base);
            }
            Kind::Intent => self.intent = Some(record::open_copy(key, value)?),
            Kind::Entry(_) => self.last = decode_next(key, value, self.range, self.last.next())?.index,
        }
        Ok(())
    }

    fn finish(self) -> Result<(RangeId, StoredReplica), LogStoreError> {
        let (range, intent, last) = (self.range, self.intent, self.last);
        match (self.replica, self.hard_state, self.base) {
            (Some(replica), Some(hard_state), Some(base)) => {
                Ok((range, StoredReplica { replica, hard_state, base, intent, last }))
            }
            _ => Err(LogStoreError::Corruption { detail: format!("records of {range:?} are missing") }),
        }
    }
}

fn decode_base(key: &[u8], value: &[u8]) -> Result<SnapshotMeta, LogStoreError> {
    decode_snapshot_meta(record::open(key, value)?).map_err(|error| record::undecodable(key, error))
}

/// The entry of a record, which must be the one at `index`.
fn decode_next(key: &[u8], value: &[u8], range: RangeId, index: LogIndex) -> Result<Entry, LogStoreError> {
    if key != key::of(range, Kind::Entry(index)) {
        let detail = format!("{range:?}: {index:?} is missing before record {key:02x?}");
        return Err(LogStoreError::Corruption { detail });
    }
    let content = record::open_copy(key, value)?;
    let entry = decode_entry(&content).map_err(|error| record::undecodable(key, error))?;
    if entry.index != index {
        return Err(record::damaged(key, "holds another entry"));
    }
    Ok(entry)
}
