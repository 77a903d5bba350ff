//! What the API server holds, as watched: one watch a resource, each with its own back-off, so that one that is refused
//! stops no other.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::api::KvCluster;
use crate::metrics::{ClusterKey, Metrics};
use crate::objects::labels;
use crate::readiness::Readiness;
use crate::trigger::Triggers;

/// A cluster as it was written, or why it cannot be read.
pub type Written = DeserializeGuard<KvCluster>;

/// The server ends a watch after so many seconds, so that a dead connection is noticed about then.
const WATCH_SECONDS: u32 = 60;

/// The objects of all clusters.
#[derive(Clone, Debug)]
pub struct Caches {
    /// The clusters themselves.
    pub clusters: Store<Written>,
    /// A StatefulSet for each member.
    pub sets: Store<StatefulSet>,
    /// A volume claim for each member.
    pub claims: Store<PersistentVolumeClaim>,
    /// The pods of the StatefulSets.
    pub pods: Store<Pod>,
    /// Two for each cluster.
    pub services: Store<Service>,
    /// One for each cluster with several voters.
    pub budgets: Store<PodDisruptionBudget>,
}

/// What every watch needs.
#[derive(Clone)]
pub struct Watching {
    /// To watch with: it must not repeat anything by itself.
    pub client: Client,
    /// The namespace to watch; none: all.
    pub scope: Option<String>,
    /// Told of every change.
    pub triggers: Triggers,
    /// Told how the watches are.
    pub metrics: Arc<Metrics>,
    /// Told when the caches are filled.
    pub readiness: Arc<Readiness>,
}

impl Watching {
    /// Begins to watch, for as long as the runtime lives.
    #[must_use]
    pub fn start(&self) -> Caches {
        let ours = watcher::Config::default().labels(labels::MANAGED_BY_SELECTOR).timeout(WATCH_SECONDS);
        let every = watcher::Config::default().timeout(WATCH_SECONDS);
        Caches {
            clusters: self.follow(
                "kvclusters",
                every,
                |cluster: &Written| key(cluster, &cluster.name_any()),
                whole,
            ),
            sets: self.follow("statefulsets", ours.clone(), owner, without_pod_spec),
            claims: self.follow("persistentvolumeclaims", ours.clone(), owner, whole),
            pods: self.follow("pods", ours.clone(), owner, without_spec),
            services: self.follow("services", ours.clone(), owner, whole),
            budgets: self.follow("poddisruptionbudgets", ours, owner, whole),
        }
    }

    fn follow<K>(
        &self,
        name: &'static str,
        config: watcher::Config,
        cluster_of: impl Fn(&K) -> Option<ClusterKey> + Send + 'static,
        trim: fn(&mut K),
    ) -> Store<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: DeserializeOwned + Clone + Debug + Send + Sync + 'static,
    {
        let (reader, writer) = reflector::store();
        let api: Api<K> = match &self.scope {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let Self { triggers, metrics, readiness, .. } = self.clone();
        readiness.wait_for(name);
        let events = watcher(api, config)
            .default_backoff()
            .modify(move |object| {
                // By far the largest part of most objects, and of no use here.
                object.meta_mut().managed_fields = None;
                trim(object);
            })
            .reflect(writer);
        tokio::spawn(async move {
            let mut events = pin!(events);
            let mut listed = BTreeSet::new();
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => {
                        metrics.watch_works(name);
                        match event {
                            watcher::Event::Init => listed.clear(),
                            // Not in the cache before all are.
                            watcher::Event::InitApply(object) => listed.extend(cluster_of(&object)),
                            watcher::Event::InitDone => {
                                readiness.arrived(name);
                                std::mem::take(&mut listed).into_iter().for_each(|one| triggers.pull(one));
                            }
                            watcher::Event::Apply(object) | watcher::Event::Delete(object) => {
                                cluster_of(&object).into_iter().for_each(|one| triggers.pull(one));
                            }
                        }
                    }
                    Err(error) => {
                        metrics.watch_failed(name);
                        tracing::warn!(resource = name, %error, "the watch failed and is begun anew");
                    }
                }
            }
        });
        reader
    }
}

impl Caches {
    /// Waits until each was filled once.
    pub async fn filled(&self) {
        // Their watches live as long as the runtime.
        let _ = self.clusters.wait_until_ready().await;
        let _ = self.sets.wait_until_ready().await;
        let _ = self.claims.wait_until_ready().await;
        let _ = self.pods.wait_until_ready().await;
        let _ = self.services.wait_until_ready().await;
        let _ = self.budgets.wait_until_ready().await;
    }
}

/// All of it is compared with what it should be, or planned on.
fn whole<K>(_: &mut K) {}

/// What is planned on is how many pods it has, and labels and annotations.
fn without_pod_spec(set: &mut StatefulSet) {
    if let Some(spec) = &mut set.spec {
        spec.template.spec = None;
    }
}

/// What is planned on is its status, and labels and annotations.
fn without_spec(pod: &mut Pod) {
    pod.spec = None;
}

fn key(object: &impl ResourceExt, cluster: &str) -> Option<ClusterKey> {
    object.namespace().map(|namespace| ClusterKey::new(&namespace, cluster))
}

/// The cluster that an object belongs to.
fn owner(object: &impl ResourceExt) -> Option<ClusterKey> {
    key(object, object.labels().get(labels::CLUSTER)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_triggers_the_cluster_that_its_label_names() {
        let mut pod = Pod::default();
        pod.metadata.namespace = Some("ns".to_owned());
        assert_eq!(owner(&pod), None);
        pod.labels_mut().insert(labels::CLUSTER.to_owned(), "c".to_owned());
        assert_eq!(owner(&pod), Some(ClusterKey::new("ns", "c")));
    }
}
