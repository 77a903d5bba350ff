//! The services on the client port of real nodes, by real connections.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod batch;
mod random;
mod refusals;
mod rig;
mod routing;
mod sessions;
mod tools;
mod unary;
