//! What a new learner costs that needs a snapshot.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::bed::{Bed, Placement};
use crate::cluster::{POLL, Server, Setup, System, too_slow};
use crate::compare::DEADLINE;
use crate::error::BenchError;
use crate::json::save;
use crate::link::Protocol;
use crate::load::Load;
use crate::process::Usage;
use crate::recorder::latencies;
use crate::workload::Workload;

/// Of one window, after which is looked whether the learner is there.
const WINDOW: Duration = Duration::from_secs(2);
/// Windows without a transfer, to compare with.
const BASE_WINDOWS: usize = 10;
/// How long a transfer may take.
const LIMIT: Duration = Duration::from_secs(600);
const WARM_UP: Duration = Duration::from_secs(1);
const CLIENTS: usize = 64;
const CONNECTIONS: usize = 4;
/// Of the peak.
const SHARE: f64 = 0.25;

/// What to do.
#[derive(Clone, Debug)]
pub struct CatchUp {
    /// Where programs and data are.
    pub setup: Setup,
    /// How many keys,
    pub keys: usize,
    /// with values of this size.
    pub value_bytes: usize,
    /// Where the figures go as JSON.
    pub json: Option<PathBuf>,
    /// Of everything random.
    pub seed: u64,
}

#[derive(Debug, Serialize)]
struct Figures {
    /// Writes offered a second.
    rate: f64,
    /// Without a transfer.
    p99_micros: u64,
    /// While a learner was sent a snapshot.
    p99_during_micros: u64,
    /// How long until it was caught up, to a window and its warm-up.
    seconds: f64,
    /// What it wrote to its disk.
    written_bytes: u64,
    /// The same of a learner that was killed half way: before,
    interrupted_written_bytes: u64,
    /// and after it was started again. If the transfer resumed, both together are hardly more than without.
    resumed_written_bytes: u64,
    /// How long that one took, both parts together.
    interrupted_seconds: f64,
}

impl CatchUp {
    /// Measures, and prints the result.
    ///
    /// # Errors
    /// A cluster does not start, or a learner is not caught up in time.
    pub async fn run(&self) -> Result<(), BenchError> {
        println!("seed {}", self.seed);
        let mut bed = Bed::start(System::Ours, &self.setup, self.keys).await?;
        bed.fill(self.value_bytes, self.seed).await?;
        let peak = bed.run(Protocol::Unary, Placement::Leader, CONNECTIONS, &self.load(None)).await?;
        let load = self.load(Some(peak.operations_per_second * SHARE));
        let mut base = latencies();
        for _ in 0..BASE_WINDOWS {
            window(&mut bed, &load, &mut base).await?;
        }

        let start = Instant::now();
        let learner = bed.cluster.start_another("learner-1").await?;
        let node = bed.cluster.add_learner(&learner).await?;
        let mut during = latencies();
        self.until_caught_up(&mut bed, &load, node, &mut during).await?;
        let (seconds, written_bytes) =
            (start.elapsed().as_secs_f64(), Usage::of(learner.pid()).written_bytes);

        let start = Instant::now();
        let mut learner = bed.cluster.start_another("learner-2").await?;
        let node = bed.cluster.add_learner(&learner).await?;
        // Random values do not compress: the snapshot is at least as large as they are.
        let half = (self.keys * self.value_bytes / 2) as u64;
        let mut ignored = latencies();
        let (interrupted, caught_up) = tokio::join!(
            interrupt(&mut learner, half),
            self.until_caught_up(&mut bed, &load, node, &mut ignored)
        );
        let interrupted_written_bytes = interrupted?;
        caught_up?;
        let result = Figures {
            rate: load.rate.unwrap_or(0.0),
            p99_micros: base.value_at_quantile(0.99),
            p99_during_micros: during.value_at_quantile(0.99),
            seconds,
            written_bytes,
            interrupted_written_bytes,
            resumed_written_bytes: Usage::of(learner.pid()).written_bytes,
            interrupted_seconds: start.elapsed().as_secs_f64(),
        };
        println!(
            "at {:.0} writes/s: p99 {} us without a transfer, {} us with one; caught up after {:.1} s, {} MiB \
             written; interrupted half way: {:.1} s, {} + {} MiB written",
            result.rate,
            result.p99_micros,
            result.p99_during_micros,
            result.seconds,
            result.written_bytes >> 20,
            result.interrupted_seconds,
            result.interrupted_written_bytes >> 20,
            result.resumed_written_bytes >> 20,
        );
        bed.cluster.stop().await;
        save(self.json.as_deref(), &result)
    }

    async fn until_caught_up(
        &self,
        bed: &mut Bed,
        load: &Load,
        node: u64,
        all: &mut Histogram<u64>,
    ) -> Result<(), BenchError> {
        let start = Instant::now();
        loop {
            window(bed, load, all).await?;
            if bed.cluster.caught_up(node).await {
                return Ok(());
            }
            if start.elapsed() > LIMIT {
                return Err(too_slow("catching up", LIMIT, ""));
            }
        }
    }

    fn load(&self, rate: Option<f64>) -> Load {
        Load {
            workload: Workload::Put,
            clients: CLIENTS,
            value_bytes: self.value_bytes,
            rate,
            scatter: false,
            warm_up: WARM_UP,
            measure: WINDOW,
            deadline: DEADLINE,
            seed: self.seed,
        }
    }
}

async fn window(bed: &mut Bed, load: &Load, all: &mut Histogram<u64>) -> Result<(), BenchError> {
    let outcome = bed.outcome(Protocol::Unary, Placement::Leader, CONNECTIONS, load).await?;
    all.add(&outcome.recorder.latencies)
        .map_err(|error| BenchError::Call { what: "adding latencies".to_owned(), reason: error.to_string() })
}

/// Kills `learner` when it has written `bytes`, and starts it again; returns how many it had.
async fn interrupt(learner: &mut Server, bytes: u64) -> Result<u64, BenchError> {
    let start = Instant::now();
    loop {
        let written = Usage::of(learner.pid()).written_bytes;
        if written >= bytes {
            learner.kill().await;
            learner.restart().await?;
            return Ok(written);
        }
        learner.alive()?;
        if start.elapsed() > LIMIT {
            return Err(too_slow("half of the transfer", LIMIT, ""));
        }
        tokio::time::sleep(POLL).await;
    }
}
