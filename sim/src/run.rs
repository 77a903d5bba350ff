//! One seed, from its plan to the verdict.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use raft::canary::Canary;

use crate::coverage::Coverage;
use crate::history;
use crate::plan::Plan;
use crate::trace::Trace;
use crate::world::{Violation, World};

/// Steps that the linearizability checker may take for one run. More counts as a failure.
const CHECKER_STEPS: u64 = 20_000_000;

/// What to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Everything is drawn from it.
    pub seed: u64,
    /// A bug to plant.
    pub canary: Option<Canary>,
    /// Only these faults of the schedule, by number.
    pub only: Option<Vec<usize>>,
    /// Keep the trace as text.
    pub keep_text: bool,
}

impl Job {
    /// The whole of `seed`.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, canary: None, only: None, keep_text: false }
    }

    /// The plan, with the faults that are left.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::draw(self.seed);
        if let Some(only) = &self.only {
            plan.faults = only.iter().filter_map(|number| plan.faults.get(*number).copied()).collect();
        }
        plan
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The rule that did not hold.
    pub violation: Option<Violation>,
    /// Events handled.
    pub events: u64,
    /// Simulated nanoseconds.
    pub simulated: u64,
    /// Client operations begun.
    pub operations: u64,
    /// Client operations whose outcome was checked.
    pub checked: u64,
    /// Faults that found a victim.
    pub injected: u64,
    /// What was reached.
    pub coverage: Coverage,
    /// Over everything that happened.
    pub hash: u64,
    /// All that happened, if it was kept.
    pub text: Option<String>,
}

/// Runs a job. Depends on nothing but the job; a panic inside counts as a violation.
#[must_use]
pub fn run(job: &Job) -> Report {
    let mut report = Report::default();
    let made = guarded(|| World::new(job.plan(), job.seed, job.canary, Trace::new(job.keep_text)));
    match made {
        Ok(mut world) => {
            report.violation = guarded(|| world.run().and_then(|()| check_history(&world))).err();
            world.report(&mut report);
        }
        Err(violation) => report.violation = Some(violation),
    }
    report
}

thread_local! {
    /// This thread runs a job: its panics become violations.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Where it panicked last.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From here on a panic inside a run is not printed but becomes a violation that names its place; any other is
/// printed.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if GUARDED.get() {
            PLACE.set(panic.location().map(ToString::to_string).unwrap_or_default());
        } else {
            eprintln!("{panic}");
        }
    }));
}

/// What `act` gives, or its panic as a violation.
fn guarded<T>(act: impl FnOnce() -> Result<T, Violation>) -> Result<T, Violation> {
    GUARDED.set(true);
    let ended = catch_unwind(AssertUnwindSafe(act));
    GUARDED.set(false);
    ended.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Violation::new("no panic", format!("{} at {}", text.unwrap_or_default(), PLACE.take())))
    })
}

fn check_history(world: &World) -> Result<(), Violation> {
    match history::check(&world.history, CHECKER_STEPS) {
        Ok(_) => Ok(()),
        Err(violation) => Err(Violation::new("linearizability", violation.to_string())),
    }
}
