//! The rows of a span at a timestamp, in either order.
//!
//! A key may have any number of versions that are not looked for. A few are passed one by one, which is cheap;
//! the rest is jumped over.

use std::ops::ControlFlow;

use crate::engine::{Cursor, Span, View};
use crate::key::{after_versions, decode_value, seek_version, split_version, user_key};
use crate::range::StateError;
use crate::timestamp::Timestamp;

/// Versions that are passed one by one before the cursor jumps.
const STEPS: usize = 8;

/// A row that was found.
pub(crate) struct FoundRow<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) version: Timestamp,
    pub(crate) value: &'a [u8],
}

/// What is behind the last row shown.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Left {
    /// Nothing.
    Nothing,
    /// Entries, though it is not known if there are rows among them.
    Entries,
    /// This key, the next that is to be looked at: so many were, that it is enough.
    From(Vec<u8>),
}

impl Left {
    fn of(cursor: &impl Cursor) -> Self {
        if cursor.entry().is_some() { Left::Entries } else { Left::Nothing }
    }
}

/// Shows the rows of `span` at `at` in order to `visit` until it breaks, or `keys` more were looked at, those
/// without a value included, which it counts down. `opened` is called when the cursor is open.
pub(crate) fn forward<V: View, E: From<StateError>>(
    view: &V,
    span: &Span,
    at: Timestamp,
    keys: &mut usize,
    opened: impl FnOnce() -> Result<(), E>,
    mut visit: impl FnMut(FoundRow<'_>) -> ControlFlow<()>,
) -> Result<Left, E> {
    let mut cursor = view.cursor(span);
    cursor.seek(&span.start).map_err(StateError::from)?;
    opened()?;
    Ok(forward_from(&mut cursor, at, keys, &mut visit)?)
}

fn forward_from<C: Cursor>(
    cursor: &mut C,
    at: Timestamp,
    keys: &mut usize,
    visit: &mut impl FnMut(FoundRow<'_>) -> ControlFlow<()>,
) -> Result<Left, StateError> {
    let (mut prefix, mut target, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((key, _)) = cursor.entry() {
        prefix.clear();
        prefix.extend(split_version(key)?.0);
        let Some(fewer) = keys.checked_sub(1) else {
            return Ok(Left::From(user_key(&prefix, &mut buffer)?.to_vec()));
        };
        *keys = fewer;
        // The newest version at or below `at` is the first one that is not above it.
        if !pass(cursor, &prefix, |version| version > at)? {
            seek_version(&prefix, at, &mut target);
            cursor.seek(&target)?;
        }
        let Some((version, stored)) = of_key(cursor, &prefix)? else { continue };
        let flow = match decode_value(stored)? {
            Some(value) => visit(FoundRow { key: user_key(&prefix, &mut buffer)?, version, value }),
            None => ControlFlow::Continue(()),
        };
        if !pass(cursor, &prefix, |_| true)? {
            after_versions(&prefix, &mut target);
            cursor.seek(&target)?;
        }
        if flow.is_break() {
            break;
        }
    }
    Ok(Left::of(cursor))
}

/// Goes on while the cursor stands on a version of the key with `prefix` that is `unwanted`; says whether the
/// steps were enough.
fn pass<C: Cursor>(
    cursor: &mut C,
    prefix: &[u8],
    unwanted: impl Fn(Timestamp) -> bool,
) -> Result<bool, StateError> {
    for _ in 0..STEPS {
        match of_key(cursor, prefix)? {
            Some((version, _)) if unwanted(version) => cursor.next()?,
            _ => return Ok(true),
        }
    }
    Ok(false)
}

/// Where the cursor stands, if that is a version of the key with `prefix`.
fn of_key<'a, C: Cursor>(cursor: &'a C, prefix: &[u8]) -> Result<Option<(Timestamp, &'a [u8])>, StateError> {
    let Some((key, stored)) = cursor.entry() else { return Ok(None) };
    let (found, version) = split_version(key)?;
    Ok((found == prefix).then_some((version, stored)))
}

/// As [`forward`], from the last row on down.
pub(crate) fn reverse<V: View, E: From<StateError>>(
    view: &V,
    span: &Span,
    at: Timestamp,
    keys: &mut usize,
    opened: impl FnOnce() -> Result<(), E>,
    mut visit: impl FnMut(FoundRow<'_>) -> ControlFlow<()>,
) -> Result<Left, E> {
    let mut cursor = view.cursor(span);
    cursor.seek_before(&span.end).map_err(StateError::from)?;
    opened()?;
    Ok(reverse_from(&mut cursor, at, keys, &mut visit)?)
}

fn reverse_from<C: Cursor>(
    cursor: &mut C,
    at: Timestamp,
    keys: &mut usize,
    visit: &mut impl FnMut(FoundRow<'_>) -> ControlFlow<()>,
) -> Result<Left, StateError> {
    let (mut prefix, mut target, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
    let mut newest = Newest::default();
    while let Some((key, _)) = cursor.entry() {
        // The oldest version of its key.
        prefix.clear();
        prefix.extend(split_version(key)?.0);
        let Some(fewer) = keys.checked_sub(1) else {
            return Ok(Left::From(user_key(&prefix, &mut buffer)?.to_vec()));
        };
        *keys = fewer;
        if !newest.climb(cursor, &prefix, at)? {
            // The key is not left yet: some of its versions are too new, or too many to be passed.
            if newest.steps > STEPS {
                seek_version(&prefix, at, &mut target);
                cursor.seek(&target)?;
                newest.take(of_key(cursor, &prefix)?);
            }
            cursor.seek_before(&prefix)?;
        }
        let Some(version) = newest.version else { continue };
        if let Some(value) = decode_value(&newest.stored)?
            && visit(FoundRow { key: user_key(&prefix, &mut buffer)?, version, value }).is_break()
        {
            break;
        }
    }
    Ok(Left::of(cursor))
}

/// The newest version so far that is not above the timestamp. A copy: to turn the cursor around costs more.
#[derive(Default)]
struct Newest {
    version: Option<Timestamp>,
    stored: Vec<u8>,
    steps: usize,
}

impl Newest {
    fn take(&mut self, found: Option<(Timestamp, &[u8])>) {
        if let Some((version, stored)) = found {
            self.version = Some(version);
            self.stored.clear();
            self.stored.extend(stored);
        }
    }

    /// From the oldest version of the key up; says whether the cursor has left the key.
    fn climb<C: Cursor>(&mut self, cursor: &mut C, prefix: &[u8], at: Timestamp) -> Result<bool, StateError> {
        (self.version, self.steps) = (None, 0);
        while let Some(found) = of_key(cursor, prefix)? {
            self.steps += 1;
            if found.0 > at || self.steps > STEPS {
                return Ok(false);
            }
            self.take(Some(found));
            cursor.prev()?;
        }
        Ok(true)
    }
}
