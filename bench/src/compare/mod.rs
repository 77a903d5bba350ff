//! etcd and ours side by side: the same load on one after the other, again and again.

mod plot;
mod rows;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::bed::{Bed, Placement, SETTLE};
use crate::cluster::{Setup, System};
use crate::error::BenchError;
use crate::json::save;
use crate::link::Protocol;
use crate::load::Load;
use crate::measure::{Measured, Spread};
use crate::workload::Workload;

use rows::Row;

/// Operations fail that take longer.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// How to compare.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Where programs and data are.
    pub setup: Setup,
    /// All rows, not only those that say the most.
    pub full: bool,
    /// Only rows with one of these names, or whose names contain one that is none; empty: all.
    pub only: Vec<String>,
    /// Only these sides; ratios need etcd among them.
    pub protocols: Vec<Protocol>,
    /// Runs of each side of a row.
    pub runs: usize,
    /// Of one run, not counted.
    pub warm_up: Duration,
    /// Of one run.
    pub measure: Duration,
    /// Where the figures go as JSON.
    pub json: Option<PathBuf>,
    /// Where a plot of throughput against latency goes, as SVG.
    pub plot: Option<PathBuf>,
    /// Of everything random.
    pub seed: u64,
}

/// All figures of a comparison.
#[derive(Debug, Serialize)]
struct Results {
    seed: u64,
    cores: usize,
    kernel: String,
    runs: usize,
    measured_seconds: f64,
    sync_delay_micros: Option<u64>,
    rows: Vec<RowResult>,
    curves: Vec<Curve>,
}

/// All runs of one row.
#[derive(Debug, Serialize)]
struct RowResult {
    name: String,
    row: Row,
    sides: Vec<Side>,
}

/// All runs of one side of a row.
#[derive(Debug, Serialize)]
struct Side {
    protocol: Protocol,
    runs: Vec<Measured>,
    /// Throughput by that of etcd's run of the same round.
    ratio: Spread,
}

/// Throughput and latency with more and more clients.
#[derive(Debug, Serialize)]
struct Curve {
    protocol: Protocol,
    workload: Workload,
    points: Vec<(usize, Measured)>,
}

impl Comparison {
    /// Compares, and prints the table.
    ///
    /// # Errors
    /// A cluster does not start, or a result cannot be written.
    pub async fn run(&self) -> Result<(), BenchError> {
        let rows = if self.full { rows::full() } else { rows::short() };
        let chosen =
            |row: &Row| self.only.is_empty() || self.only.iter().any(|part| row.is_meant(part, &rows));
        let mut results = Results {
            seed: self.seed,
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            runs: self.runs,
            measured_seconds: self.measure.as_secs_f64(),
            sync_delay_micros: self
                .setup
                .sync_delay
                .map(|delay| u64::try_from(delay.as_micros()).unwrap_or(u64::MAX)),
            rows: Vec::new(),
            curves: Vec::new(),
        };
        println!("{} cores, Linux {}, seed {}", results.cores, results.kernel, results.seed);
        let mut peaks = BTreeMap::new();
        for row in rows.iter().filter(|row| chosen(row)) {
            let result = self.row(row, &mut peaks).await?;
            results.rows.push(result);
            save(self.json.as_deref(), &results)?;
        }
        println!("\n{}", table::render(&results));
        if let Some(path) = &self.plot {
            for workload in [Workload::Put, Workload::Get] {
                results.curves.extend(self.curves(workload).await?);
            }
            plot::draw(path, &results.curves)?;
            save(self.json.as_deref(), &results)?;
            println!("plot: {}", path.display());
        }
        Ok(())
    }

