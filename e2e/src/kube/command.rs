//! kubectl and helm as subprocesses, as a user runs them.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// Longer than any wait of a test.
const PATIENCE: Duration = Duration::from_secs(900);

/// A command that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It is not installed, or its input broke off.
    #[error("{command}: {source}")]
    NotRun {
        /// As in a shell.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// It said no.
    #[error("{command}: {message}")]
    Failed {
        /// As in a shell.
        command: String,
        /// What it printed.
        message: String,
    },
    /// It hangs.
    #[error("{command}: not done within {} s", PATIENCE.as_secs())]
    Late {
        /// As in a shell.
        command: String,
    },
}

/// What kubectl prints.
///
/// # Errors
/// See [`CommandError`].
pub async fn kubectl(arguments: &[&str]) -> Result<String, CommandError> {
    run("kubectl", arguments, "").await
}

/// The same with something to read, such as manifests for `apply -f -`.
///
/// # Errors
/// See [`CommandError`].
pub async fn kubectl_stdin(arguments: &[&str], input: &str) -> Result<String, CommandError> {
    run("kubectl", arguments, input).await
}

pub(crate) async fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, CommandError> {
    let command = || format!("{program} {}", arguments.join(" "));
    let not_run = |source| CommandError::NotRun { command: command(), source };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(not_run)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input may end before it is written.
        stdin.write_all(input.as_bytes()).await.or_else(ended_early).map_err(not_run)?;
    }
    let output = timeout(PATIENCE, child.wait_with_output())
        .await
        .map_err(|_| CommandError::Late { command: command() })?
        .map_err(not_run)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let message = format!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    Err(CommandError::Failed { command: command(), message })
}

fn ended_early(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

/// The image of a program of this workspace, as dev/e2e loaded it.
#[must_use]
pub fn image(name: &str) -> String {
    format!("{}:{}", repository(name), env!("CARGO_PKG_VERSION"))
}

/// The image without its tag.
#[must_use]
pub fn repository(name: &str) -> String {
    let registry = std::env::var("KVCLUSTER_REGISTRY").unwrap_or_else(|_| "localhost".to_owned());
    format!("{registry}/{name}")
}
