//! What can be asked, in the words of the caller.

use std::time::Duration;

use bytes::Bytes;
use proto::v1::{self, condition, consistency, operation};

/// How fresh a read is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Consistency {
    /// It sees every write that was acknowledged before the read began.
    #[default]
    Linearizable,
    /// It sees exactly what was there at this timestamp.
    Snapshot(u64),
    /// It may miss what was written within this time; served by whichever node is asked. Whole milliseconds.
    Stale(Duration),
}

impl Consistency {
    pub(crate) fn to_proto(self) -> Option<v1::Consistency> {
        let level = match self {
            Consistency::Linearizable => return None,
            Consistency::Snapshot(timestamp) => consistency::Level::SnapshotTimestamp(timestamp),
            Consistency::Stale(within) => {
                let millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
                consistency::Level::StaleWithinMillis(millis)
            }
        };
        Some(v1::Consistency { level: Some(level) })
    }
}

/// Which node serves reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReadFrom {
    /// The leader: it answers linearizable reads without asking others.
    #[default]
    Leader,
    /// The node that answers fastest: it takes load off the leader, and saves distance.
    Nearest,
}

/// What must hold of a key for a write to happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Test {
    /// It has a value.
    Exists,
    /// It has none.
    Absent,
    /// Its value is this.
    ValueIs(Bytes),
    /// Its version is this.
    VersionIs(u64),
}

impl Test {
    pub(crate) fn on(self, key: Bytes) -> v1::Condition {
        let test = match self {
            Test::Exists => condition::Test::Exists(true),
            Test::Absent => condition::Test::Exists(false),
            Test::ValueIs(value) => condition::Test::Value(value),
            Test::VersionIs(version) => condition::Test::Version(version),
        };
        v1::Condition { key, test: Some(test) }
    }
}

/// Several operations on distinct keys, done at one moment, if all conditions hold at that moment.
///
/// ```
/// use client::{Test, Write};
///
/// let transfer = Write::new().when("from", Test::Exists).delete("from").put("to", "value");
/// # let _ = transfer;
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Write {
    pub(crate) conditions: Vec<v1::Condition>,
    pub(crate) operations: Vec<v1::Operation>,
}

impl Write {
    /// Without conditions and operations.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if this holds. The first that does not hold is reported, in the order of these calls.
    #[must_use]
    pub fn when(mut self, key: impl Into<Bytes>, test: Test) -> Self {
        self.conditions.push(test.on(key.into()));
        self
    }

    /// Sets a key.
    #[must_use]
    pub fn put(self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        let put = v1::PutOperation { key: key.into(), value: value.into() };
        self.operation(operation::Kind::Put(put))
    }

    /// Removes a key, if it is there.
    #[must_use]
    pub fn delete(self, key: impl Into<Bytes>) -> Self {
        self.operation(operation::Kind::Delete(v1::DeleteOperation { key: key.into() }))
    }

    /// Removes the keys from `start` on, before `end`; an empty `end` is behind every key.
    #[must_use]
    pub fn delete_range(self, start: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        let span = v1::DeleteRangeOperation { start: start.into(), end: end.into() };
        self.operation(operation::Kind::DeleteRange(span))
    }

    fn operation(mut self, kind: operation::Kind) -> Self {
        self.operations.push(v1::Operation { kind: Some(kind) });
        self
    }
}

/// A span of keys to read, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scan {
    pub(crate) start: Bytes,
    pub(crate) end: Bytes,
    pub(crate) reverse: bool,
    pub(crate) limit: u64,
    pub(crate) keys_only: bool,
}

impl Scan {
    /// All keys.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// The keys from `start` on, before `end`; an empty `end` is behind every key.
    #[must_use]
    pub fn range(start: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self { start: start.into(), end: end.into(), ..Self::default() }
    }

    /// The keys that begin with this.
    #[must_use]
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let start = prefix.into();
        let end = behind_prefix(&start);
        Self { start, end, ..Self::default() }
    }

    /// The first key, and the one behind the last; empty: behind every key.
    #[must_use]
    pub fn bounds(&self) -> (Bytes, Bytes) {
        (self.start.clone(), self.end.clone())
    }

    /// From the last key on down.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// So many keys at most, over all pages; 0: no limit.
    #[must_use]
    pub fn limit(mut self, keys: u64) -> Self {
        self.limit = keys;
        self
    }

    /// Without values.
    #[must_use]
    pub fn keys_only(mut self) -> Self {
        self.keys_only = true;
        self
    }

    pub(crate) fn to_proto(&self, consistency: Consistency) -> v1::ScanRequest {
        v1::ScanRequest {
            start: self.start.clone(),
            end: self.end.clone(),
            reverse: self.reverse,
            limit: u32::try_from(self.limit).unwrap_or(u32::MAX),
            keys_only: self.keys_only,
            consistency: consistency.to_proto(),
            keyspace: String::new(),
        }
    }
}

/// The first key behind all that begin with a prefix; empty: there is none.
fn behind_prefix(prefix: &[u8]) -> Bytes {
    let kept = prefix.iter().rposition(|&byte| byte != u8::MAX).map_or(0, |last| last + 1);
    let mut end = prefix[..kept].to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_span() {
        let ends = [&b"ab"[..], b"a\xff", b"a\xff\xff", b"\xff\xff", b""].map(behind_prefix);
        assert_eq!(ends, [&b"ac"[..], b"b", b"b", b"", b""].map(Bytes::from_static));
    }
}
