//! `sim replay`.

use std::fmt::Write as _;

use sim::run::{Job, Simulation};

use super::canary_asked;

#[derive(clap::Args)]
pub struct Arguments {
    /// The seed.
    seed: u64,
    /// Plant this bug.
    #[arg(long, value_name = "NAME")]
    canary: Option<String>,
    /// Only these faults of its schedule, by number, or "none".
    #[arg(long, value_name = "NUMBERS")]
    faults: Option<String>,
    /// Print only how it ends.
    #[arg(long)]
    quiet: bool,
}

/// True if the seed passes.
pub fn replay<S: Simulation>(arguments: &Arguments) -> bool {
    let only = match arguments.faults.as_deref() {
        None => None,
        Some("none") => Some(Vec::new()),
        Some(numbers) => match numbers.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>() {
            Ok(numbers) => Some(numbers),
            Err(error) => {
                eprintln!("--faults {numbers:?}: {error}; give numbers like 0,3,7, or \"none\"");
                return false;
            }
        },
    };
    let Some(canary) = canary_asked::<S>(arguments.canary.as_deref()) else { return false };
    let job = Job::<S> { seed: arguments.seed, canary, only, keep_text: !arguments.quiet };
    let report = S::run(&job);
    let mut end = String::new();
    let _ = writeln!(
        end,
        "{} events, {} ms simulated, {} operations, {} faults, trace {:016x}",
        report.events,
        report.simulated / 1_000_000,
        report.operations,
        report.injected,
        report.hash
    );
    match &report.violation {
        Some(violation) => {
            let _ = writeln!(end, "violated: {}\n{}", violation.invariant, violation.detail);
        }
        None => end.push_str("every rule holds\n"),
    }
    print!("{}{end}", report.text.unwrap_or_default());
    report.violation.is_none()
}
