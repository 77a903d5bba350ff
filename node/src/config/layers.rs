//! Where values come from, and which one counts.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_yaml::Value as Yaml;

use super::error::ConfigError;
use super::settings::{Config, SETTINGS};

const PREFIX: &str = "KV_NODE_";
/// A configuration file is not longer.
const MOST_BYTES: u64 = 1 << 20;

/// Where a value comes from. A later one wins.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File(PathBuf),
    /// The environment, by the name of the variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => write!(f, "the default"),
            Origin::File(path) => write!(f, "the file {}", path.display()),
            Origin::Environment(name) => write!(f, "the environment, {name}"),
            Origin::Flag(flag) => write!(f, "the flag {flag}"),
        }
    }
}

/// A configuration, and where each value of it comes from.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Effective {
    /// The values.
    pub config: Config,
    origins: BTreeMap<&'static str, Origin>,
}

impl Effective {
    /// Takes the file, then the environment, then the flags, and checks the result. The environment and the flags
    /// are pairs of a name and a value, flags under the names of their settings.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut effective = Self::default();
        if let Some(path) = path {
            effective.take_file(path)?;
        }
        for (variable, value) in environment {
            if let Some(name) = variable.strip_prefix(PREFIX) {
                let origin = Origin::Environment(variable.clone());
                effective.set(&name.to_ascii_lowercase(), &value, origin)?;
            }
        }
        for (name, value) in flags {
            let origin = Origin::Flag(flag(&name));
            effective.set(&name, &value, origin)?;
        }
        effective.check()?;
        Ok(effective)
    }

    /// Where the value of a setting comes from.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).cloned().unwrap_or(Origin::Default)
    }

    /// Sets one value.
    ///
    /// # Errors
    /// There is no such setting, or the value is not of its kind.
    pub fn set(&mut self, name: &str, value: &str, origin: Origin) -> Result<(), ConfigError> {
        if name.starts_with("tls") {
            return Err(ConfigError::Tls { name: name.to_owned(), origin });
        }
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let (Some(setting), Some(set)) = (setting, self.config.set(name, value)) else {
            return Err(ConfigError::Unknown { name: name.to_owned(), hint: hint(name, &origin), origin });
        };
        match set {
            Ok(()) => {
                self.origins.insert(setting.name, origin);
                Ok(())
            }
            Err(right) => {
                let (name, value) = (name.to_owned(), value.to_owned());
                Err(ConfigError::Value { name, value, origin, right })
            }
        }
    }

    fn take_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        for (name, value) in file(path)? {
            self.set(&name, &value, Origin::File(path.to_owned()))?;
        }
        Ok(())
    }
}

