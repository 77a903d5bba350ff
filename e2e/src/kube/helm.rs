//! The operator, installed from the chart.

use super::command::{CommandError, kubectl, repository, run};

/// The namespace of the operator.
const NAMESPACE: &str = "kvcluster-system";
const RELEASE: &str = "kvcluster";

/// The chart's release. Tests run one after the other, so there is one for all of them.
pub struct Operator;

impl Operator {
    /// As the API server knows it.
    pub const USER: &str = "system:serviceaccount:kvcluster-system:kvcluster";

    /// Installs or upgrades the release and waits until it is ready; `values` are as after `--set`.
    ///
    /// # Errors
    /// Helm refuses, or the operator does not become ready within two minutes.
    pub async fn install(values: &[&str]) -> Result<(), CommandError> {
        let repository = format!("image.repository={}", repository("kv-operator"));
        let mut arguments = vec![
            "upgrade",
            "--install",
            RELEASE,
            concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/kvcluster"),
            "--namespace",
            NAMESPACE,
            "--create-namespace",
            "--wait",
            "--timeout=120s",
            "--set",
            &repository,
        ];
        for value in values {
            arguments.extend(["--set", value]);
        }
        run("helm", &arguments, "").await.map(drop)
    }

    /// Removes the release; clusters stay.
    ///
    /// # Errors
    /// Helm refuses.
    pub async fn uninstall() -> Result<(), CommandError> {
        run("helm", &["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait"], "").await.map(drop)
    }

    /// kubectl in the operator's namespace.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn kubectl(arguments: &[&str]) -> Result<String, CommandError> {
        kubectl(&[&["--namespace", NAMESPACE], arguments].concat()).await
    }
}
