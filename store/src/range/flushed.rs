//! How far a range is: in a view, and on the disk, which is what a crash leaves.

use raft::RangeId;

use super::StateError;
use super::state::{Applied, codec};
use crate::engine::{Engine, View};
use crate::key::{Local, local};

/// The applied position as of what is durable: the log before it is not needed by this replica any more.
///
/// # Errors
/// The replica must stop.
pub fn flushed_applied<E: Engine>(engine: &E, range: RangeId) -> Result<Applied, StateError> {
    match engine.read_persisted(&local(range, Local::Applied))? {
        Some(value) => codec::decode_applied(&value),
        None => Ok(Applied::default()),
    }
}

/// The applied position as of a view.
///
/// # Errors
/// The replica must stop.
pub fn applied_in<V: View>(view: &V, range: RangeId) -> Result<Applied, StateError> {
    match view.get(&local(range, Local::Applied))? {
        Some(value) => codec::decode_applied(&value),
        None => Ok(Applied::default()),
    }
}
