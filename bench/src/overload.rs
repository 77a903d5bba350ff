//! Far more load than the servers can bear.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::bed::{Bed, Placement, unary};
use crate::cluster::cgroup::Quota;
use crate::cluster::{Setup, System};
use crate::error::BenchError;
use crate::json::save;
use crate::load::Load;
use crate::measure::Measured;
use crate::process::Usage;
use crate::workload::Workload;

/// What is offered, by the peak.
const TIMES: f64 = 10.0;
/// Operations fail that take longer.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long the peak is measured, and the load before and after.
const MEASURE: Duration = Duration::from_secs(20);
const WARM_UP: Duration = Duration::from_secs(3);
/// The load after the overload counts from here on.
const RECOVERY: Duration = Duration::from_secs(10);
const CLIENTS: usize = 64;
/// Under way at most while overloaded.
const MOST_CLIENTS: usize = 10_000;
/// On one connection, less than a server allows.
const CLIENTS_OF_CONNECTION: usize = 100;
const KEYS: usize = 100_000;
const VALUE: usize = 256;

/// What to do.
#[derive(Clone, Debug)]
pub struct Overload {
    /// Where programs and data are.
    pub setup: Setup,
    /// Whose servers.
    pub systems: Vec<System>,
    /// Of one core, for each server.
    pub share: f64,
    /// How long.
    pub measure: Duration,
    /// Where the figures go as JSON.
    pub json: Option<PathBuf>,
    /// Of everything random.
    pub seed: u64,
}

#[derive(Debug, Serialize)]
struct Figures {
    system: System,
    /// As fast as it goes.
    peak: Measured,
    /// Half of the peak, before.
    before: Measured,
    /// Ten times the peak.
    overload: Measured,
    /// Half of the peak, from ten seconds after the overload on.
    after: Measured,
    /// Successes of the overload by the peak.
    goodput: f64,
    /// How often the term rose from the peak on.
    elections: u64,
    /// The most memory of any server, ever.
    rss_most_bytes: u64,
}

impl Overload {
    /// Measures, and prints the result.
    ///
    /// # Errors
    /// A cluster does not start, or there is no CPU controller.
    pub async fn run(&self) -> Result<(), BenchError> {
        println!("seed {}", self.seed);
        let mut results = Vec::new();
        for system in &self.systems {
            let result = self.one(*system).await?;
            println!(
                "{system:?}: goodput {:.0} % of the peak, {} elections, at most {} MiB resident; \
                 p99 at half of the peak {} us before, {} us after",
                result.goodput * 100.0,
                result.elections,
                result.rss_most_bytes >> 20,
                result.before.p99_micros,
                result.after.p99_micros,
            );
            results.push(result);
            save(self.json.as_deref(), &results)?;
        }
        Ok(())
    }

    async fn one(&self, system: System) -> Result<Figures, BenchError> {
        let mut bed = Bed::start(system, &self.setup, KEYS).await?;
        let pids = bed.cluster.pids();
        let quotas: Result<Vec<_>, _> = pids.iter().map(|pid| Quota::hold(*pid, self.share)).collect();
        let quotas = quotas?;
        let peak = self.load(&mut bed, "peak", None, CLIENTS, WARM_UP, MEASURE).await?;
        let term = bed.cluster.term().await;
        let half = Some(peak.operations_per_second / 2.0);
        let before = self.load(&mut bed, "half, before", half, CLIENTS * 4, WARM_UP, MEASURE).await?;
        let rate = peak.operations_per_second * TIMES;
        let clients = ((rate * DEADLINE.as_secs_f64()) as usize).clamp(CLIENTS, MOST_CLIENTS);
        let overload = self.load(&mut bed, "overload", Some(rate), clients, WARM_UP, self.measure).await?;
        let after = self.load(&mut bed, "half, after", half, CLIENTS * 4, RECOVERY, MEASURE).await?;
        let result = Figures {
            system,
            goodput: overload.operations_per_second / peak.operations_per_second,
            elections: bed.cluster.term().await.saturating_sub(term),
            rss_most_bytes: pids.into_iter().map(|pid| Usage::of(pid).rss_most_bytes).max().unwrap_or(0),
            peak,
            before,
            overload,
            after,
        };
        bed.cluster.stop().await;
        // Only now that the groups are empty can they go.
        drop(quotas);
        Ok(result)
    }

    async fn load(
        &self,
        bed: &mut Bed,
        what: &str,
        rate: Option<f64>,
        clients: usize,
        warm_up: Duration,
        measure: Duration,
    ) -> Result<Measured, BenchError> {
        let load = Load {
            workload: Workload::Put,
            clients,
            value_bytes: VALUE,
            rate,
            scatter: false,
            warm_up,
            measure,
            deadline: DEADLINE,
            seed: self.seed,
        };
        let connections = clients.div_ceil(CLIENTS_OF_CONNECTION);
        let measured = bed.run(unary(bed.cluster.system), Placement::Leader, connections, &load).await?;
        println!("  {what:<13} {}", measured.line());
        Ok(measured)
    }
}
