//! Load for KvCluster and etcd, side by side.

mod arguments;
mod bed;
mod catch_up;
mod cluster;
mod compare;
mod error;
mod failover;
mod json;
mod link;
mod load;
mod measure;
mod memory;
mod options;
mod overload;
mod process;
mod recorder;
#[cfg(test)]
mod stand_in;
mod workload;

use std::process::ExitCode;

use clap::Parser;

use tokio::signal::unix::{SignalKind, signal};

use error::BenchError;

fn main() -> ExitCode {
    let options = options::Options::parse();
    // One thread: what it costs is the same for every system, and leaves the other cores to the servers.
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| BenchError::Unable(format!("no runtime: {error}")))
        .and_then(|runtime| runtime.block_on(unless_interrupted(options.run())));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kvbench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Gives up at SIGINT and SIGTERM: the servers end with what owns them.
async fn unless_interrupted(work: impl Future<Output = Result<(), BenchError>>) -> Result<(), BenchError> {
    let no_signals = |error| BenchError::Unable(format!("signals cannot be waited for: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    tokio::select! {
        result = work => result,
        _ = interrupt.recv() => Err(BenchError::Unable("interrupted".to_owned())),
        _ = terminate.recv() => Err(BenchError::Unable("terminated".to_owned())),
    }
}
