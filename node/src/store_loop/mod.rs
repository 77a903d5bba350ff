//! The threads of a node's store.
//!
//! ```text
//!              Handle, Asker                                       Outbound
//!                   │ inbox: system, foreground, elastic lane          ▲
//!              ┌────▼────┐ envelopes first ────────────────────────────┘
//!   answers ◄──┤ "store" ├──────────► "log":    one synced write for all batches that wait ──► inbox
//!              │         ├──────────► "flush":  flushes of the data engine ──────────────────► inbox
//!              └─────────┘ ◄────────► "upkeep": snapshots on their way, free space
//!                                     "watch":  a disk that does not answer
//! ```
//!
//! The loop takes everything that is there at once, gives it to the [`Store`], and does what that wants done. While a
//! log write is under way, what comes in becomes the next one. A thread that has work makes no system call for each
//! piece of it: it is woken only when it sleeps, and a runtime gets all answers of a turn with one wake-up.

mod asker;
mod clock;
mod counters;
mod door;
mod fault;
mod flusher;
mod inbox;
mod log_writer;
mod pending;
mod queue;
mod run;
mod size;
mod start;
mod summary;
#[cfg(test)]
mod tests;
mod upkeep;
mod waiting;
mod watchdog;

pub use asker::{Answer, Asker};
pub(crate) use asker::{Mailbox, distribute};
pub use clock::now;
pub use counters::{Counter, Counters, Times};
pub use fault::Fault;
pub use inbox::InboxLimits;
pub(crate) use inbox::{Inbox, Input};
pub(crate) use queue::Queue;
pub use run::Outbound;
pub use start::{Parts, Running, start};
pub use summary::Summary;
pub use upkeep::SnapshotSummary;
pub(crate) use upkeep::Task;
pub use watchdog::STUCK;

#[cfg(doc)]
use store::store::Store;
