//! The data engine's copy of who this disk is: two engines that do not belong together are noticed.

use raft::{ClusterId, NodeId};

use crate::engine::{Batch, Engine, EngineError, View};
use crate::key::Tag;

/// Shorter than every key of a range, and in none of their spans.
fn key() -> Vec<u8> {
    vec![Tag::Local as u8]
}

fn value((cluster, node): (ClusterId, NodeId)) -> Vec<u8> {
    [&cluster.0.to_le_bytes()[..], &node.0.to_le_bytes()].concat()
}

/// What the data engine says of the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mirror {
    Missing,
    Same,
    Other,
}

pub(super) fn look<E: Engine>(
    engine: &E,
    member: Option<(ClusterId, NodeId)>,
) -> Result<Mirror, EngineError> {
    Ok(match (engine.view().get(&key())?, member) {
        (None, _) => Mirror::Missing,
        (Some(found), Some(member)) if found == value(member) => Mirror::Same,
        (Some(_), _) => Mirror::Other,
    })
}

/// Durable when this returns.
pub(super) fn write<E: Engine>(engine: &E, member: (ClusterId, NodeId)) -> Result<(), EngineError> {
    let mut batch = Batch::default();
    batch.put(key(), value(member));
    engine.write(batch)?;
    engine.flush()
}
