//! Reads at a timestamp: the newest version at or below it of each key, unless that is a tombstone.
//!
//! Garbage collection may run at the same time, and RocksDB's compaction filter takes even from snapshots what
//! no open iterator holds. So each read opens its cursor first and checks the threshold then: what was dropped
//! before the cursor was opened was below a threshold that the check sees.

mod admission;
mod point;
mod rows;
mod scan;

pub use admission::{Admission, admit};
pub(super) use point::{exists, newest};
pub(super) use rows::{Left, forward};

use crate::engine::View;
use crate::range::RangeError;
use crate::request::{Limits, Page, RequestError, Scan, Versioned};
use crate::timestamp::Timestamp;

/// A reader of a view at a timestamp that the view has applied.
pub struct Reader<'a, V, T> {
    view: &'a V,
    at: Timestamp,
    threshold: T,
}

impl<'a, V: View, T: Fn() -> Timestamp> Reader<'a, V, T> {
    /// Reads `view` at `at`, which was applied before the view was made ([`admit`]). `threshold` is asked again at every read: it is the
    /// GC threshold as of its call.
    pub fn new(view: &'a V, at: Timestamp, threshold: T) -> Self {
        Self { view, at, threshold }
    }

    /// To be called when the cursor is open.
    fn check(&self) -> Result<(), RangeError> {
        let oldest = (self.threshold)();
        if self.at < oldest {
            return Err(RequestError::TooOld { timestamp: self.at, oldest }.into());
        }
        Ok(())
    }

    /// The value of a key.
    ///
    /// # Errors
    /// The timestamp is too old, or the replica must stop.
    pub fn get(&self, key: &[u8]) -> Result<Option<Versioned>, RangeError> {
        point::get(self.view, key, self.at, || self.check())
    }

    /// A page of keys.
    ///
    /// # Errors
    /// The timestamp is too old, the bounds are not in order, or the replica must stop.
    pub fn scan(&self, scan: &Scan, limits: &Limits) -> Result<Page, RangeError> {
        scan::page(self.view, scan, self.at, limits, || self.check())
    }
}
