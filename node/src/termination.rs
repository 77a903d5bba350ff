//! Why a process ended: an exit code, and a JSON reason where Kubernetes and the operator look for it.

use std::fs;
use std::path::{Path, PathBuf};

use raft::DiskId;
use serde::{Deserialize, Serialize};
use store::engine::EngineError;
use store::log_store::LogStoreError;
use store::replica::{ExitCode, StoreFault};

use crate::admin::hex;
use crate::store_loop::Fault;
use crate::transport;

/// Where Kubernetes expects it.
const DEFAULT_LOG: &str = "/dev/termination-log";
/// Kubernetes reads 4096 bytes.
const MOST_MESSAGE: usize = 2048;

/// The end of a process, as its termination log holds it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Termination {
    /// `configuration`, `corruption`, `sync_error`, `lost_disk` or `newer_format`.
    pub reason: String,
    /// The exit code that belongs to it.
    pub exit_code: u8,
    /// For people.
    pub message: String,
    /// The node, once it has an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u64>,
    /// The disk, as 32 hexadecimal digits; only where its data are damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// The version of the program.
    pub version: String,
}

/// The word for an exit code.
#[must_use]
pub fn reason(code: ExitCode) -> &'static str {
    match code {
        ExitCode::Configuration => "configuration",
        ExitCode::Corruption => "corruption",
        ExitCode::Sync => "sync_error",
        ExitCode::LostDisk => "lost_disk",
        ExitCode::NewerFormat => "newer_format",
    }
}

/// The exit code as the process returns it.
#[must_use]
pub fn number(code: ExitCode) -> u8 {
    match code {
        ExitCode::Configuration => 64,
        ExitCode::Corruption => 70,
        ExitCode::Sync => 71,
        ExitCode::LostDisk => 72,
        ExitCode::NewerFormat => 73,
    }
}

impl Termination {
    /// The end with this code.
    #[must_use]
    pub fn new(code: ExitCode, message: impl std::fmt::Display, node: Option<u64>) -> Self {
        let mut message = message.to_string();
        let mut end = message.len().min(MOST_MESSAGE);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        let (reason, exit_code) = (reason(code).to_owned(), number(code));
        Self { reason, exit_code, message, node, disk: None, version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// The end that a fault of the store is.
    #[must_use]
    pub fn of(fault: &Fault, node: Option<u64>) -> Self {
        Self::new(fault.exit_code(), fault, node)
    }

    /// Writes it to the log at `path`, or where Kubernetes looks if there is such a file. Nothing can be done about
    /// a failure: the exit code says the most important part.
    pub fn write(&self, path: Option<&Path>) {
        let default = Path::new(DEFAULT_LOG);
        let Some(path) = path.or_else(|| default.exists().then_some(default)) else { return };
        let written = serde_json::to_vec(self).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|text| fs::write(path, text)) {
            tracing::error!(path = %path.display(), %error, "the termination log cannot be written");
        }
    }
}

/// The note in the data folder that says: these data are damaged or lost, no later start may open them.
#[derive(Clone, Debug)]
pub struct DamageMark {
    path: PathBuf,
    /// Names the disk, for when the data cannot say it any more.
    disk: PathBuf,
}

impl DamageMark {
    /// The note of this data folder.
    #[must_use]
    pub fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join("damaged.json"), disk: data_dir.join("disk") }
    }

    /// Keeps the name of the disk. Nothing depends on it but what a damaged node reports.
    pub fn remember(&self, disk: DiskId) {
        let disk = hex::write(disk.0);
        if self.disk().as_ref() != Some(&disk)
            && let Err(error) = fs::write(&self.disk, disk)
        {
            tracing::warn!(path = %self.disk.display(), %error, "the name of the disk cannot be kept");
        }
    }

    fn disk(&self) -> Option<String> {
        fs::read_to_string(&self.disk).ok().filter(|disk| transport::id(disk).is_some())
    }

    /// What it says, if it is there. One that cannot be read is a note all the same.
    #[must_use]
    pub fn read(&self) -> Option<Termination> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(_) => Vec::new(),
        };
        let unreadable = |_| {
            let message =
                format!("{} says that the data are damaged, and cannot be read", self.path.display());
            Termination { disk: self.disk(), ..Termination::new(ExitCode::Corruption, message, None) }
        };
        Some(serde_json::from_slice(&text).unwrap_or_else(unreadable))
    }

    /// Leaves it, durably, if after this fault the data must not be opened again.
    pub fn leave(&self, fault: &Fault, termination: &Termination) {
        if !is_damage(fault) {
            return;
        }
        let termination = Termination { disk: self.disk(), ..termination.clone() };
        if let Err(error) = self.write(&termination) {
            // The next start finds the damage again.
            tracing::error!(path = %self.path.display(), %error, "the damage cannot be noted");
        }
    }

    fn write(&self, termination: &Termination) -> std::io::Result<()> {
        let file = fs::File::create(&self.path)?;
        serde_json::to_writer(&file, termination)?;
        file.sync_all()?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::File::open(folder)?.sync_all()
    }
}

/// A bug has the exit code of damage, but leaves the data as they are: the next version may open them.
fn is_damage(fault: &Fault) -> bool {
    let Fault::Store(fault) = fault else { return false };
    let is_bug = matches!(
        fault,
        StoreFault::Log(LogStoreError::Refused { .. }) | StoreFault::Engine(EngineError::Refused { .. })
    );
    !is_bug && matches!(fault.exit_code(), ExitCode::Corruption | ExitCode::LostDisk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corruption() -> Fault {
        LogStoreError::Corruption { detail: "x".into() }.into()
    }

    #[test]
    fn the_log_is_json_that_kubernetes_takes_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let long = Termination::new(ExitCode::Sync, "ä".repeat(10_000), None);
        long.write(Some(&path));
        let text = fs::read(&path).unwrap();
        assert!(text.len() < 4096);
        assert_eq!(serde_json::from_slice::<Termination>(&text).unwrap(), long);
        assert_eq!((long.reason.as_str(), long.exit_code), ("sync_error", 71));
    }

    #[test]
    fn only_damage_is_noted_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let mark = DamageMark::of(folder.path());
        for fault in [LogStoreError::NoSpace, LogStoreError::Refused { detail: "x".into() }] {
            let fault = fault.into();
            mark.leave(&fault, &Termination::of(&fault, None));
        }
        mark.leave(&Fault::Panicked { thread: "store" }, &Termination::new(ExitCode::Corruption, "x", None));
        assert_eq!(mark.read(), None);
        let termination = Termination::of(&corruption(), Some(3));
        mark.leave(&corruption(), &termination);
        assert_eq!(mark.read(), Some(termination.clone()));
        mark.remember(DiskId(0xab));
        mark.leave(&corruption(), &termination);
        assert_eq!(mark.read(), Some(Termination { disk: Some(format!("{:032x}", 0xab)), ..termination }));
    }

    #[test]
    fn a_torn_note_is_a_note() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("damaged.json"), "{\"rea").unwrap();
        let mark = DamageMark::of(folder.path());
        mark.remember(DiskId(1));
        let end = mark.read().unwrap();
        assert_eq!((end.exit_code, end.disk), (70, Some(format!("{:032x}", 1))));
    }
}
