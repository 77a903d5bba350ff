//! What the API server wrote down of its requests.

use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

/// The audit log of dev/kube, from a moment on.
pub struct AuditLog {
    path: PathBuf,
    from: u64,
}

impl AuditLog {
    /// From now on; none if this Kubernetes keeps none that can be read here.
    #[must_use]
    pub fn from_now() -> Option<Self> {
        let path = PathBuf::from(std::env::var_os("KVCLUSTER_AUDIT_LOG")?);
        let from = path.metadata().ok()?.len();
        Some(Self { path, from })
    }

    /// What this user changed since then, except Leases: verb and object of each request.
    ///
    /// # Errors
    /// The log cannot be read, or was replaced by a new one meanwhile.
    pub fn changes_by(&self, user: &str) -> io::Result<Vec<String>> {
        let mut file = std::fs::File::open(&self.path)?;
        if file.metadata()?.len() < self.from {
            return Err(io::Error::other("the audit log was rotated meanwhile"));
        }
        file.seek(SeekFrom::Start(self.from))?;
        let mut changes = Vec::new();
        for line in BufReader::new(file).lines() {
            let event: Value = serde_json::from_str(&line?)?;
            let verb = event["verb"].as_str().unwrap_or_default();
            let reads = matches!(verb, "get" | "list" | "watch");
            if event["user"]["username"] == user && !reads && event["objectRef"]["resource"] != "leases" {
                changes.push(format!("{verb} {}", event["requestURI"].as_str().unwrap_or_default()));
            }
        }
        Ok(changes)
    }
}
