//! One key.

use bytes::Bytes;

use crate::engine::{Cursor, Span, View};
use crate::key::{after_versions, decode_value, split_version, version, version_prefix};
use crate::range::{RangeError, StateError};
use crate::request::Versioned;
use crate::timestamp::Timestamp;

/// Shows the newest version at or below `at`, unless it is a tombstone, to `found`. `opened` is called when the
/// cursor is open.
fn find<V: View, T, E: From<StateError>>(
    view: &V,
    key: &[u8],
    at: Timestamp,
    opened: impl FnOnce() -> Result<(), E>,
    found: impl FnOnce(Timestamp, &[u8]) -> T,
) -> Result<Option<T>, E> {
    let mut end = Vec::new();
    after_versions(&version_prefix(key), &mut end);
    let span = Span { start: version(key, at), end };
    let mut cursor = view.cursor(&span);
    cursor.seek(&span.start).map_err(StateError::from)?;
    opened()?;
    let Some((key, stored)) = cursor.entry() else { return Ok(None) };
    let (_, version) = split_version(key).map_err(StateError::from)?;
    let value = decode_value(stored).map_err(StateError::from)?;
    Ok(value.map(|value| found(version, value)))
}

pub(super) fn get<V: View>(
    view: &V,
    key: &[u8],
    at: Timestamp,
    opened: impl FnOnce() -> Result<(), RangeError>,
) -> Result<Option<Versioned>, RangeError> {
    find(view, key, at, opened, |version, value| Versioned { value: Bytes::copy_from_slice(value), version })
}

/// The value of a key after everything that `view` holds.
pub(crate) fn newest<V: View>(view: &V, key: &[u8]) -> Result<Option<Versioned>, StateError> {
    let found = |version, value: &[u8]| Versioned { value: Bytes::copy_from_slice(value), version };
    find(view, key, Timestamp::MAX, || Ok(()), found)
}

/// Whether a key has a value after everything that `view` holds.
pub(crate) fn exists<V: View>(view: &V, key: &[u8]) -> Result<bool, StateError> {
    Ok(find(view, key, Timestamp::MAX, || Ok::<(), StateError>(()), |_, _| ())?.is_some())
}
