//! Real nodes under load, and what may happen to them. One test at a time: each wants the machine for itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod disk;
mod full;
mod kill;
mod partition;
mod pause;
mod snapshot;
mod sync;

use std::path::Path;
use std::process::Command;

use proto::admin::v1::TransferLeadershipRequest;
use testing::{Cluster, Options, wait_until};
use tokio::sync::{Mutex, MutexGuard};

/// How a node ends whose disk is full, failed, or does not answer, as documented.
const SYNC_ERROR: Option<i32> = Some(71);

static MACHINE: Mutex<()> = Mutex::const_new(());

/// Waits until no other test runs.
async fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().await
}

/// Three voters that keep their whole logs.
async fn three() -> Cluster {
    let flags = ["--log-entries", "10000000", "--log-bytes", "1GiB"].map(str::to_owned).to_vec();
    Cluster::start(3, Options { flags, ..Options::default() }).await
}

/// A follower, not the leader.
async fn follower(cluster: &Cluster) -> u64 {
    cluster.leader().await.node % 3 + 1
}

/// Has a node lead.
async fn lead(cluster: &Cluster, node: u64) {
    wait_until("the node leads", async || {
        let leader = cluster.leader().await.node;
        if leader != node {
            // Refused while it is not caught up.
            let request = TransferLeadershipRequest { to: node };
            let _ = cluster.node(leader).admin().transfer_leadership(request).await;
        }
        (leader == node).then_some(())
    })
    .await;
}

/// Whether a test may mount and trace; says if it is skipped.
fn is_root(fault: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("{fault}: SKIPPED, it takes root");
    }
    is_root
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success(), "cp -a {} {}", from.display(), to.display());
}
