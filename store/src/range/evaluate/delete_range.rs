//! DeleteRange: a tombstone for each key that has a value, so that applying it needs no reading.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::lookup::Lookup;
use super::{Evaluator, RangeError, within};
use crate::canary::{Canary, planted};
use crate::effects::Change;
use crate::engine::Engine;
use crate::key::user_span;
use crate::range::read::{self, Left};
use crate::request::Limits;
use crate::timestamp::Timestamp;

impl<E: Engine> Evaluator<'_, E> {
    /// The tombstones for all ranges of a write, range by range.
    pub(super) fn delete_ranges(
        &self,
        ranges: &[(Bytes, Bytes)],
        lookup: &Lookup<'_, E>,
    ) -> Result<Vec<Change>, RangeError> {
        let mut removal = Removal { limits: self.limits, changes: Vec::new(), bytes: 0 };
        let mut keys = self.limits.looked_at;
        for (start, end) in ranges {
            self.delete_range(start, end, lookup, &mut removal, &mut keys)?;
            removal.check()?;
        }
        Ok(removal.changes)
    }

    fn delete_range(
        &self,
        start: &Bytes,
        end: &Bytes,
        lookup: &Lookup<'_, E>,
        removal: &mut Removal<'_>,
        keys: &mut usize,
    ) -> Result<(), RangeError> {
        let in_flight = self.overlay.keys(start, end);
        let mut in_flight = in_flight.filter(|_| !planted(Canary::DeleteRangeMissesInFlight)).peekable();
        let opened = || Ok::<(), RangeError>(());
        let (span, most) = (user_span(start, end), self.limits.looked_at);
        let left = read::forward(lookup.view(), &span, Timestamp::MAX, keys, opened, |row| {
            while let Some((key, pending)) = in_flight.next_if(|(key, _)| key[..] < *row.key) {
                removal.take(pending.value.as_ref().map(|_| key.clone()))?;
            }
            // What is in flight replaces what is applied.
            match in_flight.next_if(|(key, _)| key[..] == *row.key) {
                Some((key, pending)) => removal.take(pending.value.as_ref().map(|_| key.clone())),
                None => removal.take(Some(Bytes::copy_from_slice(row.key))),
            }
        })?;
        if let Left::From(_) = left {
            let what = "the number of keys that a DeleteRange passes, those without a value included,";
            within(what, most.saturating_add(1), most)?;
        }
        for (key, pending) in in_flight {
            if removal.take(pending.value.as_ref().map(|_| key.clone())).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Tombstones, as many as are allowed and one more.
struct Removal<'a> {
    limits: &'a Limits,
    changes: Vec<Change>,
    bytes: usize,
}

impl Removal<'_> {
    fn take(&mut self, key: Option<Bytes>) -> ControlFlow<()> {
        if let Some(key) = key {
            self.bytes += key.len();
            self.changes.push(Change { key, value: None });
        }
        if self.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn check(&self) -> Result<(), RangeError> {
        let keys = self.changes.len();
        within("the number of keys of a DeleteRange, so far,", keys, self.limits.delete_range_keys)?;
        within("the log entry of a DeleteRange, so far,", self.bytes, self.limits.entry_bytes)
    }
}
