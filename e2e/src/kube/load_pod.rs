//! kv-load in a pod beside a `KvCluster`: it uses the client Service and cluster DNS as an application does.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::command::{CommandError, image};
use super::namespace::Namespace;
use crate::load::Report;

/// How long writes may fail to come,
const PATIENCE: Duration = Duration::from_secs(60);
/// and how many come in a second at least, where many are waited for.
const SLOWEST: u64 = 100;

/// A running kv-load.
pub struct LoadPod<'a> {
    namespace: &'a Namespace,
    name: String,
}

impl<'a> LoadPod<'a> {
    /// Starts one, with at most so many requests in a second; returns when it runs.
    ///
    /// # Errors
    /// The pod does not run within two minutes, or its log breaks off.
    pub async fn start(
        namespace: &'a Namespace,
        name: &str,
        endpoint: &str,
        rate: u32,
    ) -> Result<Self, CommandError> {
        let manifest = format!(
            r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}"}}, "spec": {{
              "restartPolicy": "Never", "automountServiceAccountToken": false, "enableServiceLinks": false,
              "securityContext": {{"runAsNonRoot": true, "seccompProfile": {{"type": "RuntimeDefault"}}}},
              "containers": [{{"name": "load", "image": "{image}", "imagePullPolicy": "IfNotPresent",
                "args": ["run", "--endpoints={endpoint}", "--prefix={name}/", "--rate={rate}"],
                "resources": {{"limits": {{"memory": "512Mi"}}}},
                "securityContext": {{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                  "capabilities": {{"drop": ["ALL"]}}}}}}]}}}}"#,
            image = image("kv-load")
        );
        namespace.apply(&manifest).await?;
        let load = Self { namespace, name: name.to_owned() };
        namespace.wait(&load.resource(), "jsonpath={.status.phase}=Running", 120).await?;
        Ok(load)
    }

    fn resource(&self) -> String {
        format!("pod/{}", self.name)
    }

    /// Waits until so many more writes were acknowledged.
    ///
    /// # Errors
    /// They are not within a minute and a second for each hundred of them, or the log cannot be read.
    pub async fn more(&self, writes: u64) -> Result<(), CommandError> {
        let wanted = self.written().await? + writes;
        let (begun, patience) = (Instant::now(), PATIENCE + Duration::from_secs(writes / SLOWEST));
        while self.written().await? < wanted {
            if begun.elapsed() > patience {
                let message = format!("no {wanted} writes within {} s", patience.as_secs());
                return Err(CommandError::Failed { command: format!("pod {}", self.name), message });
            }
            // kv-load tells once a second, and kubectl cannot wait for a line.
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    async fn written(&self) -> Result<u64, CommandError> {
        let log = self.namespace.kubectl(&["logs", &self.name, "--tail=100"]).await?;
        let last = log.lines().rev().find_map(|line| line.split_once(" writes acknowledged")?.0.parse().ok());
        Ok(last.unwrap_or_default())
    }

    /// Writes so many values of so many bytes, beside its load.
    ///
    /// # Errors
    /// One is refused.
    pub async fn fill(&self, endpoint: &str, values: u64, bytes: u64) -> Result<(), CommandError> {
        let [values, bytes] = [format!("--values={values}"), format!("--bytes={bytes}")];
        let fill = ["kv-load", "fill", &format!("--endpoints={endpoint}"), &values, &bytes];
        self.namespace.kubectl(&[&["exec", &self.name, "--"], &fill[..]].concat()).await.map(drop)
    }

    /// Stops it; what its clients saw, checked by itself.
    ///
    /// # Errors
    /// It does not end within two minutes, or leaves no report.
    pub async fn stop(self) -> Result<Report, CommandError> {
        self.namespace.kubectl(&["exec", &self.name, "--", "kv-load", "stop"]).await?;
        let ended = "jsonpath={.status.containerStatuses[0].state.terminated}";
        self.namespace.wait(&self.resource(), ended, 120).await?;
        let log = self.namespace.kubectl(&["logs", &self.name]).await?;
        let report = log.lines().next_back().and_then(|line| serde_json::from_str(line).ok());
        report.ok_or_else(|| CommandError::Failed {
            command: format!("kv-load in pod {}", self.name),
            message: log.lines().rev().take(20).collect::<Vec<_>>().join("\n"),
        })
    }
}
