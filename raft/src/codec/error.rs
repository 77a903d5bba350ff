//! Why bytes are refused.

use thiserror::Error;

use super::FORMAT;

/// What is wrong with the bytes. Nothing of them counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DecodeError {
    /// More was announced than is there.
    #[error("the bytes end too early")]
    Truncated,
    /// Something follows the end.
    #[error("{bytes} bytes follow the end")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Another version wrote this.
    #[error("format {found} is unknown, this version reads {FORMAT}: upgrade the older side")]
    UnknownFormat {
        /// The first byte.
        found: u8,
    },
    /// No message has this first byte.
    #[error("unknown message kind {head:#04x}")]
    UnknownKind {
        /// The first byte of the message.
        head: u8,
    },
    /// No entry has this tag.
    #[error("unknown entry tag {tag:#04x}")]
    UnknownTag {
        /// The tag.
        tag: u8,
    },
    /// A byte of few values has another one.
    #[error("{found:#04x} is no valid flag")]
    UnknownFlag {
        /// The byte.
        found: u8,
    },
    /// A number beyond its limit.
    #[error("number {value} is not below {limit}")]
    TooLarge {
        /// The number.
        value: u64,
        /// The first one refused.
        limit: u64,
    },
    /// A number of more than 64 bits.
    #[error("a number has more than 64 bits")]
    Overlong,
    /// More elements than allowed.
    #[error("{count} {what}, at most {limit} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// As announced.
        count: u64,
        /// The most allowed.
        limit: usize,
    },
    /// There is another encoding of the same value, and only that one is valid.
    #[error("not the only valid encoding: {what}")]
    NotCanonical {
        /// What should be different.
        what: &'static str,
    },
}
