//! Faults of real nodes: processes, disks and connections fail under the load of clients, whose history is then checked
//! against what the logs of the nodes say.
//!
//! ```text
//!   client    one request at a time, repeated until its outcome is known; wire: how it is asked
//!   load      several clients, and the longest time without a successful write
//!   proxy     connections between nodes that can be cut, also in one direction
//!   strace    a disk that fails or stalls
//!   verify    the history against the logs, the logs against each other and against the data
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "for tests only")]

mod client;
mod load;
mod proxy;
mod strace;
mod verify;
mod wire;

pub use load::{Load, Seen};
pub use proxy::Proxies;
pub use strace::BadSyncs;
pub use verify::verify;
