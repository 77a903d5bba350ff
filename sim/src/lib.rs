//! Deterministic simulation of KvCluster: one event loop, one seed, no threads, no clock.
//!
//! ```text
//!   plan      what a seed draws: sizes, settings, load, faults
//!   world     everything that exists, around one queue of events
//!   host      a machine: disk, clock, process, a core for each range
//!   shell     what a node does around its cores: write, send, apply, transfer snapshots
//!   client    clients, whose history is checked for linearizability
//!   operator  membership changes
//!   inject    faults; heal: their end, after which everything must recover
//!   monitor   rules checked after every event
//!   run       one seed from plan to verdict; shrink: fewer faults that still fail
//!   nodes     the same for whole nodes; planner: clusters of them under the planner and operators that crash
//! ```

mod apply;
mod client;
mod clock;
pub mod coverage;
mod disk;
mod event;
pub mod explore;
mod fault;
mod heal;
pub mod history;
mod host;
mod inject;
mod machine;
pub mod monitor;
mod network;
pub mod nodes;
mod operator;
pub mod plan;
pub mod planner;
mod process;
mod rng;
pub mod run;
mod shell;
pub mod shrink;
mod trace;
mod transfer;
mod world;

pub use world::Violation;
