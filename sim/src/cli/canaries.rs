//! `sim canaries`.

use std::collections::BTreeSet;
use std::sync::Mutex;

use sim::run::{Job, Simulation};

use super::canary_asked;
use super::pool::{for_all, now};

/// Where the seeds of each try begin; far from those that `sim run` runs first.
const BASES: [u64; 5] = [1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000];

#[derive(clap::Args)]
pub struct Arguments {
    /// How many runs at once.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// A bug not found after so many seeds counts as not found; 3,000 for groups, 20,000 for whole nodes.
    #[arg(long)]
    most_seeds: Option<u64>,
    /// Only this bug.
    #[arg(long, value_name = "NAME")]
    canary: Option<String>,
}

/// How a bug was found from one base seed.
struct Found {
    canary: &'static str,
    /// Seeds until then, if it was found.
    seeds: Option<u64>,
    /// The rule that was violated.
    by: String,
}

/// True if each planted bug is found from every base seed.
pub fn canaries<S: Simulation>(arguments: &Arguments) -> bool {
    let began = now();
    let Some(asked) = canary_asked::<S>(arguments.canary.as_deref()) else { return false };
    let mut planted = S::canaries();
    planted.retain(|(_, canary)| asked.is_none_or(|asked| asked == *canary));
    let found = Mutex::new(Vec::new());
    for_all("planted bugs", planted.len() * BASES.len(), arguments.jobs, |number| {
        let (canary, base) = (planted[number / BASES.len()], BASES[number % BASES.len()]);
        let result = hunt::<S>(canary, base, arguments.most_seeds.unwrap_or(S::MOST_SEEDS));
        if let Ok(mut found) = found.lock() {
            found.push(result);
        }
        true
    });
    let found = found.into_inner().unwrap_or_default();
    println!("\n{:<26} {:>14} {:>8}  found by", "planted bug", "seeds (median)", "most");
    let caught = planted.iter().filter(|(name, _)| print_row(name, &found)).count();
    println!(
        "\ncanaries caught: {caught} of {} planted, in {:.0} s",
        planted.len(),
        began.elapsed().as_secs_f64()
    );
    caught == planted.len()
}

/// Runs seeds from `base` on until one fails.
fn hunt<S: Simulation>((name, planted): (&'static str, S::Canary), base: u64, most_seeds: u64) -> Found {
    let canary = name;
    for number in 0..most_seeds {
        let report = S::run(&Job { canary: Some(planted), ..Job::of(base + number) });
        if let Some(violation) = report.violation {
            // What fails without the bug as well is not a catch.
            if let Some(real) = S::run(&Job::of(base + number)).violation {
                let by = format!("seed {} fails without it: {}", base + number, real.invariant);
                return Found { canary, seeds: None, by };
            }
            return Found { canary, seeds: Some(number + 1), by: violation.invariant };
        }
    }
    Found { canary, seeds: None, by: String::new() }
}

fn print_row(canary: &str, found: &[Found]) -> bool {
    let of_it: Vec<&Found> = found.iter().filter(|found| found.canary == canary).collect();
    let mut seeds: Vec<u64> = of_it.iter().map(|found| found.seeds.unwrap_or(u64::MAX)).collect();
    seeds.sort_unstable();
    let number = |seeds: u64| if seeds == u64::MAX { "not found".to_owned() } else { seeds.to_string() };
    let (median, most) = (seeds[seeds.len() / 2], seeds[seeds.len() - 1]);
    let by: BTreeSet<&str> = of_it.iter().map(|f| f.by.as_str()).filter(|by| !by.is_empty()).collect();
    let by: Vec<&str> = by.into_iter().collect();
    println!("{:<26} {:>14} {:>8}  {}", canary, number(median), number(most), by.join("; "));
    most != u64::MAX
}
