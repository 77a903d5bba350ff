//! About pods.

use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the image is pulled. Default: that of Kubernetes, which depends on the tag.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullPolicy {
    /// Each time a container starts.
    Always,
    /// If the machine does not have it.
    IfNotPresent,
    /// Never.
    Never,
}

impl PullPolicy {
    /// As Kubernetes calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// Labels and annotations that the operator does not use itself.
pub(super) fn foreign_keys(field: &str) -> Rule {
    let message =
        format!("{field} must not begin with kvcluster.dev/ or app.kubernetes.io/: the operator sets those");
    Rule::new("self.all(key, !key.startsWith('kvcluster.dev/') && !key.startsWith('app.kubernetes.io/'))")
        .message(message.as_str())
}
