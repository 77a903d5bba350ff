//! Reading again what is about to be changed: a cache may be late.

use std::fmt::Debug;

use kube::api::{Api, DeleteParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use planner::Uid;
use serde::de::DeserializeOwned;

use super::Act;
use crate::error::Error;

impl Act<'_> {
    /// The objects of a kind in the namespace of the cluster.
    pub(super) fn objects<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.kube.client(), &self.cluster.namespace().unwrap_or_default())
    }

    /// The object as the server has it now.
    pub(super) async fn read<K>(&self, name: &str) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.kube.read("read again", self.objects::<K>().get_opt(name)).await
    }

    /// The same, if it is still the incarnation that the plan was made on.
    pub(super) async fn same<K>(&self, name: &str, uid: &Uid) -> Result<K, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let object: Option<K> = self.read(name).await?;
        let same = object.filter(|object| object.uid().as_ref() == Some(&uid.0));
        same.ok_or_else(|| Error::Outdated { what: described::<K>(name) })
    }

    /// Deletes that incarnation, in the version that was just read.
    pub(super) async fn delete<K>(&self, object: &K) -> Result<(), Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let preconditions = Preconditions { uid: object.uid(), resource_version: object.resource_version() };
        let parameters = DeleteParams::background().preconditions(preconditions);
        let (objects, name) = (self.objects::<K>(), object.name_any());
        self.kube.change("delete", objects.delete(&name, &parameters)).await.map(drop)
    }
}

/// For people.
pub(super) fn described<K: Resource<DynamicType = ()>>(name: &str) -> String {
    format!("{} {name}", K::kind(&()))
}
