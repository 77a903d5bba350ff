//! The commands.

pub mod canaries;
pub mod explore;
pub mod pool;
pub mod replay;
pub mod run;

use clap::builder::PossibleValuesParser;
use raft::canary::Canary;
use sim::run::Job;

/// Accepts the names of the planted bugs.
fn canary_names() -> PossibleValuesParser {
    PossibleValuesParser::new(Canary::ALL.iter().map(|canary| canary.name()))
}

fn canary_called(name: &str) -> Option<Canary> {
    Canary::ALL.iter().copied().find(|canary| canary.name() == name)
}

/// The command that does this job and prints what happens.
fn replay_command(job: &Job) -> String {
    let mut command = format!("dev/cargo run --locked -p sim -- replay {}", job.seed);
    if let Some(canary) = job.canary {
        command += &format!(" --canary {}", canary.name());
    }
    if let Some(only) = &job.only {
        let numbers: Vec<String> = only.iter().map(usize::to_string).collect();
        command +=
            &format!(" --faults {}", if numbers.is_empty() { "none".to_owned() } else { numbers.join(",") });
    }
    command
}
