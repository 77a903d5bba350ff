//! Real nodes as processes, for tests: started on ports of the system's choice with their data in a temporary folder,
//! killed when they are dropped, their log lines shown when the test fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "for tests only")]

mod cluster;
mod http;
mod process;

pub use cluster::Cluster;
pub use http::get;
pub use process::{NodeProcess, Options, kv_node, wait_until, wait_within};
