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

fn main() -> ExitCode {
    let options = options::Options::parse();
    // One thread: what it costs is the same for every system, and leaves the other cores to the servers.
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error::BenchError::Unable(format!("no runtime: {error}")))
        .and_then(|runtime| runtime.block_on(options.run()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kvbench: {error}");
            ExitCode::FAILURE
        }
    }
}
