//! Objects of one member are made, changed and deleted.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use planner::{NodeId, Uid};
use serde_json::json;

use super::Act;
use crate::error::Error;
use crate::live::{Object, described};
use crate::objects::{self, labels, names};

/// The owner of the mark on a claim, which must survive every apply of the claim itself.
const MARKING_MANAGER: &str = "kvcluster-operator-removal";
/// The owner of the number of pods, once it was changed.
const SCALING_MANAGER: &str = "kvcluster-operator-scale";

impl Act<'_> {
    pub(super) async fn create_claim(self, node: NodeId) -> Result<(), Error> {
        self.create(objects::claim(self.live.cluster, node.0)).await
    }

    pub(super) async fn create_set(self, node: NodeId) -> Result<(), Error> {
        self.create(objects::set(self.live.cluster, node.0, 1)).await
    }

    /// By server-side apply, so that later changes are of the same owner; but never over something that exists.
    async fn create<K: Object>(self, wanted: K) -> Result<(), Error> {
        let name = wanted.name_any();
        if let Some(existing) = self.live.read::<K>(&name).await? {
            let what = described::<K>(&name);
            let is_ours =
                existing.labels().get(labels::CLUSTER_ID) == wanted.labels().get(labels::CLUSTER_ID);
            return Err(if is_ours { Error::Outdated { what } } else { Error::NameTaken { what } });
        }
        self.live.apply("create", &wanted).await
    }

    pub(super) async fn scale_set(self, node: NodeId, uid: &Uid, replicas: u32) -> Result<(), Error> {
        let name = names::member(self.live.cluster, node.0);
        let patch = objects::set::scaling(&self.live.same(&name, uid).await?, replicas);
        self.live.merge::<StatefulSet>("scale StatefulSet", SCALING_MANAGER, &name, patch).await
    }

    /// Applies the StatefulSet as it should be, in place of the version that was just read, with the pods that it has.
    pub(super) async fn update_set(self, node: NodeId, uid: &Uid) -> Result<(), Error> {
        let live: StatefulSet = self.live.same(&names::member(self.live.cluster, node.0), uid).await?;
        let replicas = live.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default();
        let replicas = u32::try_from(replicas).unwrap_or_default();
        let mut wanted = objects::set(self.live.cluster, node.0, replicas);
        wanted.metadata.resource_version = live.resource_version();
        self.live.apply("apply StatefulSet", &wanted).await
    }

    pub(super) async fn mark_removed(self, node: NodeId, uid: &Uid) -> Result<(), Error> {
        let name = names::member(self.live.cluster, node.0);
        let live: PersistentVolumeClaim = self.live.same(&name, uid).await?;
        let patch = json!({ "metadata": {
            "uid": live.uid(),
            "resourceVersion": live.resource_version(),
            "labels": { labels::REMOVED: labels::TRUE },
        }});
        self.live.merge::<PersistentVolumeClaim>("mark claim", MARKING_MANAGER, &name, patch).await
    }

    pub(super) async fn delete_pod(self, node: NodeId, uid: &Uid) -> Result<(), Error> {
        self.live.delete(&self.live.same::<Pod>(&names::pod(self.live.cluster, node.0), uid).await?).await
    }

    pub(super) async fn delete_set(self, node: NodeId, uid: &Uid) -> Result<(), Error> {
        self.live
            .delete(&self.live.same::<StatefulSet>(&names::member(self.live.cluster, node.0), uid).await?)
            .await
    }

    pub(super) async fn delete_claim(self, node: NodeId, uid: &Uid) -> Result<(), Error> {
        let name = names::member(self.live.cluster, node.0);
        self.live.delete(&self.live.same::<PersistentVolumeClaim>(&name, uid).await?).await
    }
}
