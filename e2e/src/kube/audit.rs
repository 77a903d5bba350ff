//! What the API server wrote down of its requests.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

/// The audit log of dev/kube, from a moment on.
pub struct AuditLog {
    path: PathBuf,
    from: u64,
}

impl AuditLog {
    pub(crate) fn from_now(path: PathBuf) -> io::Result<Self> {
        let from = path.metadata()?.len();
        Ok(Self { path, from })
    }

    /// What this user changed since then, except Leases: verb and object of each request.
    ///
    /// # Errors
    /// The log cannot be read, or was replaced by a new one meanwhile.
    pub fn changes_by(&self, user: &str) -> io::Result<Vec<String>> {
        self.changes(|event| event["user"]["username"] == user)
    }

    /// The same of one pod of that user.
    ///
    /// # Errors
    /// See [`AuditLog::changes_by`].
    pub fn changes_by_pod(&self, pod: &str) -> io::Result<Vec<String>> {
        self.changes(|event| event["user"]["extra"]["authentication.kubernetes.io/pod-name"][0] == pod)
    }

    fn changes(&self, by: impl Fn(&Value) -> bool) -> io::Result<Vec<String>> {
        let mut file = File::open(&self.path)?;
        if file.metadata()?.len() < self.from {
            return Err(io::Error::other("the audit log was rotated meanwhile"));
        }
        file.seek(SeekFrom::Start(self.from))?;
        let mut changes = Vec::new();
        for line in BufReader::new(file).lines() {
            let event: Value = serde_json::from_str(&line?)?;
            let verb = event["verb"].as_str().unwrap_or_default();
            let reads = matches!(verb, "get" | "list" | "watch");
            if by(&event) && !reads && event["objectRef"]["resource"] != "leases" {
                changes.push(format!("{verb} {}", event["requestURI"].as_str().unwrap_or_default()));
            }
        }
        Ok(changes)
    }
}
