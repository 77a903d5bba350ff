//! Simulation of whole nodes: each runs the [`Store`](store::store::Store) as it ships, on the models of its
//! storage, under clients whose histories are replayed.
//!
//! ```text
//!   plan       what a seed draws
//!   world      everything, around one queue of events; event: what happens next
//!   host       a machine: log, data, clock, and while it runs a store
//!   process    starts and stops; shell: what a store wants done; snapshot: snapshots on their way
//!   client     one request at a time, retried; workload: what is asked; history: what came of it
//!   operator   membership; outside: somebody else in its place; inject: faults; disks: those that destroy; heal: their end
//!   monitor    the log as it is applied, and a state machine that nothing happens to
//!   rules      what the entries of a log may do; check: the histories, replayed by timestamp on a model map
//!   tails      what leaders keep of their logs for those who catch up
//! ```

pub mod check;
mod client;
mod coverage;
mod disks;
mod event;
mod heal;
pub mod history;
pub(crate) mod host;
mod inject;
pub mod model;
mod monitor;
mod operator;
pub(crate) mod outside;
pub(crate) mod plan;
mod process;
pub mod rules;
mod shell;
mod snapshot;
mod tails;
mod workload;
pub(crate) mod world;

use store::canary::{Canary, Planted};

use crate::fault::Fault;
use crate::run::{Job, Report, Simulation, guarded};
use crate::trace::Trace;

use plan::Plan;
use world::World;

/// Whole nodes on simulated hosts.
#[derive(Debug)]
pub struct Nodes;

impl Simulation for Nodes {
    type Canary = Canary;

    const COMMAND: &str = "store ";
    const LEAST: (u64, u64) = (100, 5);
    const MOST_SEEDS: u64 = 20_000;

    fn canaries() -> Vec<(&'static str, Canary)> {
        Canary::ALL.iter().map(|canary| (canary.name(), *canary)).collect()
    }

    fn faults(seed: u64) -> Vec<Fault> {
        Plan::draw(seed).faults
    }

    fn run(job: &Job<Self>) -> Report {
        let _planted = Planted::new(job.canary);
        let mut report = Report::default();
        let plan = Plan { faults: job.faults(), ..Plan::draw(job.seed) };
        match guarded(|| World::new(plan, job.seed, Trace::new(job.keep_text))) {
            Ok(mut world) => {
                report.violation = guarded(|| world.start().and_then(|()| world.run())).err();
                world.report(&mut report);
            }
            Err(violation) => report.violation = Some(violation),
        }
        report
    }
}
