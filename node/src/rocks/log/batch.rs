//! A batch of the log as a batch of RocksDB.

use std::collections::BTreeMap;

use raft::codec::{encode_entry, encode_hard_state, encode_snapshot_meta};
use raft::{HardState, LogIndex, LogWrite, RangeId, SnapshotMeta};
use rocksdb::WriteBatch;
use store::log_store::{LogBatch, LogItem, LogShape};

use super::key::{self, Kind};
use super::record;

/// Up to so many entries at the start of a log are deleted one by one. More are covered by a range tombstone: it
/// is behind every reader, who begins after the base. At the end of a log a tombstone would be in the way of what
/// is read most, so there it is always one by one; what is cut there is seldom much.
const FEW: u64 = 64;

/// What logs begin after, and their last entries.
pub(super) type Logs = BTreeMap<RangeId, (LogIndex, LogIndex)>;

/// The logs that a batch changes, before it does.
pub(super) fn logs(batch: &LogBatch, shape: &LogShape) -> Logs {
    let changed = batch.items.iter().filter_map(|item| match item {
        LogItem::Write(range, _) => Some(*range),
        _ => None,
    });
    changed.filter_map(|range| Some((range, shape.log(range)?))).collect()
}

/// The changes that a batch makes to `logs`, which allow it.
pub(super) fn changes(batch: &LogBatch, mut logs: Logs) -> WriteBatch {
    let mut changes = WriteBatch::default();
    for item in &batch.items {
        match item {
            LogItem::Identity(identity) => {
                let content = |out: &mut Vec<u8>| record::encode_identity(identity, out);
                put(&mut changes, &key::IDENTITY, content);
            }
            LogItem::Boot(counter) => {
                put(&mut changes, &key::BOOT, |out| out.extend_from_slice(&counter.to_le_bytes()));
            }
            LogItem::Create(range, replica) => {
                // All of it is there from now on: what is missing later was lost.
                let content = |out: &mut Vec<u8>| out.extend_from_slice(&replica.0.to_le_bytes());
                put(&mut changes, &key::of(*range, Kind::Replica), content);
                put_hard_state(&mut changes, *range, &HardState::default());
                put_base(&mut changes, *range, &SnapshotMeta::empty());
            }
            LogItem::Write(range, write) => {
                let log = logs.entry(*range).or_default();
                put_write(&mut changes, *range, log, write);
            }
            LogItem::Intent(range, intent) => {
                put(&mut changes, &key::of(*range, Kind::Intent), |out| out.extend_from_slice(intent));
            }
        }
    }
    changes
}

fn put_write(changes: &mut WriteBatch, range: RangeId, log: &mut (LogIndex, LogIndex), write: &LogWrite) {
    let (base, last) = log;
    if let Some(hard_state) = &write.hard_state {
        put_hard_state(changes, range, hard_state);
    }
    if let Some(moved) = &write.base {
        let to = moved.meta.last.index;
        delete_start(changes, range, *base, if moved.reset { *last } else { to });
        if moved.reset {
            changes.delete(key::of(range, Kind::Intent));
            *last = to;
        }
        put_base(changes, range, &moved.meta);
        *base = to;
    }
    if let Some(from) = write.truncate_from {
        for index in from.0..=last.0 {
            changes.delete(key::of(range, Kind::Entry(LogIndex(index))));
        }
        *last = (*last).min(from.prev());
    }
    for entry in &write.entries {
        put(changes, &key::of(range, Kind::Entry(entry.index)), |out| encode_entry(entry, out));
        *last = entry.index;
    }
}

/// Deletes the entries after `base` up to `last`.
fn delete_start(changes: &mut WriteBatch, range: RangeId, base: LogIndex, last: LogIndex) {
    if last.0.saturating_sub(base.0) > FEW {
        let entry = |index| key::of(range, Kind::Entry(index));
        changes.delete_range(entry(base.next()), entry(last.next()));
        return;
    }
    for index in base.0 + 1..=last.0 {
        changes.delete(key::of(range, Kind::Entry(LogIndex(index))));
    }
}

fn put_hard_state(changes: &mut WriteBatch, range: RangeId, hard_state: &HardState) {
    put(changes, &key::of(range, Kind::HardState), |out| encode_hard_state(hard_state, out));
}

fn put_base(changes: &mut WriteBatch, range: RangeId, base: &SnapshotMeta) {
    put(changes, &key::of(range, Kind::Base), |out| encode_snapshot_meta(base, out));
}

fn put(changes: &mut WriteBatch, key: &[u8], content: impl FnOnce(&mut Vec<u8>)) {
    changes.put(key, record::seal_with(key, content));
}
