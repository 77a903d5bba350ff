//! What is kept right at all times, because it does no harm: Services, the disruption budget, labels of pods.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{DeleteParams, Preconditions};
use kube::runtime::reflector::{ObjectRef, Store};
use planner::{Plan, Role};
use serde_json::json;

use crate::caches::Caches;
use crate::error::Error;
use crate::live::{Live, Object, described};
use crate::objects::{self, labels, needs_apply};
use crate::observe::Seen;

/// The owner of the labels of pods, and of their templates, that the operator keeps right.
const LABELLING_MANAGER: &str = "kvcluster-operator-labels";

/// Keeps the objects of one cluster right.
#[derive(Clone, Copy, Debug)]
pub struct Upkeep<'a> {
    /// The cluster, and its objects.
    pub live: Live<'a>,
    /// What the API server holds.
    pub caches: &'a Caches,
}

impl Upkeep<'_> {
    /// Applies what differs from what it should be: all of it, whatever of it is refused.
    ///
    /// # Errors
    /// The first: the lease is not held, or the API server refuses or cannot be reached.
    pub async fn run(self, seen: &Seen, plan: &Plan) -> Result<(), Error> {
        let mut kept = self.service(objects::peer_service(self.live.cluster)).await;
        kept = kept.and(self.service(objects::client_service(self.live.cluster)).await);
        for set in seen.members.values().filter_map(|sight| sight.set.as_deref()) {
            kept = kept.and(self.template_label(set).await);
        }
        // Without a list of members nothing is known about them.
        if plan.roles.is_empty() {
            return kept;
        }
        kept = kept.and(self.budget(plan.min_available).await);
        for (node, sight) in &seen.members {
            if let Some(pod) = &sight.pod {
                kept = kept.and(self.pod_labels(pod, plan.roles.get(node).copied(), plan.serving).await);
            }
        }
        kept
    }

    /// Applies what the spec says of the volumes of members: their size, and whether they go with the KvCluster.
    ///
    /// # Errors
    /// The lease is not held, or the API server cannot be reached or refuses, such as to make a volume larger that its
    /// storage class cannot.
    pub async fn volumes(self, seen: &Seen, plan: &Plan) -> Result<(), Error> {
        let mut kept = Ok(());
        for (node, sight) in seen.members.iter().filter(|(node, _)| plan.roles.contains_key(node)) {
            let Some(live) = &sight.claim else { continue };
            let wanted = objects::claim(self.live.cluster, node.0);
            let is_ours = live.labels().get(labels::CLUSTER_ID) == wanted.labels().get(labels::CLUSTER_ID);
            if is_ours && live.metadata.deletion_timestamp.is_none() {
                kept = kept.and(self.keep("apply PersistentVolumeClaim", &self.caches.claims, &wanted).await);
            }
        }
        kept
    }

    fn cached<K: Object + 'static>(self, store: &Store<K>, name: &str) -> Option<Arc<K>> {
        store.get(&ObjectRef::new(name).within(&self.live.cluster.namespace().unwrap_or_default()))
    }

    async fn service(self, wanted: Service) -> Result<(), Error> {
        self.keep("apply Service", &self.caches.services, &wanted).await
    }

    async fn keep<K: Object + 'static>(
        self,
        call: &'static str,
        store: &Store<K>,
        wanted: &K,
    ) -> Result<(), Error> {
        let name = wanted.name_any();
        match self.cached(store, &name) {
            Some(live) if !needs_apply(&*live, wanted) => return Ok(()),
            Some(_) => {}
            // Not of the operator, or not in the cache yet.
            None => {
                let live = self.live.read::<K>(&name).await?;
                let is_foreign =
                    |live: &K| live.labels().get(labels::CLUSTER) != wanted.labels().get(labels::CLUSTER);
                if live.is_some_and(|live| is_foreign(&live)) {
                    return Err(Error::NameTaken { what: described::<K>(&name) });
                }
            }
        }
        self.live.apply(call, wanted).await
    }

    async fn budget(self, min_available: Option<u32>) -> Result<(), Error> {
        let call = "apply PodDisruptionBudget";
        if let Some(min_available) = min_available {
            let wanted = objects::budget(self.live.cluster, min_available);
            return self.keep(call, &self.caches.budgets, &wanted).await;
        }
        let name = self.live.cluster.name_any();
        let Some(live) = self.cached(&self.caches.budgets, &name) else { return Ok(()) };
        let preconditions = Preconditions { uid: live.uid(), resource_version: None };
        let parameters = DeleteParams::default().preconditions(preconditions);
        let budgets = self.live.objects::<PodDisruptionBudget>();
        let deleted = budgets.delete(&name, &parameters);
        unless_race(self.live.kube.change("delete PodDisruptionBudget", deleted).await.map(drop))
    }

    async fn template_label(self, set: &StatefulSet) -> Result<(), Error> {
        let Some(patch) = objects::set::serving(self.live.cluster, set) else { return Ok(()) };
        let call = "label the template of StatefulSet";
        unless_race(self.live.merge::<StatefulSet>(call, LABELLING_MANAGER, &set.name_any(), patch).await)
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
        let patch = json!({ "metadata": {
            "uid": pod.uid(),
            "labels": { labels::ROLE: role_wanted, labels::SERVING: serving_wanted },
        }});
        unless_race(self.live.merge::<Pod>("label pod", LABELLING_MANAGER, &pod.name_any(), patch).await)
    }
}

/// It is gone, or has changed since the cache heard of it: the next pass sees what there is then.
fn unless_race(result: Result<(), Error>) -> Result<(), Error> {
    if result.as_ref().is_err_and(Error::is_race) { Ok(()) } else { result }
}
