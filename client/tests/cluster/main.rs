//! The client against real nodes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod examples;
mod faults;
mod holds;
mod reads;
mod writes;

use std::time::Duration;

use client::Client;
use testing::{Cluster, Options};

/// Three nodes, and a client that was given one of them.
async fn three() -> (Cluster, Client) {
    let cluster = Cluster::start(3, Options::default()).await;
    let endpoint = cluster.nodes[0].client_address().to_string();
    let client = Client::builder([endpoint]).deadline(Duration::from_secs(20)).connect().await.unwrap();
    (cluster, client)
}
