//! A `KvCluster`, as its users handle it.

use std::path::PathBuf;

use serde_json::Value;

use super::command::{CommandError, image, kubectl};
use super::load_pod::LoadPod;
use super::namespace::Namespace;

/// Requests of an ordinary load in a second,
const RATE: u32 = 200;
/// and writes that show that it goes on.
const ENOUGH: u64 = 300;

/// A `KvCluster` in a namespace.
pub struct KvCluster<'a> {
    namespace: &'a Namespace,
    name: String,
}

impl<'a> KvCluster<'a> {
    /// Applies one with so many replicas; `more` are further lines of its spec.
    ///
    /// # Errors
    /// Kubernetes refuses.
    pub async fn apply(
        namespace: &'a Namespace,
        name: &str,
        replicas: u32,
        more: &str,
    ) -> Result<Self, CommandError> {
        let more: String = more.lines().map(|line| format!("  {line}\n")).collect();
        let manifest = format!(
            "apiVersion: kvcluster.dev/v1alpha1\nkind: KvCluster\nmetadata:\n  name: {name}\nspec:\n  \
             replicas: {replicas}\n  image: {}\n  storage:\n    size: 256Mi\n{more}",
            image("kv-node")
        );
        namespace.apply(&manifest).await?;
        Ok(Self { namespace, name: name.to_owned() })
    }

    /// Applies one called `kv`, and waits until it is available.
    ///
    /// # Errors
    /// Kubernetes refuses, or it is not within so many seconds.
    pub async fn running(
        namespace: &'a Namespace,
        replicas: u32,
        seconds: u32,
    ) -> Result<Self, CommandError> {
        let cluster = Self::apply(namespace, "kv", replicas, "").await?;
        cluster.wait_available(seconds).await?;
        Ok(cluster)
    }

    /// A load on it that has begun in earnest.
    ///
    /// # Errors
    /// See [`LoadPod::start`] and [`LoadPod::more`].
    pub async fn under_load(&self, load: &str) -> Result<LoadPod<'a>, CommandError> {
        let load = LoadPod::start(self.namespace, load, &self.endpoint(), RATE).await?;
        load.more(ENOUGH).await?;
        Ok(load)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its client Service, as host:port within the cluster.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}.{}.svc:7400", self.name, self.namespace.name())
    }

    fn resource(&self) -> String {
        format!("kvcluster/{}", self.name)
    }

    /// Waits until what the spec asks for is done. kubectl compares the generation that the condition is about.
    ///
    /// # Errors
    /// Not within so many seconds.
    pub async fn wait_available(&self, seconds: u32) -> Result<(), CommandError> {
        self.wait("condition=Available", seconds).await
    }

    /// `kubectl wait --for`.
    ///
    /// # Errors
    /// Not within so many seconds.
    pub async fn wait(&self, condition: &str, seconds: u32) -> Result<(), CommandError> {
        self.namespace.wait(&self.resource(), condition, seconds).await
    }

    /// `kubectl scale`.
    ///
    /// # Errors
    /// Kubernetes refuses.
    pub async fn scale(&self, replicas: u32) -> Result<(), CommandError> {
        let replicas = format!("--replicas={replicas}");
        self.namespace.kubectl(&["scale", &self.resource(), &replicas]).await.map(drop)
    }

    /// Changes its spec by a merge patch.
    ///
    /// # Errors
    /// Kubernetes refuses.
    pub async fn patch(&self, patch: &str) -> Result<(), CommandError> {
        self.namespace.kubectl(&["patch", &self.resource(), "--type=merge", "--patch", patch]).await.map(drop)
    }

    /// As the API server has it.
    ///
    /// # Errors
    /// It is not there.
    pub async fn get(&self) -> Result<Value, CommandError> {
        let printed = self.namespace.kubectl(&["get", &self.resource(), "-o", "json"]).await?;
        serde_json::from_str(&printed).map_err(|error| CommandError::Failed {
            command: format!("kubectl get {}", self.resource()),
            message: error.to_string(),
        })
    }

    /// The node ids of its members, as its status says.
    ///
    /// # Errors
    /// It is not there.
    pub async fn members(&self) -> Result<Vec<u64>, CommandError> {
        let object = self.get().await?;
        let members = object["status"]["members"].as_array().into_iter().flatten();
        Ok(members.filter_map(|member| member["node"].as_u64()).collect())
    }

    /// The node id of its leader, as its status says; 0: none.
    ///
    /// # Errors
    /// It is not there.
    pub async fn leader(&self) -> Result<u64, CommandError> {
        Ok(self.get().await?["status"]["leader"].as_u64().unwrap_or_default())
    }

    /// Name, uid and number of restarts of each of its pods.
    ///
    /// # Errors
    /// Kubernetes refuses.
    pub async fn pods(&self) -> Result<Vec<(String, String)>, CommandError> {
        let selector = format!("kvcluster.dev/cluster={}", self.name);
        let columns = "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} \
                       {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}";
        let printed = self.namespace.kubectl(&["get", "pods", "-l", &selector, "-o", columns]).await?;
        let mut pods: Vec<_> = printed
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, life)| (name.to_owned(), life.to_owned()))
            .collect();
        pods.sort();
        Ok(pods)
    }

    /// Waits until nothing is left to be done or waited for, whatever its spec asked for when.
    ///
    /// # Errors
    /// Not within so many seconds.
    pub async fn wait_at_rest(&self, seconds: u32) -> Result<(), CommandError> {
        self.wait("condition=Progressing=False", seconds).await
    }

    /// The folder of this machine that is the volume of a member.
    ///
    /// # Errors
    /// It has none.
    pub async fn volume(&self, node: u64) -> Result<PathBuf, CommandError> {
        let (claim, name) = (self.member(node), "jsonpath={.spec.volumeName}");
        let volume = self.namespace.kubectl(&["get", "pvc", &claim, "-o", name]).await?;
        let path = kubectl(&["get", "pv", &volume, "-o", "jsonpath={.spec.local.path}"]).await?;
        if path.is_empty() {
            let message = "it is no folder of this machine".to_owned();
            return Err(CommandError::Failed { command: format!("look for volume {volume}"), message });
        }
        Ok(path.into())
    }

    /// Name of the StatefulSet and of the claim of a member.
    #[must_use]
    pub fn member(&self, node: u64) -> String {
        format!("{}-m{node}", self.name)
    }

    /// Kills the pod of a member without a warning.
    ///
    /// # Errors
    /// It has none.
    pub async fn kill(&self, node: u64) -> Result<(), CommandError> {
        let delete = ["delete", "pod", &self.pod(node), "--grace-period=0", "--force"];
        self.namespace.kubectl(&delete).await.map(drop)
    }

    /// Runs kvctl in the pod of the leader; what it prints.
    ///
    /// # Errors
    /// It says no.
    pub async fn kvctl(&self, arguments: &[&str]) -> Result<String, CommandError> {
        let pod = self.pod(self.leader().await?);
        self.namespace.kubectl(&[&["exec", &pod, "--", "kvctl"], arguments].concat()).await
    }

    /// The pod of a member.
    #[must_use]
    pub fn pod(&self, node: u64) -> String {
        format!("{}-m{node}-0", self.name)
    }
}
