//! What goes between nodes, on real sockets.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod cluster;
mod forwarding;
mod leader;
mod member;
mod receiving;
mod recorder;
mod sending;
mod server;
#[path = "../store_loop/rig.rs"]
#[allow(dead_code, reason = "its wires are not used here: there are sockets")]
mod store_rig;
