//! The Kubernetes of dev/kube: tests stop its parts and look into its files.

use std::path::PathBuf;
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

use super::audit::AuditLog;

/// The folder of its state, set by dev/e2e if the tests run on it.
const STATE: &str = "KVCLUSTER_KUBE_STATE";

/// It runs on this machine, so that its processes and files can be reached.
pub struct LocalKube {
    state: PathBuf,
}

impl LocalKube {
    /// The one that the tests run on.
    ///
    /// # Errors
    /// They run on another Kubernetes.
    pub fn find() -> io::Result<Self> {
        let state = std::env::var_os(STATE);
        let state =
            state.ok_or_else(|| io::Error::other("this can only be tested on the Kubernetes of dev/kube"))?;
        Ok(Self { state: state.into() })
    }

    /// What the API server writes down of its requests, from now on.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn audit_log(&self) -> io::Result<AuditLog> {
        AuditLog::from_now(self.state.join("log/audit.log"))
    }

    /// The process of a part, such as `kube-apiserver`.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn part(&self, name: &str) -> io::Result<Pid> {
        let text = fs::read_to_string(self.state.join("pid").join(name))?;
        pid(text.trim()).ok_or_else(|| io::Error::other(format!("{text:?} is no process id")))
    }

    /// The process of a program in a pod. The names of pods of two namespaces must differ.
    ///
    /// # Errors
    /// It does not run.
    pub fn process(&self, pod: &str, program: &str) -> io::Result<Pid> {
        // The container runtime sets the name of the host for every container.
        let host = format!("HOSTNAME={pod}");
        let runs_there = |folder: &PathBuf| {
            let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
            let environment = fs::read(folder.join("environ")).unwrap_or_default();
            name.trim() == program && environment.split(|byte| *byte == 0).any(|set| set == host.as_bytes())
        };
        let folders = fs::read_dir("/proc")?.filter_map(|entry| Some(entry.ok()?.path()));
        let found = folders.filter(runs_there).find_map(|folder| pid(folder.file_name()?.to_str()?));
        found.ok_or_else(|| io::Error::other(format!("no {program} runs in pod {pod}")))
    }
}

fn pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

/// A process that does nothing until this is dropped.
pub struct Stopped(Pid);

impl Stopped {
    /// Stops it.
    ///
    /// # Errors
    /// It is gone.
    pub fn new(process: Pid) -> io::Result<Self> {
        kill_process(process, Signal::STOP)?;
        Ok(Self(process))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Err(error) = kill_process(self.0, Signal::CONT) {
            eprintln!("process {:?} cannot be made to go on: {error}", self.0);
        }
    }
}
