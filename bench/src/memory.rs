//! Resident memory with many keys.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::bed::Bed;
use crate::cluster::{Setup, System};
use crate::error::BenchError;
use crate::json::save;
use crate::process::Usage;

/// How long the servers are left alone before they are looked at.
const CALM: Duration = Duration::from_secs(10);
const MEBIBYTE: f64 = (1 << 20) as f64;

/// What to do.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Where programs and data are.
    pub setup: Setup,
    /// Whose servers.
    pub systems: Vec<System>,
    /// How many keys.
    pub keys: usize,
    /// The size of their values.
    pub value_bytes: usize,
    /// Where the figures go as JSON.
    pub json: Option<PathBuf>,
    /// Of everything random.
    pub seed: u64,
}

#[derive(Debug, Serialize)]
struct Figures {
    system: System,
    keys: usize,
    value_bytes: usize,
    servers: Vec<Usage>,
}

impl Memory {
    /// Measures, and prints the result.
    ///
    /// # Errors
    /// A cluster does not start, or a write fails.
    pub async fn run(&self) -> Result<(), BenchError> {
        let mut results = Vec::new();
        for system in &self.systems {
            let mut bed = Bed::start(*system, &self.setup, self.keys).await?;
            bed.fill(self.value_bytes, self.seed).await?;
            tokio::time::sleep(CALM).await;
            let servers: Vec<_> = bed.cluster.pids().into_iter().map(Usage::of).collect();
            println!("{system:?}, {} keys of {} B:", self.keys, self.value_bytes);
            for usage in &servers {
                println!(
                    "  VmRSS {:.0} MiB, RssAnon {:.0} MiB, at most {:.0} MiB",
                    usage.rss_bytes as f64 / MEBIBYTE,
                    usage.rss_anon_bytes as f64 / MEBIBYTE,
                    usage.rss_most_bytes as f64 / MEBIBYTE,
                );
            }
            results.push(Figures {
                system: *system,
                keys: self.keys,
                value_bytes: self.value_bytes,
                servers,
            });
            bed.cluster.stop().await;
        }
        save(self.json.as_deref(), &results)
    }
}
