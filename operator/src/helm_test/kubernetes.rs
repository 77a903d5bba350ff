//! What the test does with Kubernetes: it makes a KvCluster, looks at it, deletes a pod, and removes the KvCluster.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::wait::wait_until;
use super::{Failure, HelmTestOptions, say};
use crate::api::{KvCluster, KvClusterSpec};
use crate::error::Error;
use crate::kubernetes::connect;

/// How many members the cluster has.
const MEMBERS: usize = 3;
/// A test that ran out of time still cleans up.
const CLEANING_UP: Duration = Duration::from_secs(60);

/// The cluster of the test, as Kubernetes has it.
pub struct Kubernetes {
    name: String,
    until: Instant,
    clusters: Api<KvCluster>,
    pods: Api<Pod>,
}

fn refused(call: &'static str) -> impl FnOnce(kube::Error) -> Failure {
    move |error| Error::api(call, error).into()
}

impl Kubernetes {
    pub async fn connect(options: &HelmTestOptions, until: Instant) -> Result<Self, Failure> {
        let client = connect().await?;
        Ok(Self {
            name: options.cluster.clone(),
            until,
            clusters: Api::namespaced(client.clone(), &options.namespace),
            pods: Api::namespaced(client, &options.namespace),
        })
    }

    pub async fn create(&self, options: &HelmTestOptions) -> Result<(), Failure> {
        let created = self.clusters.create(&PostParams::default(), &cluster(options)?).await;
        created.map_err(refused("create the KvCluster"))?;
        say(format_args!("created KvCluster {} with {MEMBERS} members", self.name));
        Ok(())
    }

    pub async fn wait_until_available(&self) -> Result<(), Failure> {
        wait_until(self.until, "a cluster that is available", async || {
            let cluster = self.clusters.get(&self.name).await.map_err(|error| error.to_string())?;
            if is_available(&cluster) { Ok(()) } else { Err(told(&cluster)) }
        })
        .await
    }

    /// How the cluster is, for people.
    pub async fn status(&self) -> String {
        self.clusters.get(&self.name).await.map_or_else(|error| error.to_string(), |cluster| told(&cluster))
    }

    /// Deletes the pod of the first member, which leads unless something has happened.
    pub async fn delete_pod(&self) -> Result<Pod, Failure> {
        let name = self.first_pod();
        let pod = self.pods.get(&name).await.map_err(refused("get the pod of member 1"))?;
        let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams::default().preconditions(preconditions);
        self.pods.delete(&name, &parameters).await.map_err(refused("delete the pod of member 1"))?;
        say(format_args!("deleted pod {name}"));
        Ok(pod)
    }

    pub async fn wait_for_successor(&self, lost: &Pod) -> Result<(), Failure> {
        wait_until(self.until, "a new pod", async || match self.pods.get(&self.first_pod()).await {
            Ok(pod) if pod.metadata.uid != lost.metadata.uid => Ok(()),
            Ok(_) => Err("the old one is still there".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .await
    }

    fn first_pod(&self) -> String {
        format!("{}-m1-0", self.name)
    }

    /// Removes the cluster if it is there, and waits until it is gone.
    pub async fn remove(&self) -> Result<(), Failure> {
        match self.clusters.delete(&self.name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            Err(error) => return Err(refused("delete the KvCluster")(error)),
        }
        let until = self.until.max(Instant::now() + CLEANING_UP);
        wait_until(until, "the end of the cluster", async || match self.clusters.get_opt(&self.name).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err("it is being deleted".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .await?;
        say(format_args!("removed KvCluster {}", self.name));
        Ok(())
    }
}

fn cluster(options: &HelmTestOptions) -> Result<KvCluster, serde_json::Error> {
    let mut storage = json!({ "size": options.storage, "retention": "Delete" });
    if let Some(class) = &options.storage_class {
        storage["storageClassName"] = json!(class);
    }
    let resources =
        json!({ "requests": { "cpu": "50m", "memory": "256Mi" }, "limits": { "memory": "512Mi" } });
    let spec: KvClusterSpec = serde_json::from_value(json!({
        "replicas": MEMBERS,
        "image": options.image,
        "storage": storage,
        "resources": resources,
    }))?;
    Ok(KvCluster::new(&options.cluster, spec))
}

/// The spec is fulfilled, and all members are ready.
fn is_available(cluster: &KvCluster) -> bool {
    let Some(status) = &cluster.status else { return false };
    let is_fulfilled = status.conditions.iter().any(|condition| {
        condition.type_ == "Available"
            && condition.status == "True"
            && condition.observed_generation == cluster.metadata.generation
    });
    is_fulfilled && status.members.len() == MEMBERS && status.members.iter().all(|member| member.ready)
}

/// What is not as it should be: the conditions that have something to say.
fn told(cluster: &KvCluster) -> String {
    let Some(status) = &cluster.status else { return "no status: does the operator run?".to_owned() };
    let conditions = status.conditions.iter().filter(|condition| !condition.message.is_empty());
    let conditions = conditions.map(|one| format!("{}={} ({})", one.type_, one.status, one.message));
    let members = status.members.iter().map(|one| json!({ "node": one.node, "ready": one.ready }));
    format!("{}; members {}", conditions.collect::<Vec<_>>().join("; "), Value::from_iter(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_status(status: &Value) -> KvCluster {
        serde_json::from_value(json!({
            "metadata": { "name": "c", "generation": 2 },
            "spec": { "image": "i", "storage": { "size": "1Gi" } },
            "status": status,
        }))
        .unwrap()
    }

    fn available(generation: u64, last_is_ready: bool) -> KvCluster {
        with_status(&json!({
            "conditions": [{ "type": "Available", "status": "True", "reason": "Serving", "message": "serves",
                "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z" }],
            "members": [{ "node": 1, "ready": true }, { "node": 2, "ready": true },
                { "node": 3, "ready": last_is_ready }],
        }))
    }

    #[test]
    fn it_is_available_when_the_latest_spec_is_fulfilled_and_all_are_ready() {
        assert!(is_available(&available(2, true)));
        assert!(!is_available(&available(1, true)));
        assert!(!is_available(&available(2, false)));
        assert!(!is_available(&with_status(&json!({}))));
    }

    #[test]
    fn what_is_seen_last_names_conditions_and_members() {
        let text = told(&available(2, false));
        assert!(
            text.contains("Available=True (serves)") && text.contains(r#"{"node":3,"ready":false}"#),
            "{text}"
        );
    }

    #[test]
    fn the_cluster_is_made_of_the_options() {
        let options = HelmTestOptions {
            cluster: "c".to_owned(),
            namespace: "ns".to_owned(),
            image: "kv-node:1".to_owned(),
            storage: "1Gi".to_owned(),
            storage_class: Some("fast".to_owned()),
            timeout: Duration::ZERO,
        };
        let spec = cluster(&options).unwrap().spec;
        assert_eq!((spec.replicas, spec.image.as_str()), (3, "kv-node:1"));
        assert_eq!(spec.storage.storage_class_name.as_deref(), Some("fast"));
    }
}
