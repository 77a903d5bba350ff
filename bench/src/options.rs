//! The command line.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::arguments::{Common, Servers, Times, above_zero, positive};
use crate::catch_up::CatchUp;
use crate::cluster::{Setup, System};
use crate::compare::{Comparison, DEADLINE};
use crate::error::BenchError;
use crate::failover::Failover;
use crate::json;
use crate::link::{Protocol, connect};
use crate::load::{Load, run};
use crate::measure::Measured;
use crate::memory::Memory;
use crate::overload::Overload;
use crate::workload::{Keys, Workload};

/// Load for KvCluster and etcd, by the same generator.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load on servers that run already.
    Load(LoadOptions),
    /// Three nodes of ours against three etcd members, on loopback.
    Compare(CompareOptions),
    /// For how long nothing can be written when the leader is killed, and when it is stopped.
    Failover(FailoverOptions),
    /// Ten times the load that servers can bear which have a fifth of a core each.
    Overload(OverloadOptions),
    /// What a new learner costs that needs a snapshot; then again, killed half way.
    CatchUp(CatchUpOptions),
    /// Resident memory with many keys.
    Memory(MemoryOptions),
}

#[derive(Debug, Args)]
struct LoadOptions {
    /// How to speak to them.
    #[arg(long, value_enum)]
    protocol: Protocol,
    /// Where they are, as host:port; operations go to all of them.
    #[arg(long, value_delimiter = ',', required = true)]
    endpoints: Vec<String>,
    /// What to do.
    #[arg(long, value_enum, default_value = "put")]
    workload: Workload,
    /// Operations under way at most.
    #[arg(long, default_value_t = 64, value_parser = positive)]
    clients: usize,
    /// Connections, by turns to the endpoints.
    #[arg(long, default_value_t = 4, value_parser = positive)]
    connections: usize,
    /// Size of written values.
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
    /// Size of the key space; reads expect that all keys are there.
    #[arg(long, default_value_t = 100_000, value_parser = positive)]
    keys: usize,
    /// Operations a second, with latencies from the intended start; without it as many as go.
    #[arg(long, value_parser = above_zero)]
    rate: Option<f64>,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct CompareOptions {
    #[command(flatten)]
    servers: Servers,
    #[command(flatten)]
    times: Times,
    /// Runs of each side of a row.
    #[arg(long, default_value_t = 3, value_parser = positive)]
    runs: usize,
    /// All rows, not only those that say the most.
    #[arg(long)]
    full: bool,
    /// Only the row of this name, or rows whose names contain it; may be repeated.
    #[arg(long)]
    only: Vec<String>,
    /// Only these sides; ratios need etcd among them.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "etcd,unary,batch")]
    sides: Vec<Protocol>,
    /// Measure with more and more clients as well, and draw throughput against latency into this SVG file.
    #[arg(long)]
    plot: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct FailoverOptions {
    #[command(flatten)]
    servers: Servers,
    /// Only these systems.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "etcd,ours")]
    systems: Vec<System>,
    /// How often each way.
    #[arg(long, default_value_t = 10, value_parser = positive)]
    tries: usize,
}

#[derive(Debug, Args)]
struct OverloadOptions {
    #[command(flatten)]
    servers: Servers,
    /// Only these systems.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "ours")]
    systems: Vec<System>,
    /// Of one core, for each server.
    #[arg(long, default_value_t = 0.2, value_parser = above_zero)]
    share: f64,
    /// How long there is too much load.
    #[arg(long, default_value_t = 60.0, value_parser = above_zero)]
    seconds: f64,
}

#[derive(Debug, Args)]
struct CatchUpOptions {
    #[command(flatten)]
    servers: Servers,
    /// How many keys.
    #[arg(long, default_value_t = 262_144, value_parser = positive)]
    keys: usize,
    /// Size of their values.
    #[arg(long, default_value_t = 4096)]
    value_bytes: usize,
}

#[derive(Debug, Args)]
struct MemoryOptions {
    #[command(flatten)]
    servers: Servers,
    /// Only these systems.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "etcd,ours")]
    systems: Vec<System>,
    /// How many keys.
    #[arg(long, default_value_t = 1_000_000, value_parser = positive)]
    keys: usize,
    /// Size of their values.
    #[arg(long, default_value_t = 256)]
    value_bytes: usize,
}

impl Options {
    /// Does what was asked for.
    ///
    /// # Errors
    /// Whatever stops it.
    pub async fn run(self) -> Result<(), BenchError> {
        let servers = match &self.command {
            Command::Load(options) => return options.run().await,
            Command::Compare(options) => &options.servers,
            Command::Failover(options) => &options.servers,
            Command::Overload(options) => &options.servers,
            Command::CatchUp(options) => &options.servers,
            Command::Memory(options) => &options.servers,
        };
        let (setup, seed, json) = (servers.setup()?, servers.common.seed(), servers.common.json.clone());
        let folder = setup.folder.clone();
        let result = match self.command {
            Command::Load(_) => Ok(()),
            Command::Compare(options) => options.comparison(setup, seed, json).run().await,
            Command::Failover(FailoverOptions { systems, tries, .. }) => {
                Failover { setup, systems, tries, json, seed }.run().await
            }
            Command::Overload(OverloadOptions { systems, share, seconds, .. }) => {
                let measure = Duration::from_secs_f64(seconds);
                Overload { setup, systems, share, measure, json, seed }.run().await
            }
            Command::CatchUp(CatchUpOptions { keys, value_bytes, .. }) => {
                CatchUp { setup, keys, value_bytes, json, seed }.run().await
            }
            Command::Memory(MemoryOptions { systems, keys, value_bytes, .. }) => {
                Memory { setup, systems, keys, value_bytes, json, seed }.run().await
            }
        };
        // Only if nothing is in it, hence not a folder that holds something else.
        let _ = std::fs::remove_dir(folder);
        result
    }
}

impl CompareOptions {
    fn comparison(self, setup: Setup, seed: u64, json: Option<PathBuf>) -> Comparison {
        Comparison {
            setup,
            full: self.full,
            only: self.only,
            protocols: self.sides,
            runs: self.runs,
            warm_up: Duration::from_secs_f64(self.times.warm_up),
            measure: Duration::from_secs_f64(self.times.seconds),
            json,
            plot: self.plot,
            seed,
        }
    }
}

impl LoadOptions {
    async fn run(&self) -> Result<(), BenchError> {
        let seed = self.common.seed();
        let load = Load {
            workload: self.workload,
            clients: self.clients,
            value_bytes: self.value_bytes,
            rate: self.rate,
            scatter: self.endpoints.len() > 1,
            warm_up: Duration::from_secs_f64(self.times.warm_up),
            measure: Duration::from_secs_f64(self.times.seconds),
            deadline: DEADLINE,
            seed,
        };
        let links = connect(self.protocol, &self.endpoints, self.connections)?;
        let outcome = run(links, Arc::new(Keys::new(self.keys)), &load, &[]).await;
        let measured = Measured::of(self.protocol, &outcome, 0);
        println!("seed {seed}\n{}", measured.line());
        json::save(self.common.json.as_deref(), &measured)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn all_sides_are_compared_by_default() {
        let options = Options::try_parse_from(["kvbench", "compare"]).unwrap();
        let Command::Compare(options) = options.command else { panic!("another command") };
        assert_eq!(options.sides, [Protocol::Etcd, Protocol::Unary, Protocol::Batch]);
        assert!(
            Options::try_parse_from(["kvbench", "load", "--protocol=etcd", "--endpoints=a:1", "--rate=0"])
                .is_err()
        );
    }
}
