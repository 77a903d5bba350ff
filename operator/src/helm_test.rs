//! `helm test`: makes a small cluster, writes, loses a member's pod, reads what was written, and removes the cluster.

use std::fmt;
use std::time::Duration;

use clap::Args;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, PostParams, Preconditions};
use proto::v1::kv_client::KvClient;
use proto::v1::{GetRequest, PutRequest};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::{Channel, Endpoint};

/// Between two looks at something that is waited for.
const PAUSE: Duration = Duration::from_millis(500);
/// How many keys are written each time.
const KEYS: usize = 20;

/// What `helm test` does, and with what.
#[derive(Args, Clone, Debug)]
pub struct HelmTestOptions {
    /// The name of the cluster that is made, and removed in the end.
    #[arg(long)]
    pub cluster: String,
    /// Its namespace.
    #[arg(long)]
    pub namespace: String,
    /// The image of its members.
    #[arg(long)]
    pub image: String,
    /// The size of its volumes.
    #[arg(long)]
    pub storage: String,
    /// The class of its volumes; none: the default class.
    #[arg(long)]
    pub storage_class: Option<String>,
    /// After so long the test has failed, as `90s` or `5m`.
    #[arg(long, default_value = "5m", value_parser = duration)]
    pub timeout: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(span).map_err(|_| "a time is not negative".to_owned())
}

