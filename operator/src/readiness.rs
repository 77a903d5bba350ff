//! Whether the operator works: standing by it does, acting it does once every cache was filled.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is not known yet.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<BTreeSet<&'static str>>);

impl Readiness {
    fn names(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this is waited for.
    pub fn wait_for(&self, name: &'static str) {
        self.names().insert(name);
    }

    /// It is there.
    pub fn arrived(&self, name: &'static str) {
        self.names().remove(name);
    }

    /// What is waited for. Empty: the operator is ready.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        self.names().iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_nothing_is_missing() {
        let readiness = Readiness::default();
        assert!(readiness.missing().is_empty());
        readiness.wait_for("pods");
        readiness.wait_for("claims");
        readiness.arrived("pods");
        assert_eq!(readiness.missing(), ["claims"]);
        readiness.arrived("claims");
        assert!(readiness.missing().is_empty());
    }
}