/// The names and values of a YAML file: one mapping without levels, but for the addresses of peers.
///
/// # Errors
/// It cannot be read, or is no such mapping.
pub fn file(path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let wrong = |problem: String| ConfigError::File { path: path.to_owned(), problem };
    let length = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if length > MOST_BYTES {
        return Err(wrong(format!("{length} bytes are more than {MOST_BYTES}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let pairs = match serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))? {
        Yaml::Null => return Ok(Vec::new()),
        Yaml::Mapping(pairs) => pairs,
        _ => return Err(wrong("write lines of the form name: value".to_owned())),
    };
    let read = |(name, value): (Yaml, Yaml)| {
        let name = scalar(&name).ok_or_else(|| wrong("a name is not a text".to_owned()))?;
        let value =
            text_of(&value).ok_or_else(|| wrong(format!("{name}: write a text, a number or a map of them")));
        Ok((name, value?))
    };
    pairs.into_iter().map(read).collect()
}

fn text_of(value: &Yaml) -> Option<String> {
    let Yaml::Mapping(pairs) = value else { return scalar(value) };
    let pairs: Option<Vec<_>> =
        pairs.iter().map(|(name, value)| Some(format!("{}={}", scalar(name)?, scalar(value)?))).collect();
    Some(pairs?.join(","))
}

fn scalar(value: &Yaml) -> Option<String> {
    match value {
        Yaml::Null => Some(String::new()),
        Yaml::Bool(value) => Some(value.to_string()),
        Yaml::Number(value) => Some(value.to_string()),
        Yaml::String(value) => Some(value.clone()),
        Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => None,
    }
}

/// The flag of a setting.
pub(super) fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// The variable of a setting.
pub(super) fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

fn hint(name: &str, origin: &Origin) -> String {
    let plain = |name: &str| name.replace(['_', '-', '.'], "").to_ascii_lowercase();
    if let Some(near) = SETTINGS.iter().find(|setting| plain(setting.name) == plain(name)) {
        return format!("; {} is meant?", near.name);
    }
    if matches!(origin, Origin::Environment(_)) {
        return format!(
            "; remove it. Kubernetes sets variables that begin with {PREFIX} for a Service named kv-node: \
             set enableServiceLinks to false"
        );
    }
    "; kv-node config reference lists all".to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::config::Size;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Effective, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        fs::write(&path, file).unwrap();
        let loaded = Effective::load(Some(&path), pairs(environment), pairs(flags));
        loaded.map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_over_the_environment_over_the_file_over_the_defaults() {
        let file = "heartbeat: 50ms\nretention: 2m\ndeadline: 1s\n";
        let environment = [("KV_NODE_RETENTION", "3m"), ("KV_NODE_DEADLINE", "2s"), ("HOME", "/")];
        let effective = load(file, &environment, &[("deadline", "3s")]).unwrap();
        let Config { heartbeat, retention, deadline, session_expiry, .. } = effective.config;
        assert_eq!(heartbeat, Duration::from_millis(50));
        assert_eq!(retention, Duration::from_secs(180));
        assert_eq!(deadline, Duration::from_secs(3));
        assert_eq!(session_expiry, Config::default().session_expiry);
        let origins =
            ["heartbeat", "retention", "deadline", "session_expiry"].map(|name| effective.origin(name));
        assert!(matches!(&origins[0], Origin::File(_)));
        assert_eq!(
            origins[1..],
            [
                Origin::Environment("KV_NODE_RETENTION".into()),
                Origin::Flag("--deadline".into()),
                Origin::Default,
            ]
        );
    }

    #[test]
    fn what_is_unknown_is_refused_by_its_name() {
        for (found, shown) in [
            (load("hearbeat: 1s", &[], &[]), "\"hearbeat\""),
            (load("", &[("KV_NODE_NONSENSE", "1")], &[]), "KV_NODE_NONSENSE"),
            (load("HeartBeat: 1s", &[], &[]), "heartbeat is meant?"),
            (load("tls_cert_file: x", &[], &[]), "trusted networks only"),
            (load("heartbeat: [1]", &[], &[]), "heartbeat: write"),
            (load("- heartbeat", &[], &[]), "name: value"),
            (load("heartbeat: 1s\nheartbeat: 2s", &[], &[]), "duplicate"),
        ] {
            let error = found.unwrap_err();
            assert!(error.contains(shown), "{error}");
        }
    }

    #[test]
    fn a_broken_rule_names_the_setting_its_value_and_what_is_right() {
        for (file, shown) in [
            ("election_timeout: 0s", "election_timeout is zero"),
            ("heartbeat: 900ms", "heartbeat (900ms) must be at most half of election_timeout"),
            ("heartbeat: fast", "heartbeat is \"fast\""),
            ("memory_bytes: 1MiB", "at least 192MiB"),
            ("retention: 1s", "at least 1m"),
            ("message_bytes: 1MiB", "entry_bytes and 1MiB"),
            ("entry_bytes: 16MiB\nmessage_bytes: 32MiB", "entry_bytes is \"16MiB\""),
            ("append_bytes: 16MiB\nwindow_bytes: 64MiB", "append_bytes is \"16MiB\""),
            ("value_bytes: 8MiB", "request_bytes is \"4MiB\""),
            ("page_keys: 0", "page_keys is \"0\""),
            ("peer_listen: 0.0.0.0:7401", "peer_advertise is \"\""),
            ("client_listen: 127.0.0.1:7401", "peer_listen is \"127.0.0.1:7401\""),
            ("peer_address_template: kv:7401", "{node}"),
            ("client_advertise: http://a", "host:port"),
            ("log_level: 'a=b=c'", "log_level is"),
        ] {
            let error = load(file, &[], &[]).unwrap_err();
            assert!(error.contains(shown), "{file}: {error}");
        }
    }

    #[test]
    fn addresses_of_peers_are_a_map_in_the_file() {
        let effective = load("peer_addresses:\n  1: a:7401\n  2: b:7401\n", &[], &[]).unwrap();
        assert_eq!(effective.config.show("peer_addresses").unwrap(), "1=a:7401,2=b:7401");
    }

    #[test]
    fn what_is_printed_is_a_configuration_of_the_same_values() {
        let effective = load("log_bytes: 48MiB\npeer_addresses: {1: 'a:1'}", &[], &[]).unwrap();
        let again = load(&effective.to_string(), &[], &[]).unwrap();
        assert_eq!(again.config, effective.config);
        assert_eq!(again.config.log_bytes, Size(48 << 20));
    }
}
