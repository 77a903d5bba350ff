//! One seed, from its plan to the verdict.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use raft::canary::Canary;

use crate::coverage::Table;
use crate::fault::Fault;
use crate::history;
use crate::plan::Plan;
use crate::trace::Trace;
use crate::world::{Violation, World};

/// Steps that the linearizability checker may take for one run. More counts as a failure.
const CHECKER_STEPS: u64 = 20_000_000;

/// What is simulated.
pub trait Simulation: 'static {
    /// The bugs that can be planted.
    type Canary: Copy + PartialEq + Debug + Send + Sync + 'static;

    /// Before the subcommands of `sim`.
    const COMMAND: &str;
    /// What a seed must do on average: operations checked, and faults.
    const LEAST: (u64, u64);
    /// In so many seeds every planted bug must be found.
    const MOST_SEEDS: u64;

    /// All bugs that can be planted, with their names on the command line.
    fn canaries() -> Vec<(&'static str, Self::Canary)>;

    /// The schedule that a seed draws.
    fn faults(seed: u64) -> Vec<Fault>;

    /// Runs a job. Depends on nothing but the job; a panic inside counts as a violation.
    fn run(job: &Job<Self>) -> Report;
}

/// What to run.
#[derive(Debug)]
pub struct Job<S: Simulation + ?Sized> {
    /// Everything is drawn from it.
    pub seed: u64,
    /// A bug to plant.
    pub canary: Option<S::Canary>,
    /// Only these faults of the schedule, by number.
    pub only: Option<Vec<usize>>,
    /// Keep the trace as text.
    pub keep_text: bool,
}

impl<S: Simulation + ?Sized> Clone for Job<S> {
    fn clone(&self) -> Self {
        let Self { seed, canary, only, keep_text } = self;
        Self { seed: *seed, canary: *canary, only: only.clone(), keep_text: *keep_text }
    }
}

impl<S: Simulation + ?Sized> Job<S> {
    /// The whole of `seed`.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, canary: None, only: None, keep_text: false }
    }

    /// The faults that are left of the schedule.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let all = S::faults(self.seed);
        match &self.only {
            Some(only) => only.iter().filter_map(|number| all.get(*number).copied()).collect(),
            None => all,
        }
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
    pub coverage: Table,
    /// Over everything that happened.
    pub hash: u64,
    /// All that happened, if it was kept.
    pub text: Option<String>,
}

/// Groups of consensus cores on simulated hosts.
#[derive(Debug)]
pub struct Groups;

impl Simulation for Groups {
    type Canary = Canary;

    const COMMAND: &str = "";
    const LEAST: (u64, u64) = (300, 10);
    const MOST_SEEDS: u64 = 3_000;

    fn canaries() -> Vec<(&'static str, Canary)> {
        Canary::ALL.iter().map(|canary| (canary.name(), *canary)).collect()
    }

    fn faults(seed: u64) -> Vec<Fault> {
        Plan::draw(seed).faults
    }

    fn run(job: &Job<Self>) -> Report {
        let mut report = Report::default();
        let plan = Plan { faults: job.faults(), ..Plan::draw(job.seed) };
        let made = guarded(|| World::new(plan, job.seed, job.canary, Trace::new(job.keep_text)));
        match made {
            Ok(mut world) => {
                report.violation = guarded(|| world.run().and_then(|()| check_history(&world))).err();
                world.report(&mut report);
            }
            Err(violation) => report.violation = Some(violation),
        }
        report
    }
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
pub(crate) fn guarded<T>(act: impl FnOnce() -> Result<T, Violation>) -> Result<T, Violation> {
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
