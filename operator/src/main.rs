//! `kv-operator`: runs KvClusters on Kubernetes.

use std::process::ExitCode;

use clap::Parser;
use operator::helm_test::{self, HelmTestOptions};
use operator::options::{Command, CrdOptions, Options, RunOptions};
use operator::{crd, logging, run};

fn main() -> ExitCode {
    match Options::parse().command {
        Command::Run(options) => run(options),
        Command::Crd(options) => print_crd(options),
        Command::HelmTest(options) => helm_test(options),
    }
}

fn run(options: RunOptions) -> ExitCode {
    if let Err(error) = logging::start(&options.log_level, options.log_format) {
        return refused(&format!("--log-level {}: {error}", options.log_level));
    }
    // The second thread renews the lease while the first works.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return refused(&format!("no runtime: {error}")),
    };
    let ended = runtime.block_on(run::run(options));
    // Not waited for: what still runs changes nothing without the lease.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "ended");
            ExitCode::FAILURE
        }
    }
}

fn print_crd(options: CrdOptions) -> ExitCode {
    let text = if options.reference { Ok(crd::reference()) } else { crd::yaml() };
    match text {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => refused(&error.to_string()),
    }
}

fn helm_test(options: HelmTestOptions) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refused(&format!("no runtime: {error}")),
    };
    // The verdict is the last line, and the exit code.
    match runtime.block_on(helm_test::run(options)) {
        Ok(()) => {
            println!("helm-test: PASSED");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("helm-test: FAILED: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn refused(why: &str) -> ExitCode {
    eprintln!("kv-operator: {why}");
    ExitCode::FAILURE
}
