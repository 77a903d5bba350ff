//! `sim`: runs seeds, replays one, shows that planted bugs are found, explores small groups to the end.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The deterministic simulator of KvCluster.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run many seeds; a failing one prints the command that replays it.
    Run(cli::run::Arguments),
    /// Run one seed again and print everything that happens.
    Replay(cli::replay::Arguments),
    /// Plant each known bug and count the seeds until it is found.
    Canaries(cli::canaries::Arguments),
    /// Visit every state of small groups.
    Explore,
}

fn main() -> ExitCode {
    sim::run::catch_panics();
    let passed = match Arguments::parse().command {
        Command::Run(arguments) => cli::run::run(&arguments),
        Command::Replay(arguments) => cli::replay::replay(&arguments),
        Command::Canaries(arguments) => cli::canaries::canaries(&arguments),
        Command::Explore => cli::explore::explore(),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
