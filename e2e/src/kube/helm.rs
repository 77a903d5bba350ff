//! The operator, installed from the chart.

use serde_json::Value;

use super::command::{CommandError, image, kubectl, repository, run};

/// The namespace of the operator.
const NAMESPACE: &str = "kvcluster-system";
const RELEASE: &str = "kvcluster";
const SELECTOR: &str = "app.kubernetes.io/name=kvcluster-operator";

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
        let operator = format!("image.repository={}", repository("kv-operator"));
        let members = format!("test.image={}", image("kv-node"));
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
            &operator,
            "--set",
            &members,
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

    /// `helm test`; what it prints.
    ///
    /// # Errors
    /// The test fails.
    pub async fn test() -> Result<String, CommandError> {
        run("helm", &["test", RELEASE, "--namespace", NAMESPACE, "--timeout=400s"], "").await
    }

    /// Makes it end right after each action of this name, until it is told another, or none. It is started anew.
    ///
    /// # Errors
    /// It is not within two minutes.
    pub async fn crash_after(action: Option<&str>) -> Result<(), CommandError> {
        let variable = "KV_OPERATOR_EXIT_AFTER";
        let change = action.map_or_else(|| format!("{variable}-"), |action| format!("{variable}={action}"));
        Self::kubectl(&["set", "env", "deployment/kvcluster", &change]).await?;
        Self::kubectl(&["rollout", "status", "deployment/kvcluster", "--timeout=120s"]).await.map(drop)
    }

    /// Waits until it has crashed as it was told.
    ///
    /// # Errors
    /// It has not within a minute.
    pub async fn crashed() -> Result<(), CommandError> {
        let code = "--for=jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}=86";
        Self::kubectl(&["wait", "pods", "-l", SELECTOR, code, "--timeout=60s"]).await.map(drop)
    }

    /// The pods of the operator.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn pods() -> Result<Vec<String>, CommandError> {
        let names = "jsonpath={.items[*].metadata.name}";
        let printed = Self::kubectl(&["get", "pods", "-l", SELECTOR, "-o", names]).await?;
        Ok(printed.split_whitespace().map(str::to_owned).collect())
    }

    /// The pod that acts.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn holder() -> Result<String, CommandError> {
        Self::kubectl(&["get", "lease/kvcluster-operator", "-o", "jsonpath={.spec.holderIdentity}"]).await
    }

    /// What it did so far: each line of its log that tells of an action.
    ///
    /// # Errors
    /// It does not run.
    pub async fn actions() -> Result<Vec<Value>, CommandError> {
        let log = Self::kubectl(&["logs", "deployment/kvcluster"]).await?;
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(lines.filter(|line| line["message"] == "acts").collect())
    }

    /// kubectl in the operator's namespace.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn kubectl(arguments: &[&str]) -> Result<String, CommandError> {
        kubectl(&[&["--namespace", NAMESPACE], arguments].concat()).await
    }
}
