//! Objects in the namespace of a cluster: read as they are now, since a cache may be late, and changed under the claim.

use std::fmt::Debug;

use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use planner::Uid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::KvCluster;
use crate::error::Error;
use crate::kubernetes::Kube;

/// The owner of all fields that the operator sets in objects.
pub const MANAGER: &str = "kvcluster-operator";

/// An object of a kind that is known here, in a namespace.
pub trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}

impl<K> Object for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
{
}

/// The objects of one cluster.
#[derive(Clone, Copy, Debug)]
pub struct Live<'a> {
    /// To reach the API server, under the claim.
    pub kube: &'a Kube,
    /// The cluster.
    pub cluster: &'a KvCluster,
}

impl Live<'_> {
    /// The objects of a kind in the namespace of the cluster.
    #[must_use]
    pub fn objects<K: Object>(self) -> Api<K> {
        Api::namespaced(self.kube.client(), &self.cluster.namespace().unwrap_or_default())
    }

    /// The object as the server has it now.
    ///
    /// # Errors
    /// The API server refuses or cannot be reached, as in all that follows.
    pub async fn read<K: Object>(self, name: &str) -> Result<Option<K>, Error> {
        self.kube.read("read again", self.objects::<K>().get_opt(name)).await
    }

    /// The same, if it is still the incarnation that the plan was made on.
    ///
    /// # Errors
    /// It is another one, or gone.
    pub async fn same<K: Object>(self, name: &str, uid: &Uid) -> Result<K, Error> {
        let object: Option<K> = self.read(name).await?;
        let same = object.filter(|object| object.uid().as_ref() == Some(&uid.0));
        same.ok_or_else(|| Error::Outdated { what: described::<K>(name) })
    }

    /// Makes the object what it should be, by server-side apply.
    ///
    /// # Errors
    /// The lease is not held.
    pub async fn apply<K: Object>(self, call: &'static str, wanted: &K) -> Result<(), Error> {
        let (objects, name) = (self.objects::<K>(), wanted.name_any());
        let (parameters, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(wanted));
        self.kube.change(call, objects.patch(&name, &parameters, &patch)).await.map(drop)
    }

    /// Merges something into the object, of which `manager` is the owner then.
    ///
    /// # Errors
    /// The lease is not held.
    pub async fn merge<K: Object>(
        self,
        call: &'static str,
        manager: &str,
        name: &str,
        patch: Value,
    ) -> Result<(), Error> {
        let parameters = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
        let (objects, patch) = (self.objects::<K>(), Patch::Merge(patch));
        self.kube.change(call, objects.patch(name, &parameters, &patch)).await.map(drop)
    }

    /// Deletes that incarnation, in the version that was just read.
    ///
    /// # Errors
    /// It is another one by now, or the lease is not held.
    pub async fn delete<K: Object>(self, object: &K) -> Result<(), Error> {
        let preconditions = Preconditions { uid: object.uid(), resource_version: object.resource_version() };
        let parameters = DeleteParams::background().preconditions(preconditions);
        let (objects, name) = (self.objects::<K>(), object.name_any());
        self.kube.change("delete", objects.delete(&name, &parameters)).await.map(drop)
    }
}

/// For people.
#[must_use]
pub fn described<K: Resource<DynamicType = ()>>(name: &str) -> String {
    format!("{} {name}", K::kind(&()))
}
