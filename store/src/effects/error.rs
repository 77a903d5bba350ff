//! Why an entry is refused: three reasons that are handled differently.

use thiserror::Error;

use super::FORMAT;

/// The bytes are not those that were proposed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("an entry of {bytes} bytes is damaged: its checksum does not match")]
pub struct Damaged {
    /// How long the entry is.
    pub bytes: usize,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DecodeError {
    /// Damage, on the way or on the disk: a good copy is elsewhere.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// Undamaged, but of a layout that this version does not know.
    #[error("an entry was written by a newer version: format {found}, this version reads {FORMAT}")]
    NewerFormat {
        /// The first byte.
        found: u8,
    },
    /// Undamaged, but of a kind that this version does not know.
    #[error("an entry was written by a newer version: kind {found} is unknown")]
    NewerKind {
        /// The kind byte.
        found: u8,
    },
    /// Undamaged, and yet nothing that any version writes: a bug of the proposer.
    #[error("an entry is undamaged but malformed: {0}")]
    Malformed(#[from] Malformed),
}

/// What no writer makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Malformed {
    /// More was announced than is there.
    #[error("it ends too early")]
    Truncated,
    /// Something follows the end.
    #[error("{bytes} bytes follow the end")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A byte of two values has another one.
    #[error("{found:#04x} is no valid flag")]
    UnknownFlag {
        /// The byte.
        found: u8,
    },
    /// A number is beyond its type.
    #[error("a number has more than {bits} bits")]
    TooLarge {
        /// As many as it may have.
        bits: u32,
    },
    /// There is another encoding of the same value, and only that one is valid.
    #[error("not the only valid encoding: {what}")]
    NotCanonical {
        /// What should be different.
        what: &'static str,
    },
}
