//! Whether an object on the API server is as it should be.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use super::quantity;

/// Whether `wanted` has to be applied over `live`. Only the fields of `wanted` count: what the API server, other
/// controllers and people add is no reason to write.
#[must_use]
pub fn needs_apply<T: Resource + Serialize>(live: &T, wanted: &T) -> bool {
    let same = matches!((json(live), json(wanted)), (Some(live), Some(wanted)) if contains(&live, &wanted));
    !same || controller(live) != controller(wanted)
}

/// Without the owners: beside the one that controls the object anybody may add others.
fn json(object: &(impl Resource + Serialize)) -> Option<Value> {
    let mut value = serde_json::to_value(object).ok()?;
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("ownerReferences");
    }
    Some(value)
}

/// A claim has this owner only if volumes are not to be retained.
fn controller(object: &impl Resource) -> Option<&OwnerReference> {
    object.owner_references().iter().find(|owner| owner.controller == Some(true))
}

/// Whether `live` has all that `wanted` has. Lists must be the same, item by item.
#[must_use]
pub fn contains(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| match live.get(name) {
                Some(live) if name == "requests" || name == "limits" => same_quantities(live, wanted),
                Some(live) => contains(live, wanted),
                None => wanted.is_null(),
            })
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| contains(live, wanted))
        }
        (live, wanted) => live == wanted,
    }
}

/// The API server writes `1024Mi` as `1Gi`.
fn same_quantities(live: &Value, wanted: &Value) -> bool {
    let (Some(live), Some(wanted)) = (live.as_object(), wanted.as_object()) else { return live == wanted };
    let value = |quantity: &Value| quantity.as_str().and_then(quantity::parse);
    wanted.iter().all(|(name, wanted)| {
        live.get(name)
            .is_some_and(|live| live == wanted || (value(live).is_some() && value(live) == value(wanted)))
    })
}
