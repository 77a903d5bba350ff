//! One node's ranges as a deterministic state machine: what clients ask is evaluated on the leader,
//! replicated as effects by [`raft`], and applied to an [`Engine`](engine::Engine) everywhere.
//!
//! ```text
//!   request      what may be asked, what is answered, every refusal
//!   range        one range: evaluate on the leader, apply everywhere, read at a timestamp, sessions, garbage
//!   effects      what a command does, as the log holds it
//!   key          engine keys: order-preserving, versions newest first
//!   snapshot     a range as files: exported, transferred in resumable parts, installed
//!   engine       where state machine data live; log_store: where the logs live; directory: files
//!   memory       all three as models, whose crash drops what was not synced
//!   conformance  what every implementation of them must pass
//! ```

pub mod conformance;
pub mod directory;
pub mod effects;
pub mod engine;
pub mod key;
pub mod log_store;
pub mod memory;
pub mod range;
pub mod request;
pub mod snapshot;
pub mod table;
pub mod timestamp;
