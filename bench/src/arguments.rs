//! What several commands have in common.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cluster::{Setup, on_disk};
use crate::error::BenchError;

/// How long.
#[derive(Clone, Copy, Debug, Args)]
pub struct Times {
    /// Seconds of each run that are measured.
    #[arg(long, default_value_t = 10.0, value_parser = above_zero)]
    pub seconds: f64,
    /// Seconds before, which are not.
    #[arg(long, default_value_t = 2.0, value_parser = above_zero)]
    pub warm_up: f64,
}

/// Of every command.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Write all figures to this file, as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Of everything random; by default random.
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Of commands that start servers.
#[derive(Clone, Debug, Args)]
pub struct Servers {
    /// The etcd server.
    #[arg(long, env = "KVBENCH_ETCD", default_value = "etcd")]
    etcd: PathBuf,
    /// The kv-node program; by default the one beside this program.
    #[arg(long, env = "KVBENCH_KV_NODE")]
    kv_node: Option<PathBuf>,
    /// One more argument for every kv-node, as in --node-arg=--read-mode=read-index; may be repeated.
    #[arg(long, allow_hyphen_values = true)]
    node_arg: Vec<String>,
    /// Folder for the data of all servers, emptied afterwards; by default one of the temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Microseconds added to each sync of every server, by strace.
    #[arg(long)]
    sync_delay: Option<u64>,
    #[command(flatten)]
    pub common: Common,
}

impl Common {
    /// The seed that was given, or a random one.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(rand::random)
    }
}

impl Servers {
    /// Where programs and data are; the folder for data is made.
    ///
    /// # Errors
    /// It cannot be made, or is in memory.
    pub fn setup(&self) -> Result<Setup, BenchError> {
        let own = || std::env::temp_dir().join(format!("kvbench-{}", std::process::id()));
        let folder = self.folder.clone().unwrap_or_else(own);
        on_disk(&folder)?;
        let beside = || std::env::current_exe().unwrap_or_default().with_file_name("kv-node");
        Ok(Setup {
            etcd: self.etcd.clone(),
            kv_node: self.kv_node.clone().unwrap_or_else(beside),
            node_arguments: self.node_arg.clone(),
            folder,
            sync_delay: self.sync_delay.map(Duration::from_micros),
        })
    }
}

/// A value of the command line.
pub fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "write a number above 0".to_owned())
}

/// A value of the command line.
pub fn above_zero(text: &str) -> Result<f64, String> {
    let fits = |number: &f64| *number > 0.0 && *number < 1e9;
    text.parse().ok().filter(fits).ok_or_else(|| "write a number above 0".to_owned())
}
