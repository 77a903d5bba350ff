//! One range as a deterministic state machine, apart from Raft: log indexes and terms come from the caller.
//!
//! ```text
//! leader:   Write ─► evaluate ──(applied state + overlay)──► effects ─► log      or an answer at once
//! everyone: log ─► apply ─► one batch: changes and the applied position
//! readers:  view ─► read at a timestamp
//! ```
//!
//! The leader thinks once; everyone applies blindly. What a range knows about itself is in its [`RangeState`],
//! what a leader knows beyond that is in its [`Overlay`], and both are rebuilt from nothing but the engine and
//! the log.

mod apply;
mod error;
mod evaluate;
mod flushed;
pub mod gc;
mod hash;
mod overlay;
pub mod read;
mod state;
#[cfg(test)]
mod tests;

pub use apply::{AppliedEntries, ApplyError, ApplyFault, Reply, apply};
pub use error::{RangeError, StateError};
pub use evaluate::{Evaluated, Evaluator, Proposal, Tick};
pub use flushed::{applied_in, flushed_applied};
pub use hash::state_hash;
pub use overlay::Overlay;
pub use state::{Applied, Descriptor, Hold, RangeKind, RangeState, Session};
