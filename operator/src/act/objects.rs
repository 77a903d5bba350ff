//! Objects of one member are made, changed and deleted.

use std::fmt::Debug;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use planner::{NodeId, Uid};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Act;
use super::live::described;
use crate::error::Error;
use crate::objects::{self, labels, names};
use crate::upkeep::MANAGER;

/// The owner of the mark on a claim, which must survive every apply of the claim itself.
const MARKING_MANAGER: &str = "kvcluster-operator-removal";

impl Act<'_> {
    pub(super) async fn create_claim(self, node: NodeId) -> Result<(), Error> {
        self.create(objects::claim(self.cluster, node.0)).await
    }

    pub(super) async fn create_set(self, node: NodeId) -> Result<(), Error> {
        self.create(objects::set(self.cluster, node.0, 1)).await
    }

    /// By server-side apply, so that later changes are of the same owner; but never over something that exists.
    async fn create<K>(self, wanted: K) -> Result<(), Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + Debug + Serialize + DeserializeOwned,
    {
        let name = wanted.name_any();
        if let Some(existing) = self.read::<K>(&name).await? {
            let what = described::<K>(&name);
            let is_ours =
                existing.labels().get(labels::CLUSTER_ID) == wanted.labels().get(labels::CLUSTER_ID);
            return Err(if is_ours { Error::Outdated { what } } else { Error::NameTaken { what } });
        }
        self.apply("create", &wanted).await
    }

    async fn apply<K>(self, call: &'static str, wanted: &K) -> Result<(), Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + Debug + Serialize + DeserializeOwned,
    {
        let (objects, name) = (self.objects::<K>(), wanted.name_any());
        let (parameters, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(wanted));
        self.kube.change(call, objects.patch(&name, &parameters, &patch)).await.map(drop)
    }

    /// Applies the StatefulSet as it should be, in place of the version that was just read. `replicas`: none leaves them.
    pub(super) async fn apply_set(self, node: NodeId, uid: &Uid, replicas: Option<u32>) -> Result<(), Error> {
        let live: StatefulSet = self.same(&names::member(self.cluster, node.0), uid).await?;
        let current = live.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default();
        let replicas = replicas.unwrap_or_else(|| u32::try_from(current).unwrap_or_default());
        let mut wanted = objects::set(self.cluster, node.0, replicas);
        wanted.metadata.resource_version = live.resource_version();
        self.apply("apply StatefulSet", &wanted).await
    }

    pub(super) async fn mark_removed(self, node: NodeId, uid: &Uid) -> Result<(), Error> {
        let name = names::member(self.cluster, node.0);
        let live: PersistentVolumeClaim = self.same(&name, uid).await?;
        let patch = Patch::Merge(json!({ "metadata": {
            "uid": live.uid(),
            "resourceVersion": live.resource_version(),
            "labels": { labels::REMOVED: labels::TRUE },
        }}));
        let parameters =
            PatchParams { field_manager: Some(MARKING_MANAGER.into()), ..PatchParams::default() };
        let claims = self.objects::<PersistentVolumeClaim>();
        self.kube.change("mark claim", claims.patch(&name, &parameters, &patch)).await.map(drop)
    }

    pub(super) async fn delete_pod(self, node: NodeId, uid: &Uid) -> Result<(), Error> {
        self.delete(&self.same::<Pod>(&names::pod(self.cluster, node.0), uid).await?).await
    }

    pub(super) async fn delete_set(self, node: NodeId, uid: &Uid) -> Result<(), Error> {
        self.delete(&self.same::<StatefulSet>(&names::member(self.cluster, node.0), uid).await?).await
    }

    pub(super) async fn delete_claim(self, node: NodeId, uid: &Uid) -> Result<(), Error> {
        let name = names::member(self.cluster, node.0);
        self.delete(&self.same::<PersistentVolumeClaim>(&name, uid).await?).await
    }
}
