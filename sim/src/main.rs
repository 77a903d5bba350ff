//! `sim`: runs seeds, replays one, shows that planted bugs are found, explores small groups to the end.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sim::nodes::Nodes;
use sim::planner::Clusters;
use sim::run::Groups;

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
    /// The same for whole nodes: `run`, `replay` and `canaries`.
    #[command(subcommand, arg_required_else_help = true)]
    Store(StoreCommand),
    /// The same for whole clusters under the planner: `run`, `replay` and `canaries`.
    #[command(subcommand, arg_required_else_help = true)]
    Plan(PlanCommand),
}

#[derive(Subcommand)]
enum StoreCommand {
    /// Run many seeds of whole nodes; a failing one prints the command that replays it.
    Run(cli::run::Arguments),
    /// Run one seed of whole nodes again and print everything that happens.
    Replay(cli::replay::Arguments),
    /// Plant each known bug of the store and count the seeds until it is found.
    Canaries(cli::canaries::Arguments),
}

#[derive(Subcommand)]
enum PlanCommand {
    /// Run many seeds of clusters under the planner; a failing one prints the command that replays it.
    Run(cli::run::Arguments),
    /// Run one seed of a cluster under the planner again and print everything that happens.
    Replay(cli::replay::Arguments),
    /// Plant each known bug of an operator and count the seeds until it is found.
    Canaries(cli::canaries::Arguments),
}

fn main() -> ExitCode {
    sim::run::catch_panics();
    let passed = match Arguments::parse().command {
        Command::Run(arguments) => cli::run::run::<Groups>(&arguments),
        Command::Replay(arguments) => cli::replay::replay::<Groups>(&arguments),
        Command::Canaries(arguments) => cli::canaries::canaries::<Groups>(&arguments),
        Command::Explore => cli::explore::explore(),
        Command::Store(StoreCommand::Run(arguments)) => cli::run::run::<Nodes>(&arguments),
        Command::Store(StoreCommand::Replay(arguments)) => cli::replay::replay::<Nodes>(&arguments),
        Command::Store(StoreCommand::Canaries(arguments)) => cli::canaries::canaries::<Nodes>(&arguments),
        Command::Plan(PlanCommand::Run(arguments)) => cli::run::run::<Clusters>(&arguments),
        Command::Plan(PlanCommand::Replay(arguments)) => cli::replay::replay::<Clusters>(&arguments),
        Command::Plan(PlanCommand::Canaries(arguments)) => cli::canaries::canaries::<Clusters>(&arguments),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
