//! Keys of versions: order-preserving, and read without an allocation.

use super::{DecodeError, Tag, span_of, untagged};
use crate::engine::Span;
use crate::timestamp::Timestamp;

/// Begins an escape, or the end of the key.
const ZERO: u8 = 0x00;
/// Behind [`ZERO`]: the user key has a zero here. Above [`END`], so that a key sorts before longer ones.
const ZERO_BYTE: u8 = 0xff;
/// Behind [`ZERO`]: the user key is over.
const END: u8 = 0x01;
/// Behind [`ZERO`]: after every version of the key, before every other key. Never stored.
const AFTER_END: u8 = 0x02;

fn push_prefix(out: &mut Vec<u8>, key: &[u8]) {
    out.push(Tag::User as u8);
    for (at, part) in key.split(|byte| *byte == ZERO).enumerate() {
        if at > 0 {
            out.extend([ZERO, ZERO_BYTE]);
        }
        out.extend(part);
    }
    out.extend([ZERO, END]);
}

fn push_timestamp(out: &mut Vec<u8>, timestamp: Timestamp) {
    out.extend((!timestamp.0).to_be_bytes());
}

/// The part without zeros, which is usual, needs no more room than this.
fn room(key: &[u8]) -> Vec<u8> {
    Vec::with_capacity(1 + key.len() + 2 + size_of::<Timestamp>())
}

/// What the keys of all versions of `key` begin with. It sorts before them, and after all lower user keys.
#[must_use]
pub fn version_prefix(key: &[u8]) -> Vec<u8> {
    let mut out = room(key);
    push_prefix(&mut out, key);
    out
}

/// The key of a version. The first entry at or after it in [`versions_span`] is the newest version of `key`
/// at or below `timestamp`.
#[must_use]
pub fn version(key: &[u8], timestamp: Timestamp) -> Vec<u8> {
    let mut out = room(key);
    push_prefix(&mut out, key);
    push_timestamp(&mut out, timestamp);
    out
}

/// Replaces `out` by the key of the version at `timestamp` of the user key with this [`version_prefix`].
pub fn seek_version(prefix: &[u8], timestamp: Timestamp, out: &mut Vec<u8>) {
    out.clear();
    out.extend(prefix);
    push_timestamp(out, timestamp);
}

/// Replaces `out` by what sorts after every version of the user key with this [`version_prefix`], and before
/// the versions of all higher user keys: where to go on when enough is known of a key.
pub fn after_versions(prefix: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend(prefix);
    if let Some(last) = out.last_mut() {
        debug_assert_eq!(*last, END, "not the prefix of a version");
        *last = AFTER_END;
    }
}

/// All versions of one key.
#[must_use]
pub fn versions_span(key: &[u8]) -> Span {
    span_of(version_prefix(key))
}

/// All versions of the user keys from `start` on, before `end`; an empty `end` is behind every key. Empty if
/// `end` is not behind `start`.
#[must_use]
pub fn user_span(start: &[u8], end: &[u8]) -> Span {
    let end = match end {
        [] => span_of(vec![Tag::User as u8]).end,
        end => version_prefix(end.max(start)),
    };
    Span { start: version_prefix(start), end }
}

/// Splits the key of a version into its [`version_prefix`] and its timestamp. Two versions are of the same
/// user key if their prefixes are equal; what lies within the prefix is looked at by [`user_key`] only.
///
/// # Errors
/// It is no key of a version.
pub fn split_version(engine_key: &[u8]) -> Result<(&[u8], Timestamp), DecodeError> {
    let escaped = untagged(engine_key, Tag::User)?;
    let (escaped, timestamp) = escaped.split_last_chunk().ok_or(DecodeError::Truncated)?;
    if !escaped.ends_with(&[ZERO, END]) {
        return Err(DecodeError::NoEnd);
    }
    Ok((&engine_key[..=escaped.len()], Timestamp(!u64::from_be_bytes(*timestamp))))
}

/// The user key with this [`version_prefix`]: a part of `prefix` if it has no zeros, else put into `buffer`.
///
/// # Errors
/// It is no prefix of a version.
pub fn user_key<'a>(prefix: &'a [u8], buffer: &'a mut Vec<u8>) -> Result<&'a [u8], DecodeError> {
    let escaped = untagged(prefix, Tag::User)?;
    let escaped = escaped.strip_suffix(&[ZERO, END]).ok_or(DecodeError::NoEnd)?;
    let mut parts = escaped.split(|byte| *byte == ZERO);
    let first = parts.next().unwrap_or_default();
    if first.len() == escaped.len() {
        return Ok(escaped);
    }
    buffer.clear();
    buffer.extend(first);
    for part in parts {
        match part.split_first() {
            Some((&ZERO_BYTE, part)) => {
                buffer.push(ZERO);
                buffer.extend(part);
            }
            Some((found, _)) => return Err(DecodeError::WrongEscape { found: *found }),
            // Two zeros in a row, or one before the end.
            None => return Err(DecodeError::WrongEscape { found: ZERO }),
        }
    }
    Ok(buffer)
}

/// The user key and the timestamp of a version: [`split_version`] and [`user_key`].
///
/// # Errors
/// It is no key of a version.
pub fn decode_version<'a>(
    engine_key: &'a [u8],
    buffer: &'a mut Vec<u8>,
) -> Result<(&'a [u8], Timestamp), DecodeError> {
    let (prefix, timestamp) = split_version(engine_key)?;
    Ok((user_key(prefix, buffer)?, timestamp))
}
