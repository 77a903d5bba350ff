//! One node's ranges as a deterministic state machine: what clients ask is evaluated on the leader,
//! replicated as effects by [`raft`], and applied to an [`Engine`](engine::Engine) everywhere.
//!
//! ```text
//!   request      what may be asked, what is answered, every refusal
//!   range        one range: evaluate on the leader, apply everywhere, read at a timestamp, sessions, garbage
//!   effects      what a command does, as the log holds it
//!   key          engine keys: order-preserving, versions newest first
//!   snapshot     a range as files: exported, transferred in resumable parts, installed
//!   carrier      the snapshots of all ranges of a node, on a thread of its own
//!   engine       where state machine data live; log_store: where the logs live; directory: files
//!   replica      one range on one node: the core, the range, the clients that wait
//!   store        all ranges of a node: envelopes and requests in, one log batch and envelopes and answers out
//!   memory       all three as models, whose crash drops what was not synced
//!   canary       planted bugs, for the simulator to catch
//!   conformance  what every implementation of them must pass
//! ```

pub mod canary;
pub mod carrier;
pub mod conformance;
pub mod directory;
pub mod effects;
pub mod engine;
pub mod key;
pub mod log_store;
pub mod memory;
pub mod range;
pub mod replica;
pub mod request;
pub mod snapshot;
pub mod store;
pub mod table;
pub mod timestamp;
