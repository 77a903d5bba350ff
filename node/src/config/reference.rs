//! The table of all settings in `docs/configuration.md`, made from what the program knows.

use std::fmt::Write;

use super::layers::variable;
use super::settings::{Config, SETTINGS};

/// The table, in Markdown.
#[must_use]
pub fn reference() -> String {
    let config = Config::default();
    let mut table = String::from("| setting | default | written as | meaning |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = config.show(setting.name).filter(|value| !value.is_empty());
        let default = default.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"));
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "| `{}` | {default} | {} | {} |",
            setting.name,
            setting.kind,
            setting.about.trim().replace('|', "\\|"),
        );
    }
    table
}

/// One line a setting: its value, and where that comes from.
impl std::fmt::Display for super::Effective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for setting in SETTINGS {
            let value = self.config.show(setting.name).unwrap_or_default();
            // Quoted as in JSON, which YAML reads: the output is a configuration file.
            let value = serde_json::Value::from(value);
            writeln!(f, "{}: {value} # from {}", setting.name, self.origin(setting.name))?;
        }
        let example = SETTINGS.first().map_or("", |setting| setting.name);
        writeln!(
            f,
            "# Any of these can also be set by a flag, or by a variable such as {}.",
            variable(example)
        )
    }
}
