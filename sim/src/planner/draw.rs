//! What a seed draws beside what it draws for nodes.

use planner::{Retention, Spec};

use super::objects::template;
use crate::fault::{self, Fault};
use crate::nodes::plan::Plan;
use crate::rng::Rng;

const MILLI: u64 = 1_000_000;
/// Volumes at the same time, those of members to come and of members just removed included.
const HOSTS: usize = 14;

/// Everything that is fixed before a run of a cluster under the planner.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Of the nodes.
    pub nodes: Plan,
    /// As the user applies it first.
    pub spec: Spec,
    /// A list is at most so many changes old.
    pub lag: u64,
    /// Longest time of a call, one way.
    pub delay: u64,
    /// Calls in 1000 that are refused.
    pub refused: u64,
    /// Calls in 1000 that take effect, and whose answer is lost.
    pub unanswered: u64,
    /// How often in 1000 calls the operator crashes around one.
    pub crashes: u64,
    /// How long Kubernetes takes for a step.
    pub slowness: u64,
}

impl Draw {
    /// What `seed` draws.
    pub fn of(seed: u64) -> Draw {
        let mut plan = Plan::draw(seed);
        let rng = &mut Rng::new(seed, 11);
        let election = plan.election;
        plan.voters = 1;
        plan.learners = 0;
        plan.hosts = HOSTS;
        plan.clients = rng.range(2, 3) as usize;
        plan.think = rng.pick(&[20, 60, 150]) * MILLI;
        plan.patience = rng.pick(&[election / 2, election, election * 2]);
        plan.end = election * rng.range(60, 140);
        plan.most_events = 3_000_000;
        plan.faults = schedule(rng, (election * 8, plan.end), election);
        let retention = if rng.coin() { Retention::Retain } else { Retention::Delete };
        Draw {
            spec: Spec {
                replicas: rng.pick(&[1, 3, 3, 4, 5]),
                paused: false,
                deleting: false,
                retention,
                retained_volumes: None,
                replace_after_millis: None,
                template: template(0, false),
            },
            lag: rng.pick(&[0, 1, 3, 8]),
            delay: rng.pick(&[MILLI, election / 20, election / 8]),
            refused: rng.pick(&[0, 20, 100]),
            unanswered: rng.pick(&[0, 20, 100]),
            crashes: rng.pick(&[0, 20, 100, 300]),
            slowness: rng.pick(&[election / 20, election / 4, election]),
            nodes: plan,
        }
    }
}

fn schedule(rng: &mut Rng, when: (u64, u64), election: u64) -> Vec<Fault> {
    let count = rng.range(8, 26) as usize;
    fault::schedule(rng, &fault::OF_CLUSTERS, count, when, election)
}
