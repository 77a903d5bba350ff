//! What the client sends, and what it makes of answers, silence and broken connections: against a node whose every
//! answer the test decides. That it works with real nodes is tested with real nodes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod attempts;
mod multiplexing;
mod node;
