//! For how long nothing can be written when the leader goes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::bed::{Bed, Placement, unary};
use crate::cluster::{Setup, System};
use crate::error::BenchError;
use crate::json::save;
use crate::load::{Load, run};
use crate::measure::{Spread, millis};
use crate::workload::Workload;

/// Operations fail that take longer, as those of a client that then tries elsewhere.
const ATTEMPT: Duration = Duration::from_secs(1);
/// How long writes flow before the leader goes,
const BEFORE: Duration = Duration::from_secs(3);
/// and are watched from then on.
const AFTER: Duration = Duration::from_secs(12);
const WARM_UP: Duration = Duration::from_secs(1);
const CLIENTS: usize = 64;
/// Under way at most at half of the peak.
const PACED_CLIENTS: usize = 512;
const CONNECTIONS: usize = 12;
const KEYS: usize = 100_000;
const VALUE: usize = 256;

/// What to do.
#[derive(Clone, Debug)]
pub struct Failover {
    /// Where programs and data are.
    pub setup: Setup,
    /// Whose leaders.
    pub systems: Vec<System>,
    /// How often each way.
    pub tries: usize,
    /// Where the figures go as JSON.
    pub json: Option<PathBuf>,
    /// Of everything random.
    pub seed: u64,
}

/// How a leader goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Way {
    /// By SIGKILL.
    Killed,
    /// By SIGTERM.
    Stopped,
}

#[derive(Debug, Serialize)]
struct Figures {
    system: System,
    way: Way,
    /// Writes offered a second.
    rate: f64,
    /// The longest time without a successful write, of each try.
    unavailable_millis: Vec<f64>,
    spread: Spread,
}

impl Failover {
    /// Measures, and prints the result.
    ///
    /// # Errors
    /// A cluster does not start, or does not come back.
    pub async fn run(&self) -> Result<(), BenchError> {
        println!("seed {}", self.seed);
        let mut results = Vec::new();
        for system in &self.systems {
            let mut bed = Bed::start(*system, &self.setup, KEYS).await?;
            let load = self.load(None, WARM_UP + BEFORE, CLIENTS);
            let peak =
                bed.run(unary(*system), Placement::Random, CONNECTIONS, &load).await?.operations_per_second;
            for way in [Way::Killed, Way::Stopped] {
                let rate = peak / 2.0;
                let mut gaps = Vec::new();
                for number in 1..=self.tries {
                    let gap = self.strike(&mut bed, way, rate).await?;
                    println!("{system:?} leader {way:?}, try {number}: no write for {} ms", millis(gap));
                    gaps.push(gap.as_secs_f64() * 1000.0);
                }
                let spread = Spread::of(gaps.iter().copied());
                println!(
                    "{system:?} leader {way:?} at {rate:.0} writes/s: no write for {:.0} ms (median; {:.0}-{:.0})",
                    spread.median, spread.least, spread.most
                );
                results.push(Figures { system: *system, way, rate, unavailable_millis: gaps, spread });
                save(self.json.as_deref(), &results)?;
            }
            bed.cluster.stop().await;
        }
        Ok(())
    }

    /// The leader goes under load and comes back afterwards. Returns the longest time without a successful write.
    async fn strike(&self, bed: &mut Bed, way: Way, rate: f64) -> Result<Duration, BenchError> {
        let leader = bed.cluster.settled().await?;
        let links = bed.links(unary(bed.cluster.system), Placement::Random, CONNECTIONS, leader)?;
        let (load, keys) = (self.load(Some(rate), BEFORE + AFTER, PACED_CLIENTS), Arc::clone(&bed.keys));
        let server = &mut bed.cluster.servers[leader];
        let go = async {
            tokio::time::sleep(WARM_UP + BEFORE).await;
            match way {
                Way::Killed => server.kill().await,
                Way::Stopped => server.stop().await,
            }
        };
        let (outcome, ()) = tokio::join!(run(links, keys, &load, &[]), go);
        server.restart().await?;
        bed.cluster.settled().await?;
        Ok(outcome.recorder.longest_gap())
    }

    fn load(&self, rate: Option<f64>, measure: Duration, clients: usize) -> Load {
        Load {
            workload: Workload::Put,
            clients,
            value_bytes: VALUE,
            rate,
            scatter: true,
            warm_up: WARM_UP,
            measure,
            deadline: ATTEMPT,
            seed: self.seed,
        }
    }
}
