//! `kvctl`, the command line of KvCluster.

mod admin;
mod args;
mod batch;
mod bytes;
mod cluster;
mod data;
mod failure;
mod output;
mod transfer;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Command};
use failure::Failure;

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::local("starting", error).report(),
    };
    match runtime.block_on(run(args)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn run(args: Args) -> Result<ExitCode, Failure> {
    let Args { connection, output, hex, command } = args;
    let format = output::Format { json: output == args::Output::Json, hex };
    match command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "kvctl", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Admin(admin) => admin::run(admin, connection.timeout, format).await,
        Command::Get(get) => data::get(&connection, format, get).await,
        Command::Put(put) => data::put(&connection, format, put).await,
        Command::Cas(cas) => data::cas(&connection, format, cas).await,
        Command::Del { key } => data::delete(&connection, format, &key).await,
        Command::DelRange(span) => data::delete_range(&connection, format, span).await,
        Command::Scan(scan) => data::scan(&connection, format, scan).await,
        Command::Write { file } => data::write(&connection, format, file).await,
        Command::Status => cluster::status(&connection, format).await,
        Command::Members => cluster::members(&connection, format).await,
        Command::Export { folder } => transfer::export(&connection, &folder).await,
        Command::Import { folder } => transfer::import(&connection, &folder).await,
    }
}
