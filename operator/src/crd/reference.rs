//! The fields of the resource as Markdown tables.

use std::fmt::Write;

use serde_json::Value;

use super::definition;

const TITLE: &str = "# Fields of KvCluster

Made from the types of the resource; `kubectl explain kvcluster.spec` says the same. Fields that are not required may be
left out. `manifests/examples/` has examples, one of them with every field. Fields of Kubernetes itself, such as `affinity`,
are described in its own reference.
";

/// Fields whose own fields are those of Kubernetes, and described there.
const OF_KUBERNETES: [&str; 6] =
    ["affinity", "tolerations", "topologySpreadConstraints", "resources", "imagePullSecrets", "conditions"];

/// All fields of spec and status, with their types, defaults, rules and meaning.
#[must_use]
pub fn reference() -> String {
    let definition = definition();
    let root = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut out = TITLE.to_owned();
    let mut rules = Vec::new();
    collect_rules("metadata.name", root, &mut rules);
    for (section, about) in [("spec", "what you write"), ("status", "what the operator writes")] {
        let schema = &root["properties"][section];
        let _ = write!(
            out,
            "\n## {section}: {about}\n\n| field | type | default | meaning |\n|---|---|---|---|\n"
        );
        rows(&mut out, &mut rules, section, "", schema);
    }
    out.push_str("\n## Rules\n\n| field | refused with |\n|---|---|\n");
    for (field, message) in rules {
        let _ = writeln!(out, "| `{field}` | {message} |");
    }
    out
}

fn rows(out: &mut String, rules: &mut Vec<(String, String)>, section: &str, prefix: &str, schema: &Value) {
    let path = if prefix.is_empty() { section.to_owned() } else { prefix.trim_end_matches('.').to_owned() };
    collect_rules(&path, schema, rules);
    let Some(fields) = schema["properties"].as_object() else { return };
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
    for (name, field) in fields {
        let default = match &field["default"] {
            Value::Null if section == "spec" && required(name) => "required".to_owned(),
            Value::Null => String::new(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let about = field["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        let kind = kind(field);
        let _ = writeln!(out, "| `{prefix}{name}` | {kind} | {default} | {about} |");
        let (inner, suffix) = if field["type"] == "array" { (&field["items"], "[]") } else { (field, "") };
        let deeper = format!("{prefix}{name}{suffix}.");
        if OF_KUBERNETES.contains(&name.as_str()) {
            collect_rules(&format!("{prefix}{name}"), field, rules);
        } else {
            rows(out, rules, section, &deeper, inner);
        }
    }
}

fn kind(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        return values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    }
    match field["type"].as_str() {
        Some("array") => format!("list of {}", kind(&field["items"])),
        Some("object") if field.get("additionalProperties").is_some() => "map of text".into(),
        Some("string") => "text".into(),
        Some(other) => other.into(),
        None => "number with unit".into(),
    }
}

fn collect_rules(path: &str, schema: &Value, rules: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let found = (path.to_owned(), rule["message"].as_str().unwrap_or_default().to_owned());
        if !rules.contains(&found) {
            rules.push(found);
        }
    }
}
