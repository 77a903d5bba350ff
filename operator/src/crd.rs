//! The definition of the KvCluster resource, made from its types: as YAML for the API server, and as a table for people.

mod reference;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value};

use crate::api::KvCluster;

pub use reference::reference;

const QUANTITY: &str = "A number with a unit, as in 512Mi, 2Gi, 1.5 or 500m.";

/// The definition as YAML.
///
/// # Errors
/// Only if the types of the resource make no definition, which the tests exclude.
pub fn yaml() -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(&definition())
}

/// The definition: what kube makes of the types, made tidy for the API server.
#[must_use]
pub fn definition() -> Value {
    let crd: CustomResourceDefinition = KvCluster::crd();
    // Definitions are JSON by their type.
    let mut value = serde_json::to_value(crd).unwrap_or_default();
    tidy(&mut value);
    value
}

fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            tidy_schema(fields);
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn tidy_schema(schema: &mut Map<String, Value>) {
    // A field without a value is refused, or gets its default, so that no rule has to reckon with null.
    if schema.get("nullable") == Some(&Value::Bool(true)) {
        schema.remove("nullable");
    }
    // The API server knows formats with a sign only, and warns of others.
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        schema.insert("format".into(), "int64".into());
    }
    if schema.contains_key("x-kubernetes-int-or-string") && schema.contains_key("description") {
        let quantity = schema["description"].as_str().is_some_and(|text| text.starts_with("Quantity is"));
        if quantity {
            schema.insert("description".into(), QUANTITY.into());
        }
    }
}
