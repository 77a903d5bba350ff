//! The `kv-node` program as a process: configuration, health, administration, how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod cluster;
mod documents;
mod ends;
mod membership;
mod start;
