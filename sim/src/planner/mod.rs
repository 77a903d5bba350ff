//! Simulation of clusters under the planner: whole nodes are the pods of a model of Kubernetes, and operators that crash
//! around every call observe, plan with the planner as it ships, and act.
//!
//! ```text
//!   draw        what a seed draws beside what it draws for nodes
//!   world       everything around the nodes; event: what happens next there
//!   objects     what the API server keeps, in versions: lists may be old
//!   kubernetes  the StatefulSet controller, kubelets, volumes
//!   user        what the user wants; what happens to objects, volumes, operators
//!   operator    pass by pass: look, plan, write the status, act; the lease
//!   look        what a plan depends on; act: what an action does
//!   rules       what must hold, and how everything must be in the end
//!   canary      bugs to be planted
//! ```

mod act;
mod canary;
mod coverage;
mod draw;
mod event;
mod kubernetes;
mod look;
mod objects;
mod operator;
mod rules;
mod user;
mod world;

pub use canary::{Bug, Canary};

use planner::canary::Planted;

use crate::fault::Fault;
use crate::run::{Job, Report, Simulation, guarded};
use crate::trace::Trace;

use draw::Draw;
use world::World;

/// Clusters under the planner.
#[derive(Debug)]
pub struct Clusters;

impl Simulation for Clusters {
    type Canary = Canary;

    const COMMAND: &str = "plan ";
    const LEAST: (u64, u64) = (100, 5);
    const MOST_SEEDS: u64 = 2_000;

    fn canaries() -> Vec<(&'static str, Canary)> {
        canary::ALL.to_vec()
    }

    fn faults(seed: u64) -> Vec<Fault> {
        Draw::of(seed).nodes.faults
    }

    fn run(job: &Job<Self>) -> Report {
        let _planted = Planted::new(match job.canary {
            Some(Canary::Planner(canary)) => Some(canary),
            Some(Canary::Operator(_)) | None => None,
        });
        let mut report = Report::default();
        let mut draw = Draw::of(job.seed);
        draw.nodes.faults = job.faults();
        match guarded(|| World::new(draw, job.seed, job.canary, Trace::new(job.keep_text))) {
            Ok(mut world) => {
                report.violation = guarded(|| world.run()).err();
                world.report(&mut report);
            }
            Err(violation) => report.violation = Some(violation),
        }
        report
    }
}
