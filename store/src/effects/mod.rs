//! What a command does, as the log holds it: evaluated once on the leader, applied blindly everywhere.
//!
//! ```text
//! entry    = FORMAT kind epoch timestamp body crc       nothing may follow
//! written  = deleted recorded [record] count change*    changes on keys that rise
//! change   = length key value
//! failed   = record index version value
//! record   = session number acknowledged-below
//! value    = length-plus-one bytes, or 0: none
//! ```
//!
//! Numbers are LEB128 in as few bytes as possible; timestamps take eight bytes, little-endian; a flag is a
//! byte of 0 or 1. There is one encoding of each value, and whatever else is refused: what decodes encodes to
//! the same bytes. A decoder allocates in proportion to its input and never panics.
//!
//! The last four bytes are the CRC-32 of everything before them, made by the proposer and little-endian. This
//! holds for every format to come, so that damage is told from a newer version: [`verify`] needs to know
//! nothing else. A change of the layout takes a new [`FORMAT`]; a new kind takes a new number, and a cluster
//! version that says when it may be proposed ([`Effects::needed_version`]).

mod decode;
mod encode;
mod error;
pub(crate) mod reader;
mod types;
pub(crate) mod writer;

pub use decode::{decode, verify};
pub use encode::encode;
pub use error::{Damaged, DecodeError, Malformed};
pub use types::{Body, Change, ClusterVersion, ConditionFailed, Effects, Record, Written};

/// The first byte of every encoding.
pub const FORMAT: u8 = 1;

/// The kinds of effects. The numbers are part of the format and never change; 0 is none.
mod kind {
    pub const TICK: u8 = 1;
    pub const WRITTEN: u8 = 2;
    pub const CONDITION_FAILED: u8 = 3;
    pub const OPEN_SESSION: u8 = 4;
    pub const EXPIRE_SESSIONS: u8 = 5;
    pub const GC_THRESHOLD: u8 = 6;
    pub const HOLD: u8 = 7;
    pub const RELEASE_HOLD: u8 = 8;
    pub const SET_CLUSTER_VERSION: u8 = 9;
}
