//! `sim run`.

use std::sync::Mutex;

use sim::coverage::Table;
use sim::run::{Job, Report, Simulation};
use sim::shrink::shrink;

use super::pool::{for_all, now};
use super::replay_command;

/// Seeds from here on must reach every rare path between them.
const ENOUGH_FOR_COVERAGE: usize = 1_000;
/// One seed in so many is run twice, to compare the traces.
const TWICE: u64 = 50;

#[derive(clap::Args)]
pub struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// How many.
    #[arg(long, default_value_t = 1_000, value_parser = parse_count)]
    seeds: usize,
    /// How many at once.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Go on after a failing seed, and list all that fail.
    #[arg(long)]
    keep_going: bool,
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("run one seed at least".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}

#[derive(Default)]
struct Totals {
    seeds: u64,
    events: u64,
    simulated: u64,
    operations: u64,
    checked: u64,
    injected: u64,
    coverage: Table,
    failed: Vec<(u64, Report)>,
}

impl Totals {
    fn add(&mut self, seed: u64, mut report: Report) {
        self.seeds += 1;
        self.events += report.events;
        self.simulated += report.simulated;
        self.operations += report.operations;
        self.checked += report.checked;
        self.injected += report.injected;
        self.coverage.add(std::mem::take(&mut report.coverage));
        if report.violation.is_some() {
            self.failed.push((seed, report));
        }
    }
}

/// True if every seed passes, and all together reach everything that they should.
pub fn run<S: Simulation>(arguments: &Arguments) -> bool {
    let began = now();
    let totals = Mutex::new(Totals::default());
    for_all("seeds", arguments.seeds, arguments.jobs, |number| {
        let seed = arguments.first_seed + number as u64;
        let report = run_checked::<S>(seed);
        let passed = report.violation.is_none();
        if let Ok(mut totals) = totals.lock() {
            totals.add(seed, report);
        }
        passed || arguments.keep_going
    });
    let mut totals = totals.into_inner().unwrap_or_default();
    totals.failed.sort_by_key(|(seed, _)| *seed);
    print_coverage(&totals.coverage);
    let holes = totals.coverage.holes();
    print_totals(&totals, began.elapsed().as_secs_f64());
    if !totals.failed.is_empty() {
        explain::<S>(&totals.failed);
        return false;
    }
    if arguments.seeds < ENOUGH_FOR_COVERAGE {
        return true;
    }
    if holes > 0 {
        println!("\n{holes} lines of the table are zero: these faults or paths are not tested any more");
    }
    let (operations, faults) = S::LEAST;
    let idle = totals.checked < totals.seeds * operations || totals.injected < totals.seeds * faults;
    if idle {
        println!("\na seed must have {operations} operations checked and {faults} faults on average");
    }
    holes == 0 && !idle
}

/// Runs a seed; some twice, and then both traces must be the same.
fn run_checked<S: Simulation>(seed: u64) -> Report {
    let mut report = S::run(&Job::of(seed));
    if seed.is_multiple_of(TWICE) && report.violation.is_none() {
        let again = S::run(&Job::of(seed));
        if again.hash != report.hash {
            let detail = format!("trace {:016x}, then {:016x}", report.hash, again.hash);
            report.violation = Some(sim::Violation::new("two runs of a seed are equal", detail));
        }
    }
    report
}

fn print_totals(totals: &Totals, seconds: f64) {
    let seeds = totals.seeds.max(1) as f64;
    println!("\nseeds run                    {:>12}   in {seconds:.1} s", totals.seeds);
    println!(
        "events                       {:>12}   {:.0} a second",
        totals.events,
        totals.events as f64 / seconds
    );
    println!("simulated seconds            {:>12}", totals.simulated / 1_000_000_000);
    println!(
        "client operations            {:>12}   {:.0} a seed",
        totals.operations,
        totals.operations as f64 / seeds
    );
    println!(
        "client operations checked    {:>12}   {:.0} a seed",
        totals.checked,
        totals.checked as f64 / seeds
    );
    println!(
        "faults injected              {:>12}   {:.1} a seed",
        totals.injected,
        totals.injected as f64 / seeds
    );
    println!("violations                   {:>12}", totals.failed.len());
}

fn print_coverage(coverage: &Table) {
    println!("\n{:<60} {:>12}", "faults injected and paths reached", "times");
    for (what, count, required) in &coverage.0 {
        println!("{what:<60} {count:>12}{}", if *required && *count == 0 { "   <- never" } else { "" });
    }
}

fn explain<S: Simulation>(failed: &[(u64, Report)]) {
    for (seed, report) in failed.iter().skip(1) {
        if let Some(violation) = &report.violation {
            let first_line = violation.detail.lines().next().unwrap_or_default();
            println!("seed {seed}: {}: {first_line}", violation.invariant);
        }
    }
    let Some((seed, report)) = failed.first() else { return };
    let Some(violation) = &report.violation else { return };
    println!("\nseed {seed} violates: {}\n{}", violation.invariant, violation.detail);
    println!("\nreplay it:   {}", replay_command(&Job::<S>::of(*seed)));
    println!("shrinking its schedule of faults ...");
    let small = shrink(&Job::<S>::of(*seed));
    let (few, all) = (small.faults().len(), S::faults(*seed).len());
    println!("{few} of {all} faults are enough:");
    for fault in small.faults() {
        println!("  at {} ms {:?}", fault.at / 1_000_000, fault.kind);
    }
    println!("replay that: {}", replay_command(&small));
}
