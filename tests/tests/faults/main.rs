//! Real nodes under load, and what may happen to them. One test at a time: each wants the machine for itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod disk;
mod kill;
mod partition;
mod pause;

use testing::{Cluster, Options};
use tokio::sync::{Mutex, MutexGuard};

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
