//! The keys of the engine, and the byte that its values begin with.
//!
//! ```text
//! local     = LOCAL range kind suffix             range-local state, big-endian numbers
//! version   = USER escaped ZERO END timestamp     a version of a user key
//! escaped   = the user key, each 0x00 as ZERO ZERO_BYTE
//! timestamp = eight bytes, inverted and big-endian
//! ```
//!
//! Bytewise order is the order that is meant: user keys as their users see them, a key before the longer keys
//! that begin with it, and of one key the newest version first. A user key ends by itself: nothing about its
//! length is needed to read on, and up to its end it never begins another key.
//!
//! There is one encoding of each key, and whatever else is refused. Decoding never panics.

mod error;
mod local;
mod user;
mod value;

pub use error::DecodeError;
pub use local::{Local, decode_local, holds_span, local, local_span, session_writes_span, sessions_span};
pub use user::{
    after_versions, decode_version, seek_version, split_version, user_key, user_span, version,
    version_prefix, versions_span,
};
pub use value::{decode_value, encode_value};

use crate::engine::Span;

/// The first byte of every key: what it is a key of. The bytes are part of the format and never change.
///
/// Range-local state sorts below everything that users address; gaps are for what nobody thought of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Tag {
    /// State of one range.
    Local = 0x01,
    /// Reserved: where the second level of range addresses is.
    Meta1 = 0x10,
    /// Reserved: where ranges are.
    Meta2 = 0x11,
    /// Reserved: transaction records.
    Transaction = 0x20,
    /// Reserved: writes of transactions that have not ended.
    Intent = 0x21,
    /// Versions of user keys.
    User = 0x40,
    /// Reserved: indexes.
    Index = 0x50,
    /// Reserved: etcd domains.
    Etcd = 0x60,
}

/// Takes the tag off a key.
fn untagged(key: &[u8], tag: Tag) -> Result<&[u8], DecodeError> {
    match key.split_first() {
        Some((found, rest)) if *found == tag as u8 => Ok(rest),
        Some((found, _)) => Err(DecodeError::WrongTag { found: *found, expected: tag }),
        None => Err(DecodeError::Truncated),
    }
}

/// Every key that begins with `prefix`, which begins with a tag.
fn span_of(prefix: Vec<u8>) -> Span {
    let mut end = prefix.clone();
    // It ends: a tag is not 0xff.
    while end.pop_if(|last| *last == 0xff).is_some() {}
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    Span { start: prefix, end }
}