/// Why the test failed.
#[derive(thiserror::Error, Debug)]
pub enum Failure {
    /// The API server refused, or cannot be reached.
    #[error("{call}: {source}")]
    Kubernetes {
        /// What was asked of it.
        call: &'static str,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// Something did not happen.
    #[error("{what} took longer than the time of the test; last seen: {last}")]
    TooLong {
        /// What was waited for.
        what: &'static str,
        /// How it was when the time was over.
        last: String,
    },
    /// The cluster lost a write that it had acknowledged.
    #[error("the key {key} was acknowledged as {written:?}, and reads as {read:?}")]
    WrongValue {
        /// The key.
        key: String,
        /// Its value.
        written: String,
        /// What was read.
        read: Option<String>,
    },
    /// The name of the Service is no address.
    #[error("{address} is no address: {source}")]
    Address {
        /// The address.
        address: String,
        /// Why not.
        source: tonic::transport::Error,
    },
}

fn api(call: &'static str) -> impl FnOnce(kube::Error) -> Failure {
    move |error| Failure::Kubernetes { call, source: Box::new(error) }
}

/// Runs the test, and says on standard output what it does.
///
/// # Errors
/// It failed. The cluster is removed all the same.
pub async fn run(options: HelmTestOptions, client: Client) -> Result<(), Failure> {
    let test = Test::new(options, client)?;
    test.remove().await?;
    let result = test.use_cluster().await;
    if let Err(failure) = &result {
        say(format_args!("failed: {failure}"));
        say(format_args!("the status of the cluster: {}", test.status().await));
    }
    test.remove().await?;
    result
}

fn say(what: fmt::Arguments<'_>) {
    println!("helm-test: {what}");
}

struct Test {
    options: HelmTestOptions,
    until: Instant,
    clusters: Api<DynamicObject>,
    kind: ApiResource,
    pods: Api<Pod>,
    kv: KvClient<Channel>,
}

impl Test {
    fn new(options: HelmTestOptions, client: Client) -> Result<Self, Failure> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("kvcluster.dev", "v1alpha1", "KvCluster"));
        let address = format!("http://{}.{}.svc:7400", options.cluster, options.namespace);
        let invalid = |source| Failure::Address { address: address.clone(), source };
        let endpoint = Endpoint::from_shared(address.clone()).map_err(invalid)?;
        let endpoint = endpoint.connect_timeout(Duration::from_secs(2)).timeout(Duration::from_secs(5));
        Ok(Self {
            until: Instant::now() + options.timeout,
            clusters: Api::namespaced_with(client.clone(), &options.namespace, &kind),
            pods: Api::namespaced(client, &options.namespace),
            kv: KvClient::new(endpoint.connect_lazy()),
            kind,
            options,
        })
    }

    async fn use_cluster(&self) -> Result<(), Failure> {
        let created = Instant::now();
        let cluster = self.clusters.create(&PostParams::default(), &self.cluster()).await;
        cluster.map_err(api("create the KvCluster"))?;
        say(format_args!("created KvCluster {} with three members", self.options.cluster));
        self.wait("until the cluster is available", async || self.available().await).await?;
        say(format_args!("it is available after {} s", created.elapsed().as_secs()));
        self.write("before").await?;
        self.read("before").await?;
        say(format_args!("{KEYS} keys are written, and read again"));
        let lost = self.delete_pod().await?;
        let deleted = Instant::now();
        self.read("before").await?;
        self.write("after").await?;
        say(format_args!(
            "all keys are there, and others were written, {} s later",
            deleted.elapsed().as_secs()
        ));
        self.wait_for_successor(&lost).await?;
        self.wait("until the cluster is available again", async || self.available().await).await?;
        self.read("before").await?;
        self.read("after").await?;
        say(format_args!("the cluster has healed, and all keys are there"));
        Ok(())
    }

    fn cluster(&self) -> DynamicObject {
        let mut storage = json!({ "size": self.options.storage, "retention": "Delete" });
        if let Some(class) = &self.options.storage_class {
            storage["storageClassName"] = json!(class);
        }
        let resources =
            json!({ "requests": { "cpu": "50m", "memory": "256Mi" }, "limits": { "memory": "512Mi" } });
        let spec = json!({
            "replicas": 3,
            "image": self.options.image,
            "storage": storage,
            "resources": resources,
        });
        DynamicObject::new(&self.options.cluster, &self.kind).data(json!({ "spec": spec }))
    }

    /// Nothing: it is. Otherwise how it is.
    async fn available(&self) -> Result<(), String> {
        let cluster = self.clusters.get(&self.options.cluster).await.map_err(|error| error.to_string())?;
        let conditions = cluster.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let available = conditions.iter().any(|found| {
            found["type"] == "Available"
                && found["status"] == "True"
                && found["observedGeneration"].as_i64() == cluster.metadata.generation
        });
        let ready = cluster.data["status"]["members"].as_array().is_some_and(|members| {
            members.len() == 3 && members.iter().all(|member| member["ready"] == true)
        });
        if available && ready {
            return Ok(());
        }
        Err(Value::Array(conditions).to_string())
    }

    async fn status(&self) -> String {
        match self.clusters.get(&self.options.cluster).await {
            Ok(cluster) => cluster.data["status"].to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Deletes the pod of the first member, which leads unless something has happened.
    async fn delete_pod(&self) -> Result<Pod, Failure> {
        let name = self.first_pod();
        let pod = self.pods.get(&name).await.map_err(api("get the pod of member 1"))?;
        let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        self.pods.delete(&name, &parameters).await.map_err(api("delete the pod of member 1"))?;
        say(format_args!("deleted pod {name}"));
        Ok(pod)
    }

    async fn wait_for_successor(&self, lost: &Pod) -> Result<(), Failure> {
        self.wait("until the pod has a successor", async || match self.pods.get(&self.first_pod()).await {
            Ok(pod) if pod.metadata.uid != lost.metadata.uid => Ok(()),
            Ok(_) => Err("it is still there".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .await
    }

    fn first_pod(&self) -> String {
        format!("{}-m1-0", self.options.cluster)
    }

    async fn write(&self, prefix: &str) -> Result<(), Failure> {
        for (key, value) in pairs(prefix) {
            let request = PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() };
            self.wait("a write", async || {
                self.kv.clone().put(request.clone()).await.map(drop).map_err(|error| error.to_string())
            })
            .await?;
        }
        Ok(())
    }

    async fn read(&self, prefix: &str) -> Result<(), Failure> {
        for (key, written) in pairs(prefix) {
            let request = GetRequest { key: key.clone().into(), ..GetRequest::default() };
            let answer = self
                .wait("a read", async || {
                    self.kv.clone().get(request.clone()).await.map_err(|error| error.to_string())
                })
                .await?;
            let value = answer.into_inner().value;
            let read = value.map(|value| String::from_utf8_lossy(&value.value).into_owned());
            if read.as_deref() != Some(written.as_str()) {
                return Err(Failure::WrongValue { key, written, read });
            }
        }
        Ok(())
    }

    /// Removes the cluster if it is there, and waits until it is gone.
    async fn remove(&self) -> Result<(), Failure> {
        let name = &self.options.cluster;
        match self.clusters.delete(name, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            Err(error) => return Err(api("delete the KvCluster")(error)),
        }
        // A test that ran out of time still cleans up.
        let until = self.until.max(Instant::now() + Duration::from_secs(60));
        wait_until(until, "until the cluster is gone", async || match self.clusters.get_opt(name).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err("it is being deleted".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .await?;
        say(format_args!("removed KvCluster {name}"));
        Ok(())
    }

    async fn wait<T>(
        &self,
        what: &'static str,
        look: impl AsyncFnMut() -> Result<T, String>,
    ) -> Result<T, Failure> {
        wait_until(self.until, what, look).await
    }
}

/// Looks again until it is so. The last reason why it is not is told when the time is over.
async fn wait_until<T>(
    until: Instant,
    what: &'static str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, Failure> {
    let mut last = "nothing".to_owned();
    loop {
        match timeout_at(until, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(reason)) => last = reason,
            Err(_) => return Err(Failure::TooLong { what, last }),
        }
        if Instant::now() + PAUSE >= until {
            return Err(Failure::TooLong { what, last });
        }
        sleep(PAUSE).await;
    }
}

fn pairs(prefix: &str) -> impl Iterator<Item = (String, String)> + use<'_> {
    (1..=KEYS).map(move |number| (format!("helm-test/{prefix}/{number}"), format!("{prefix} {number}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_the_chart_writes_them() {
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        assert!(duration("5").is_err());
        assert!(duration("-5m").is_err());
    }

    #[tokio::test]
    async fn what_does_not_happen_is_told_with_its_last_reason() {
        let mut looks = 0;
        let until = Instant::now() + Duration::from_millis(1300);
        let failure = wait_until(until, "a thing", async || {
            looks += 1;
            Err::<(), _>(format!("look {looks}"))
        });
        let failure = failure.await.unwrap_err();
        assert!(matches!(&failure, Failure::TooLong { what: "a thing", last } if last.starts_with("look ")));
        assert!(looks >= 2);
    }
}
