//! What is kept right at all times, because it does no harm: Services, the disruption budget, labels of pods.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use planner::{Plan, Role};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::KvCluster;
use crate::caches::Caches;
use crate::error::Error;
use crate::kubernetes::Kube;
use crate::objects::{self, labels, needs_apply};
use crate::observe::Seen;

/// The owner of all fields that the operator sets in objects.
pub const MANAGER: &str = "kvcluster-operator";
/// The owner of the labels of pods that the operator keeps right.
const LABELLING_MANAGER: &str = "kvcluster-operator-labels";

/// Keeps the objects of one cluster right.
#[derive(Clone, Copy, Debug)]
pub struct Upkeep<'a> {
    /// To reach the API server, under the claim.
    pub kube: &'a Kube,
    /// What the API server holds.
    pub caches: &'a Caches,
    /// The cluster.
    pub cluster: &'a KvCluster,
}

impl Upkeep<'_> {
    /// Applies what differs from what it should be.
    ///
    /// # Errors
    /// The lease is not held, or the API server refuses or cannot be reached.
    pub async fn run(self, seen: &Seen, plan: &Plan) -> Result<(), Error> {
        self.service(objects::peer_service(self.cluster)).await?;
        self.service(objects::client_service(self.cluster)).await?;
        // Without a list of members nothing is known about them.
        if plan.roles.is_empty() {
            return Ok(());
        }
        self.budget(plan.min_available).await?;
        for (node, sight) in &seen.members {
            if let Some(pod) = &sight.pod {
                self.pod_labels(pod, plan.roles.get(node).copied(), plan.serving).await?;
            }
        }
        Ok(())
    }

    /// Applies what the spec says of the volumes of members: their size, and whether they go with the KvCluster.
    ///
    /// # Errors
    /// The lease is not held, or the API server cannot be reached or refuses, such as to make a volume larger that its
    /// storage class cannot.
    pub async fn volumes(self, seen: &Seen, plan: &Plan) -> Result<(), Error> {
        for (node, sight) in seen.members.iter().filter(|(node, _)| plan.roles.contains_key(node)) {
            let Some(live) = &sight.claim else { continue };
            let wanted = objects::claim(self.cluster, node.0);
            let is_ours = live.labels().get(labels::CLUSTER_ID) == wanted.labels().get(labels::CLUSTER_ID);
            if is_ours && live.metadata.deletion_timestamp.is_none() {
                self.keep("apply PersistentVolumeClaim", &self.caches.claims, &wanted).await?;
            }
        }
        Ok(())
    }

    fn api<K>(self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.kube.client(), &self.cluster.namespace().unwrap_or_default())
    }

    fn cached<K>(self, store: &Store<K>, name: &str) -> Option<Arc<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + 'static,
    {
        store.get(&ObjectRef::new(name).within(&self.cluster.namespace().unwrap_or_default()))
    }

    async fn service(self, wanted: Service) -> Result<(), Error> {
        self.keep("apply Service", &self.caches.services, &wanted).await
    }

    async fn keep<K>(self, call: &'static str, store: &Store<K>, wanted: &K) -> Result<(), Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + 'static,
        K: Clone + Debug + Serialize + DeserializeOwned,
    {
        let name = wanted.name_any();
        match self.cached(store, &name) {
            Some(live) if !needs_apply(&*live, wanted) => return Ok(()),
            Some(_) => {}
            // Not of the operator, or not in the cache yet.
            None => {
                let live: Option<K> = self.kube.read("read again", self.api::<K>().get_opt(&name)).await?;
                let is_foreign =
                    |live: &K| live.labels().get(labels::CLUSTER) != wanted.labels().get(labels::CLUSTER);
                if live.is_some_and(|live| is_foreign(&live)) {
                    return Err(Error::NameTaken { what: format!("{} {name}", K::kind(&())) });
                }
            }
        }
        let (parameters, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(wanted));
        self.kube.change(call, self.api::<K>().patch(&name, &parameters, &patch)).await.map(drop)
    }

    async fn budget(self, min_available: Option<u32>) -> Result<(), Error> {
        let call = "apply PodDisruptionBudget";
        if let Some(min_available) = min_available {
            let wanted = objects::budget(self.cluster, min_available);
            return self.keep(call, &self.caches.budgets, &wanted).await;
        }
        let name = self.cluster.name_any();
        let Some(live) = self.cached(&self.caches.budgets, &name) else { return Ok(()) };
        let preconditions = Preconditions { uid: live.uid(), resource_version: None };
        let parameters = DeleteParams::default().preconditions(preconditions);
        let budgets = self.api::<PodDisruptionBudget>();
        match self.kube.change("delete PodDisruptionBudget", budgets.delete(&name, &parameters)).await {
            // The cache did not know yet.
            Err(error) if error.is_race() => Ok(()),
            result => result.map(drop),
        }
    }

    /// `role`: none for a pod that is no member's (yet, or any more): no client is sent there.
    async fn pod_labels(self, pod: &Pod, role: Option<Role>, serving: bool) -> Result<(), Error> {
        let role_wanted = role.map(|role| match role {
            Role::Voter => labels::VOTER,
            Role::Learner => labels::LEARNER,
        });
        let serving_wanted = (serving && role.is_some()).then_some(labels::TRUE);
        let has = |key: &str| pod.labels().get(key).map(String::as_str);
        let is_right = has(labels::ROLE) == role_wanted && has(labels::SERVING) == serving_wanted;
        if is_right || pod.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        // The same name may be another pod by now: then this is refused.
        let patch = Patch::Merge(json!({ "metadata": {
            "uid": pod.uid(),
            "labels": { labels::ROLE: role_wanted, labels::SERVING: serving_wanted },
        }}));
        let parameters =
            PatchParams { field_manager: Some(LABELLING_MANAGER.into()), ..PatchParams::default() };
        let pods = self.api::<Pod>();
        match self.kube.change("label pod", pods.patch(&pod.name_any(), &parameters, &patch)).await {
            // It is gone: its successor is labelled in the next pass.
            Err(error) if error.is_race() => Ok(()),
            result => result.map(drop),
        }
    }
}
