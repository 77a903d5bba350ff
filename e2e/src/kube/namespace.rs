//! A namespace for one test.

use std::path::{Path, PathBuf};

use super::command::{CommandError, kubectl, kubectl_stdin};
use super::helm::Operator;

/// Made for one test, with pod security enforced as in a careful installation.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// An empty namespace, also if an earlier run left one of this name.
    ///
    /// # Errors
    /// Kubernetes refuses.
    pub async fn create(name: &str) -> Result<Self, CommandError> {
        let name = format!("e2e-{name}");
        kubectl(&["delete", "namespace", &name, "--ignore-not-found", "--timeout=180s"]).await?;
        let manifest = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    \
             pod-security.kubernetes.io/enforce: restricted\n    kvcluster.dev/e2e: \"true\"\n"
        );
        kubectl_stdin(&["apply", "-f", "-"], &manifest).await?;
        let namespace = Self { name };
        // A pod cannot be made before.
        namespace.wait("serviceaccount/default", "create", 60).await?;
        Ok(namespace)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// kubectl in this namespace.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String, CommandError> {
        kubectl(&[&["--namespace", &self.name], arguments].concat()).await
    }

    /// Waits until something holds of an object, as `condition=Ready` of `pod/NAME`.
    ///
    /// # Errors
    /// Not within so many seconds.
    pub async fn wait(&self, object: &str, what: &str, seconds: u32) -> Result<(), CommandError> {
        let (what, seconds) = (format!("--for={what}"), format!("--timeout={seconds}s"));
        self.kubectl(&["wait", object, &what, &seconds]).await.map(drop)
    }

    /// Applies a manifest.
    ///
    /// # Errors
    /// Kubernetes refuses.
    pub async fn apply(&self, manifest: &str) -> Result<String, CommandError> {
        kubectl_stdin(&["--namespace", &self.name, "apply", "-f", "-"], manifest).await
    }

    /// Writes what helps to understand a failure into a folder; what cannot be had is named in its place.
    pub async fn collect(&self, folder: &Path) -> PathBuf {
        let folder = folder.join(&self.name);
        let wanted: [(&str, &[&str]); 4] = [
            ("objects.yaml", &["get", "kvclusters,statefulsets,pods,pvc,services,pdb", "-o", "yaml"]),
            ("events", &["get", "events", "--sort-by=.lastTimestamp"]),
            ("pods", &["describe", "pods"]),
            (
                "logs",
                &[
                    "logs",
                    "--all-containers",
                    "--prefix",
                    "--tail=2000",
                    "-l",
                    "app.kubernetes.io/name=kvcluster",
                ],
            ),
        ];
        for (file, arguments) in wanted {
            keep(&folder, file, self.kubectl(arguments).await);
        }
        keep(&folder, "operator", Operator::kubectl(&["logs", "deployment/kvcluster", "--tail=5000"]).await);
        keep(
            &folder,
            "operator-before",
            Operator::kubectl(&["logs", "deployment/kvcluster", "--previous"]).await,
        );
        folder
    }

    /// Removes it with everything in it.
    ///
    /// # Errors
    /// It is not gone within three minutes.
    pub async fn delete(self) -> Result<(), CommandError> {
        kubectl(&["delete", "namespace", &self.name, "--timeout=180s"]).await.map(drop)
    }
}

fn keep(folder: &Path, file: &str, printed: Result<String, CommandError>) {
    let text = printed.unwrap_or_else(|error| error.to_string());
    let kept = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(folder.join(file), text));
    if let Err(error) = kept {
        eprintln!("{} cannot be written: {error}", folder.join(file).display());
    }
}
