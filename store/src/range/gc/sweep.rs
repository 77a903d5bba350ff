//! A sweep of our own: it sees all levels of the engine, and so it may drop tombstones.

use super::droppable;
use crate::canary::{Canary, planted};
use crate::engine::{Batch, Cursor, Span, View};
use crate::key::{decode_value, seek_version, split_version};
use crate::range::StateError;
use crate::timestamp::Timestamp;

/// Versions above the threshold that are passed one by one before the cursor jumps.
const STEPS: usize = 8;

/// A step of a sweep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sweep {
    /// What to remove, in one piece.
    pub batch: Batch,
    /// Where the next step begins; none: the sweep is over.
    pub next: Option<Vec<u8>>,
}

/// Looks at the versions of user keys in `span` from `from` on, until about `budget` of them were looked at, or
/// are to be removed. The batch is to be written before the next step is taken.
///
/// Removing is right whatever is written meanwhile: new versions are above every threshold.
///
/// # Errors
/// The replica must stop.
pub fn gc_batch<V: View>(
    view: &V,
    span: &Span,
    from: &[u8],
    flushed_threshold: Timestamp,
    budget: usize,
) -> Result<Sweep, StateError> {
    let mut cursor = view.cursor(span);
    cursor.seek(from)?;
    let mut batch = Batch::default();
    let budget = budget.max(1);
    let mut looked = 0;
    let (mut prefix, mut target) = (Vec::new(), Vec::new());
    while let Some((key, _)) = cursor.entry() {
        prefix.clear();
        prefix.extend(split_version(key)?.0);
        if looked >= budget {
            return Ok(Sweep { batch, next: Some(prefix) });
        }
        let mut newer = None;
        let mut tombstone = None;
        let mut steps = 0;
        while let Some((key, stored)) = cursor.entry() {
            let (found, version) = split_version(key)?;
            if found != prefix {
                break;
            }
            looked += 1;
            let is_tombstone = decode_value(stored)?.is_none();
            // The versions below are still ahead: whether they all go is known only at their end.
            let older_possible = !planted(Canary::GarbageResurrects);
            if droppable(newer, version, is_tombstone, flushed_threshold, older_possible) {
                batch.delete(key.to_vec());
                if batch.changes.len() >= budget {
                    // The tombstone above, if it is one, stays until all that it shadows is gone.
                    return Ok(Sweep { batch, next: Some(prefix) });
                }
            } else if droppable(newer, version, is_tombstone, flushed_threshold, false) {
                tombstone = Some(key.to_vec());
            }
            newer = Some(version);
            steps += 1;
            if version > flushed_threshold && steps == STEPS {
                seek_version(&prefix, flushed_threshold, &mut target);
                cursor.seek(&target)?;
            } else {
                cursor.next()?;
            }
        }
        if let Some(tombstone) = tombstone {
            batch.delete(tombstone);
        }
    }
    Ok(Sweep { batch, next: None })
}
