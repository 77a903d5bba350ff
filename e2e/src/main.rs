//! kv-load: load in a pod, and its check. Its last lines are a report, for people and as JSON.

use std::process::ExitCode;

use clap::Parser;
use e2e::load::{Options, fill, run};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Writes and reads until it is told to stop, then checks that the history is linearizable and nothing is lost.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Write and read until SIGTERM
    Run {
        /// Nodes or a Service, each host:port, separated by commas
        #[arg(long, value_delimiter = ',')]
        endpoints: Vec<String>,
        /// Clients that ask at the same time
        #[arg(long, default_value_t = 8)]
        clients: u32,
        /// Requests of all clients in a second, at most
        #[arg(long, default_value_t = 200)]
        rate: u32,
        /// Stop after so many requests
        #[arg(long, default_value_t = 500_000)]
        most: u64,
        /// All keys begin with this; they must not be there yet
        #[arg(long, default_value = "load/")]
        prefix: String,
    },
    /// Write values that stay
    Fill {
        /// Nodes or a Service, each host:port, separated by commas
        #[arg(long, value_delimiter = ',')]
        endpoints: Vec<String>,
        /// How many
        #[arg(long)]
        values: u64,
        /// Of how many bytes each
        #[arg(long)]
        bytes: usize,
        /// All keys begin with this
        #[arg(long, default_value = "fill/")]
        prefix: String,
    },
    /// Tell the kv-load that is the first process of this container to stop
    Stop,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Command::parse() {
        Command::Run { endpoints, clients, rate, most, prefix } => {
            load(Options { endpoints, clients, rate, most, prefix }).await
        }
        Command::Fill { endpoints, values, bytes, prefix } => {
            match fill(endpoints, &prefix, values, bytes).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&error.to_string()),
            }
        }
        Command::Stop => match kill_process(Pid::INIT, Signal::TERM) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&format!("process 1 cannot be told to stop: {error}")),
        },
    }
}

async fn load(options: Options) -> ExitCode {
    let (tell, told) = watch::channel(false);
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => return failed(&format!("SIGTERM cannot be waited for: {error}")),
    };
    tokio::spawn(async move {
        terminate.recv().await;
        tell.send_replace(true);
    });
    match run(options, told).await {
        Ok(report) => match serde_json::to_string(&report) {
            Ok(line) => {
                println!("{report}\n{line}");
                if report.violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(error) => failed(&error.to_string()),
        },
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(why: &str) -> ExitCode {
    eprintln!("kv-load: {why}");
    ExitCode::FAILURE
}
