//! The commands.

pub mod canaries;
pub mod explore;
pub mod pool;
pub mod replay;
pub mod run;

use sim::run::{Job, Simulation};

/// The planted bug of this name.
fn canary_called<S: Simulation>(name: &str) -> Result<S::Canary, String> {
    let all = S::canaries();
    let found = all.iter().find(|(known, _)| *known == name).map(|(_, canary)| *canary);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        format!("there is no planted bug {name:?}; there are {}", names.join(", "))
    })
}

/// The planted bug that was asked for, if any; says what is wrong with its name.
fn canary_asked<S: Simulation>(name: Option<&str>) -> Option<Option<S::Canary>> {
    match name.map(canary_called::<S>).transpose() {
        Ok(canary) => Some(canary),
        Err(what) => {
            eprintln!("--canary: {what}");
            None
        }
    }
}

/// The command that does this job and prints what happens.
fn replay_command<S: Simulation>(job: &Job<S>) -> String {
    let mut command = format!("dev/cargo run --locked -p sim -- {}replay {}", S::COMMAND, job.seed);
    if let Some((name, _)) = S::canaries().into_iter().find(|(_, canary)| Some(*canary) == job.canary) {
        command += &format!(" --canary {name}");
    }
    if let Some(only) = &job.only {
        let numbers: Vec<String> = only.iter().map(usize::to_string).collect();
        command +=
            &format!(" --faults {}", if numbers.is_empty() { "none".to_owned() } else { numbers.join(",") });
    }
    command
}
