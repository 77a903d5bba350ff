//! Volumes of members.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The volume of each member.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName)").message(IMMUTABLE_CLASS),
    validation = Rule::new("has(self.accessMode) == has(oldSelf.accessMode)").message(IMMUTABLE_MODE),
)]
pub struct Storage {
    /// Size of the volume, as in `10Gi`: data, log and a reserve of at least 64 MiB. It can grow if the storage class
    /// allows it, and never shrink.
    #[schemars(schema_with = "size")]
    #[x_kube(
        validation = Rule::new("quantity(self).compareTo(quantity('256Mi')) >= 0")
            .message("storage.size must be at least 256Mi"),
        validation = Rule::new("quantity(self).compareTo(quantity(oldSelf)) >= 0").message(
            "storage.size cannot shrink: volumes only grow. For smaller ones make another cluster and copy the data"
        )
    )]
    pub size: Quantity,

    /// The storage class of the volume. Default: the default class of the Kubernetes cluster. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message(IMMUTABLE_CLASS))]
    pub storage_class_name: Option<String>,

    /// How the volume may be mounted. Default: ReadWriteOnce. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message(IMMUTABLE_MODE))]
    pub access_mode: Option<AccessMode>,

    /// What happens to the volume of a member that was removed, and to all volumes when the KvCluster is deleted: Retain
    /// them until somebody deletes them (no other member uses them), or Delete them with their data.
    #[serde(default)]
    pub retention: Retention,
}

const IMMUTABLE_CLASS: &str = "storage.storageClassName cannot be changed: the volumes that exist have theirs. \
                               For another class make another cluster and copy the data";
const IMMUTABLE_MODE: &str = "storage.accessMode cannot be changed: the volumes that exist have theirs";

/// What happens to volumes that are not used any more.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// They stay until somebody deletes them; no other member uses them.
    #[default]
    Retain,
    /// They are deleted, with their data.
    Delete,
}

/// What to do with volumes of an earlier KvCluster of this name. Without it the operator does not begin while there are
/// any, and says so in the condition RetainedVolumes.
/// Adopt: run the earlier cluster again, on the volumes of those who were its members to the end.
/// StartNew: begin an empty cluster; the volumes stay as they are.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetainedVolumes {
    /// Run the earlier cluster again, on the volumes of those who were its members to the end.
    Adopt,
    /// Begin an empty cluster; the volumes stay as they are.
    StartNew,
}

/// How the volume may be mounted. Default: ReadWriteOnce. It cannot be changed.
/// ReadWriteOnce: by one machine. ReadWriteOncePod: by one pod, so that no second one can use it by mistake; it needs a
/// CSI driver.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// By one machine. All provisioners can do it.
    ReadWriteOnce,
    /// By one pod, so that no second pod can use it by mistake. It needs a CSI driver.
    ReadWriteOncePod,
}

impl AccessMode {
    /// As Kubernetes calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteOncePod => "ReadWriteOncePod",
        }
    }
}

fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 24, "pattern": "^[1-9][0-9]*(\\.[0-9]+)?(Mi|Gi|Ti|Pi|M|G|T|P)?$" })
}
