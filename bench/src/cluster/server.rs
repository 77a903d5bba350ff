//! One server process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::error::BenchError;

/// How long a server may take to stop when it is asked to.
const STOP: Duration = Duration::from_secs(60);
/// How often something is looked at that has no event.
pub const POLL: Duration = Duration::from_millis(20);

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For people.
    pub name: String,
    /// What to run.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// host:port for clients.
    pub client: String,
    /// host:port for peers.
    pub peer: String,
    /// Where its output goes.
    pub log: PathBuf,
    /// Added to each of its syncs.
    pub sync_delay: Option<Duration>,
}

/// A server that runs, or did.
#[derive(Debug)]
pub struct Server {
    /// How it was started.
    pub plan: Plan,
    child: Child,
    pid: u32,
}

impl Server {
    /// Starts it.
    ///
    /// # Errors
    /// The program is not there or does not start.
    pub async fn start(plan: Plan) -> Result<Self, BenchError> {
        let output =
            File::options().create(true).append(true).open(&plan.log).map_err(BenchError::file(&plan.log))?;
        let errors = output.try_clone().map_err(BenchError::file(&plan.log))?;
        let mut command = match plan.sync_delay {
            None => Command::new(&plan.program),
            Some(delay) => delayed(&plan.program, delay),
        };
        command.args(&plan.arguments).stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true);
        let child = command.spawn().map_err(BenchError::file(&plan.program))?;
        let pid = child.id().unwrap_or_default();
        let mut server = Server { plan, child, pid };
        if server.plan.sync_delay.is_some() {
            server.pid = server.traced().await?;
        }
        Ok(server)
    }

    /// The process of the server itself.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// It does not; how it ended and the end of its log.
    pub fn alive(&mut self) -> Result<(), BenchError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            ended => Err(BenchError::Ended {
                server: self.plan.name.clone(),
                status: ended
                    .ok()
                    .flatten()
                    .map_or_else(|| "unknown".to_owned(), |status| status.to_string()),
                log: self.plan.log.clone(),
                tail: tail(&self.plan.log),
            }),
        }
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
    }

    /// Asks it to stop (SIGTERM) and does not wait.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to stop and waits until it has; kills it in the end.
    pub async fn stop(&mut self) {
        self.ask_to_stop();
        if tokio::time::timeout(STOP, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }

    /// Starts it again after it ended.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn restart(&mut self) -> Result<(), BenchError> {
        *self = Server::start(self.plan.clone()).await?;
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // The id belongs to the child until it was waited for.
        if self.child.id().is_some()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, signal);
        }
    }

    /// The server below its tracer, once it is there.
    async fn traced(&mut self) -> Result<u32, BenchError> {
        let tracer = self.pid;
        let children = format!("/proc/{tracer}/task/{tracer}/children");
        loop {
            let listed = std::fs::read_to_string(&children).unwrap_or_default();
            let program = std::fs::canonicalize(&self.plan.program).unwrap_or_default();
            let found = listed
                .split_ascii_whitespace()
                .find(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program))
                .and_then(|pid| pid.parse().ok());
            if let Some(pid) = found {
                return Ok(pid);
            }
            self.alive()?;
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killing a tracer alone would leave the server behind.
        self.signal(Signal::KILL);
    }
}

/// The program under a tracer that delays its syncs. All options are needed: without `-f` and `-e trace=` the
/// tracer stops at every system call and costs more than the delay.
fn delayed(program: &Path, delay: Duration) -> Command {
    let mut command = Command::new("strace");
    let micros = delay.as_micros();
    command.args(["-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e"]);
    command.arg(format!("inject=fsync,fdatasync:delay_enter={micros}")).arg(program);
    command
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(folder: &Path, program: &str, arguments: &[&str]) -> Plan {
        Plan {
            name: "server".to_owned(),
            program: PathBuf::from(program),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            client: String::new(),
            peer: String::new(),
            log: folder.join("log"),
            sync_delay: None,
        }
    }

    #[tokio::test]
    async fn a_server_that_ended_is_reported_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut server =
            Server::start(plan(folder.path(), "/bin/sh", &["-c", "echo no room >&2; exit 3"])).await.unwrap();
        let _ = server.child.wait().await;
        let text = server.alive().unwrap_err().to_string();
        assert!(text.contains("exit status: 3") && text.contains("no room"), "{text}");
    }

    #[tokio::test]
    async fn a_server_is_killed_and_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(plan(folder.path(), "/bin/sleep", &["60"])).await.unwrap();
        server.alive().unwrap();
        let first = server.pid();
        server.kill().await;
        assert!(server.alive().is_err());
        server.restart().await.unwrap();
        server.alive().unwrap();
        assert_ne!(server.pid(), first);
        server.stop().await;
        assert!(server.alive().is_err());
    }
}
