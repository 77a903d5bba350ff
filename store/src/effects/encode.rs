//! Effects to bytes.

use bytes::Bytes;

use super::writer::{Sink, Writer};
use super::{Body, ConditionFailed, Effects, FORMAT, Record, Written, kind};

/// The bytes of an entry, in one allocation.
///
/// # Panics
/// The keys of the changes do not rise strictly: a bug of the caller.
#[must_use]
pub fn encode(effects: &Effects) -> Bytes {
    let mut size = size_of::<u32>();
    write(effects, &mut size);
    let mut out = Vec::with_capacity(size);
    write(effects, &mut out);
    let crc = crc32fast::hash(&out);
    out.extend(crc.to_le_bytes());
    debug_assert_eq!(out.len(), size);
    out.into()
}

fn write(effects: &Effects, out: &mut impl Sink) {
    let mut writer = Writer::new(out);
    writer.byte(FORMAT);
    writer.byte(kind_of(&effects.body));
    writer.number(effects.epoch);
    writer.timestamp(effects.timestamp);
    match &effects.body {
        Body::Tick | Body::OpenSession => {}
        Body::Written(written) => writer.written(written),
        Body::ConditionFailed(failed) => writer.condition_failed(failed),
        Body::ExpireSessions { floor } => writer.timestamp(*floor),
        Body::GcThreshold { threshold } => writer.timestamp(*threshold),
        Body::Hold { id, timestamp, expires } => {
            writer.number(*id);
            writer.timestamp(*timestamp);
            writer.timestamp(*expires);
        }
        Body::ReleaseHold { id } => writer.number(*id),
        Body::SetClusterVersion { version } => writer.number(u64::from(version.0)),
    }
}

fn kind_of(body: &Body) -> u8 {
    match body {
        Body::Tick => kind::TICK,
        Body::Written(_) => kind::WRITTEN,
        Body::ConditionFailed(_) => kind::CONDITION_FAILED,
        Body::OpenSession => kind::OPEN_SESSION,
        Body::ExpireSessions { .. } => kind::EXPIRE_SESSIONS,
        Body::GcThreshold { .. } => kind::GC_THRESHOLD,
        Body::Hold { .. } => kind::HOLD,
        Body::ReleaseHold { .. } => kind::RELEASE_HOLD,
        Body::SetClusterVersion { .. } => kind::SET_CLUSTER_VERSION,
    }
}

impl<S: Sink> Writer<'_, S> {
    fn written(&mut self, written: &Written) {
        let rise = written.changes.is_sorted_by(|a, b| a.key < b.key);
        assert!(rise, "the changes of a write are on keys that rise");
        self.number(written.deleted);
        self.flag(written.record.is_some());
        if let Some(record) = &written.record {
            self.record(record);
        }
        self.count(written.changes.len());
        for change in &written.changes {
            self.sized(&change.key);
            self.optional(change.value.as_deref());
        }
    }

    fn condition_failed(&mut self, failed: &ConditionFailed) {
        self.record(&failed.record);
        self.number(u64::from(failed.index));
        self.timestamp(failed.version);
        self.optional(failed.value.as_deref());
    }

    fn record(&mut self, record: &Record) {
        self.timestamp(record.session);
        self.number(record.number);
        self.number(record.acknowledged_below);
    }
}
