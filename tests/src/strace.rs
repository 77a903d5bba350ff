//! A disk that fails or stalls, as one process sees it: strace lets its syncs fail or wait.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testing::{NodeProcess, wait_until};

/// The syncs of a node go wrong, until this is dropped.
pub struct BadSyncs {
    strace: Child,
}

impl BadSyncs {
    /// None reaches the disk: each fails as if the disk did.
    pub async fn that_fail(node: &NodeProcess) -> Self {
        Self::begin(node, "error=EIO").await
    }

    /// Each begins so much later.
    pub async fn that_wait(node: &NodeProcess, delay: Duration) -> Self {
        Self::begin(node, &format!("delay_enter={}", delay.as_micros())).await
    }

    async fn begin(node: &NodeProcess, what: &str) -> Self {
        let process = node.id();
        let strace = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-p", &process.to_string()])
            .args(["-e", "trace=fsync,fdatasync", "-e", &format!("inject=fsync,fdatasync:{what}")])
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("strace: {error}; run dev/setup"));
        wait_until("strace holds every thread", async || is_traced(process).then_some(())).await;
        Self { strace }
    }
}

impl Drop for BadSyncs {
    fn drop(&mut self) {
        // Its end lets go of the process at once; told to end, it would first wait out a delay if the process has ended.
        let _ = (self.strace.kill(), self.strace.wait());
    }
}

/// A thread that has ended counts: a sync may have failed already.
fn is_traced(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let is_free = status.lines().any(|line| line == "TracerPid:\t0");
        !is_free || status.lines().any(|line| line.starts_with("State:\tZ"))
    })
}
