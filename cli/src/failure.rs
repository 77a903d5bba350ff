//! What went wrong, what to do, and the exit code that says so.

use std::fmt::Display;
use std::process::ExitCode;

use client::Error;
use thiserror::Error;

/// Part of the help.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the key has no value, or the condition does not hold: nothing was changed
  2  the command or the request is wrong
  3  the cluster cannot serve the call now; nothing was changed
  4  it is not known whether the write was done: read, then decide
  5  a file or a terminal cannot be read or written, or an export is damaged
  6  the administration service refused the change; nothing was changed";

/// The key has no value, or the condition does not hold.
pub const NO: u8 = 1;

#[derive(Debug, Error)]
pub enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Call(#[from] Error),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Local(String),
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// While doing this on this machine.
    pub fn local(doing: impl Display, error: impl Display) -> Self {
        Failure::Local(format!("{doing}: {error}"))
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Call(error) if error.outcome_unknown() => 4,
            Failure::Call(error) if error.unavailable() => 3,
            Failure::Call(Error::Unexpected { .. }) | Failure::Unavailable(_) => 3,
            Failure::Call(_) => 2,
            Failure::Local(_) => 5,
            Failure::Refused(_) => 6,
        }
    }

    fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Failure::Call(Error::Unavailable { .. } | Error::DeadlineExceeded) | Failure::Unavailable(_) => {
                "is the node running, and are the endpoints right? See --endpoints (port 7400) and --admin-endpoint \
                 (port 7401); `kv-node dev` starts a cluster to try"
            }
            Failure::Call(Error::NoLeader) => {
                "`kvctl status` shows which nodes answer; a new cluster has to be bootstrapped, see `kvctl admin \
                 bootstrap --help`"
            }
            Failure::Call(Error::TooLarge { .. }) => {
                "do it in parts; `kvctl del-range --paged` does so for a span"
            }
            Failure::Call(error) if error.outcome_unknown() => {
                "read the keys to see; a conditional write (`kvctl cas`) is safe to repeat"
            }
            _ => return None,
        })
    }

    /// Tells it, and returns the exit code.
    pub fn report(&self) -> ExitCode {
        eprintln!("kvctl: {self}");
        if let Some(advice) = self.advice() {
            eprintln!("kvctl: {advice}");
        }
        ExitCode::from(self.code())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::local("writing the result", error)
    }
}
