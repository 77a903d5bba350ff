//! One hash over everything that a range can still show: equal on all replicas at an equal applied position,
//! whatever each has dropped of the rest.

use raft::RangeId;
use sha2::{Digest, Sha256};

use super::StateError;
use super::state::{Descriptor, codec};
use crate::engine::{Cursor, Span, View};
use crate::key::{Local, decode_value, local, local_span, split_version, user_span};
use crate::timestamp::Timestamp;

/// The hash of what `view` holds of a range: all range-local state, and of user data what can be read at the GC
/// threshold or above it.
///
/// # Errors
/// The replica must stop.
pub fn state_hash<V: View>(view: &V, range: RangeId) -> Result<[u8; 32], StateError> {
    let stored = |what| view.get(&local(range, what));
    let threshold = match stored(Local::GcThreshold)? {
        Some(value) => codec::decode_timestamp(Local::GcThreshold, &value)?,
        None => Timestamp::ZERO,
    };
    let descriptor = match stored(Local::Descriptor)? {
        Some(value) => codec::decode_descriptor(&value)?,
        None => Descriptor::whole(),
    };
    let mut hash = Sha256::new();
    each(view, &local_span(range), |key, value| {
        add(&mut hash, key, value);
        Ok(())
    })?;
    // Of the key before: whether its versions are all below what can be read.
    let (mut last, mut shadowed) = (Vec::<u8>::new(), false);
    each(view, &user_span(&descriptor.start, &descriptor.end), |key, value| {
        let (prefix, version) = split_version(key)?;
        if last != prefix {
            last.clear();
            last.extend(prefix);
            shadowed = false;
        }
        // A tombstone at or below the threshold shows as much as its absence.
        if !shadowed && (version > threshold || decode_value(value)?.is_some()) {
            add(&mut hash, key, value);
        }
        shadowed |= version <= threshold;
        Ok(())
    })?;
    Ok(hash.finalize().into())
}

fn each<V: View>(
    view: &V,
    span: &Span,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StateError>,
) -> Result<(), StateError> {
    let mut cursor = view.cursor(span);
    cursor.seek(&span.start)?;
    while let Some((key, value)) = cursor.entry() {
        visit(key, value)?;
        cursor.next()?;
    }
    Ok(())
}

fn add(hash: &mut Sha256, key: &[u8], value: &[u8]) {
    for part in [key, value] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
}