    async fn row(&self, row: &Row, peaks: &mut BTreeMap<String, f64>) -> Result<RowResult, BenchError> {
        println!("\n{}", row.name());
        let mut beds = self.beds(row).await?;
        let rate = match row.share_of_peak {
            None => None,
            Some(share) => Some(share * self.peak(row, &mut beds, peaks).await?),
        };
        let mut sides: Vec<Side> = row
            .protocols()
            .into_iter()
            .filter(|protocol| self.protocols.contains(protocol))
            .map(|protocol| Side { protocol, runs: Vec::new(), ratio: Spread::of([]) })
            .collect();
        for round in 0..self.runs {
            for side in &mut sides {
                let load = self.load(row, rate, round);
                let measured = beds.run(side.protocol, row, &load).await?;
                println!("  {:<6} {}", table::label(side.protocol), measured.line());
                side.runs.push(measured);
                tokio::time::sleep(SETTLE).await;
            }
        }
        let rates = |side: &Side| side.runs.iter().map(|run| run.operations_per_second).collect::<Vec<_>>();
        let base = sides.iter().find(|side| side.protocol == Protocol::Etcd).map(rates);
        if let Some(base) = base {
            for side in &mut sides {
                side.ratio = Spread::of(rates(side).iter().zip(&base).map(|(ours, theirs)| ours / theirs));
            }
            peaks.insert(row.name(), Spread::of(base).median);
        }
        beds.stop().await;
        Ok(RowResult { name: row.name(), row: row.clone(), sides })
    }

    /// etcd's peak for a paced row: of the row that measured it, else of one run now.
    async fn peak(
        &self,
        row: &Row,
        beds: &mut Beds,
        peaks: &BTreeMap<String, f64>,
    ) -> Result<f64, BenchError> {
        let row = row.peak();
        if let Some(peak) = peaks.get(&row.name()) {
            return Ok(*peak);
        }
        let measured = beds.run(Protocol::Etcd, &row, &self.load(&row, None, 0)).await?;
        println!("  peak   {}", measured.line());
        Ok(measured.operations_per_second)
    }

    /// Throughput and latency of every protocol with more and more clients.
    async fn curves(&self, workload: Workload) -> Result<Vec<Curve>, BenchError> {
        let curve = |protocol: &Protocol| Curve { protocol: *protocol, workload, points: Vec::new() };
        let mut curves: Vec<Curve> = self.protocols.iter().map(curve).collect();
        for clients in [1, 4, 16, 64, 256, 1000] {
            let row = Row::of_curve(workload, clients);
            println!("\ncurve {}", row.name());
            let mut beds = self.beds(&row).await?;
            for curve in &mut curves {
                let measured = beds.run(curve.protocol, &row, &self.load(&row, None, 0)).await?;
                println!("  {:<6} {}", table::label(curve.protocol), measured.line());
                curve.points.push((clients, measured));
                tokio::time::sleep(SETTLE).await;
            }
            beds.stop().await;
        }
        Ok(curves)
    }

    /// Fresh clusters of both, with the keys that the row needs.
    async fn beds(&self, row: &Row) -> Result<Beds, BenchError> {
        let mut beds = Beds(Vec::new());
        for system in [System::Etcd, System::Ours] {
            if !self.protocols.iter().any(|protocol| protocol.system() == system) {
                continue;
            }
            let mut bed = Bed::start(system, &self.setup, row.keys()).await?;
            if row.filled() {
                bed.fill(row.value_bytes, self.seed).await?;
            }
            beds.0.push(bed);
        }
        Ok(beds)
    }

    fn load(&self, row: &Row, rate: Option<f64>, round: usize) -> Load {
        Load {
            workload: row.workload,
            clients: row.clients,
            value_bytes: row.value_bytes,
            rate,
            scatter: row.placement == Placement::Random,
            warm_up: self.warm_up,
            measure: self.measure,
            deadline: DEADLINE,
            // The same for all sides of a round.
            seed: self.seed.wrapping_add(round as u64 * 1_000_003),
        }
    }
}

/// The clusters of a row.
struct Beds(Vec<Bed>);

impl Beds {
    async fn run(&mut self, protocol: Protocol, row: &Row, load: &Load) -> Result<Measured, BenchError> {
        let bed = self
            .0
            .iter_mut()
            .find(|bed| bed.cluster.system == protocol.system())
            .ok_or_else(|| BenchError::Unable(format!("{} needs etcd among the --sides", row.name())))?;
        bed.run(protocol, row.placement, row.connections(protocol), load).await
    }

    async fn stop(self) {
        for bed in self.0 {
            bed.cluster.stop().await;
        }
    }
}
