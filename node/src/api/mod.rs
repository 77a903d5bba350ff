//! What clients are served on their port, and what other nodes forward.
//!
//! ```text
//!   Kv (unary) ─┐                 ┌─ writes led elsewhere ─► Forwarder ─► Forward service of the leader
//!   Kv.Batch   ─┼─► Executor ─────┤
//!   Forward    ─┘   one request   └─ all others ───────────► Asker ─────► store loop
//! ```
//!
//! Every call becomes an item of a batch, so that there is one way through.

mod batch;
mod cluster;
mod convert;
mod errors;
mod executor;
mod forward;
mod kv;
mod outgoing;
mod times;

pub use batch::Batches;
pub use cluster::ClusterService;
pub use executor::{ApiSettings, Executor};
pub use forward::ForwardService;
pub use kv::KvService;
pub use times::RequestTimes;
