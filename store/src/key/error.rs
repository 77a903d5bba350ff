//! Why a key or a value is refused.

use thiserror::Error;

use super::Tag;

/// What is wrong with a key or a value. Found in the engine, each of these is corruption, except that a newer
/// version may have written what is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DecodeError {
    /// It ends where more must follow.
    #[error("a key or value ends too early")]
    Truncated,
    /// It goes on behind its end.
    #[error("{bytes} bytes follow the end of a key or value")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// It is a key of something else.
    #[error("a key begins with {found:#04x}, not with {:#04x} ({expected:?})", *expected as u8)]
    WrongTag {
        /// The first byte.
        found: u8,
        /// What was to be read.
        expected: Tag,
    },
    /// A zero is followed by what no writer puts there.
    #[error("a zero in a user key is followed by {found:#04x}")]
    WrongEscape {
        /// The byte behind the zero.
        found: u8,
    },
    /// A user key does not end before its timestamp.
    #[error("a user key does not end before its timestamp")]
    NoEnd,
    /// No range-local state is of this kind.
    #[error("unknown kind of range-local state {kind:#04x}")]
    UnknownLocal {
        /// The kind byte.
        kind: u8,
    },
    /// No value is of this kind.
    #[error("unknown kind of value {kind:#04x}")]
    UnknownValue {
        /// The first byte.
        kind: u8,
    },
}
