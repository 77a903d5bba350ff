//! The threads of a node's store on real RocksDB.

#![expect(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod cluster;
mod one_node;
mod rig;
mod snapshots;
