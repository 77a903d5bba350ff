//! Measures the consensus core alone, in one thread of one process: no disk, no network, no state machine.
//! Ends with exit code 1 if idle groups cost more than their limit.
//!
//! `make bench`, or `dev/cargo run -p raft --example bench`; with the word `idle` only the idle groups.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark reads the clock, and its figures are small"
)]

mod cluster;
mod figures;
mod idle;
mod proposals;
mod wheel;

use std::error::Error;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() != Some("idle") {
        proposals::run()?;
    }
    println!();
    Ok(if idle::run()? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
