//! The rules between settings.

use std::net::SocketAddr;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::error::ConfigError;
use super::layers::Effective;
use super::settings::Config;
use super::value::{Size, is_address};
use crate::budget::{Budget, LEAST_MEMORY};
use crate::transport::MESSAGE_BYTES;

/// The envelope of a node around one entry, generously.
const AROUND_AN_ENTRY: usize = 1 << 20;
/// A write as a log entry, beyond its keys and values: each operation and condition has a head.
const HEAD: usize = 64;
/// The store keeps versions at least so long.
const LEAST_RETENTION: Duration = Duration::from_secs(60);
/// Shorter than a write takes on a slow disk, nothing would be let in.
const LEAST_WRITE_WAIT: Duration = Duration::from_millis(10);

impl Effective {
    /// Checks every rule between the settings.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.check_addresses()?;
        self.check_limits()?;
        self.check_times()?;
        let Config { memory_bytes, log_level, .. } = &self.config;
        if memory_bytes.is_some_and(|memory| memory < LEAST_MEMORY) {
            return self.wrong("memory_bytes", format!("at least {}MiB are needed", LEAST_MEMORY.0 >> 20));
        }
        if let Err(error) = EnvFilter::try_new(log_level) {
            return self.wrong("log_level", format!("{error}; write a level, as in info"));
        }
        let budget = Budget::of(&self.config, LEAST_MEMORY);
        Ok(self.config.core(&budget).validate()?)
    }

    fn wrong<T>(&self, name: &str, right: impl Into<String>) -> Result<T, ConfigError> {
        Err(ConfigError::Value {
            name: name.to_owned(),
            value: self.config.show(name).unwrap_or_default(),
            origin: self.origin(name),
            right: right.into(),
        })
    }

    fn check_addresses(&self) -> Result<(), ConfigError> {
        let config = &self.config;
        let listen = [
            ("client_listen", config.client_listen),
            ("peer_listen", config.peer_listen),
            ("http_listen", config.http_listen),
        ];
        for (at, (name, address)) in listen.iter().enumerate() {
            if address.port() != 0 && listen[..at].iter().any(|(_, other)| other == address) {
                return self.wrong(name, "another listener has this address: choose another port");
            }
        }
        self.check_advertised("client_advertise", &config.client_advertise, config.client_listen)?;
        self.check_advertised("peer_advertise", &config.peer_advertise, config.peer_listen)?;
        if let Some(template) = &config.peer_address_template
            && !(template.contains("{node}") && is_address(&template.replace("{node}", "1")))
        {
            let right = "write host:port with {node} in it, as in kv-m{node}.kv-peers:7401";
            return self.wrong("peer_address_template", right);
        }
        Ok(())
    }

    fn check_advertised(
        &self,
        name: &str,
        advertised: &Option<String>,
        listen: SocketAddr,
    ) -> Result<(), ConfigError> {
        match advertised {
            Some(address) if is_address(address) => Ok(()),
            Some(_) => self.wrong(name, "write host:port, as in kv-1.example:7401"),
            None if listen.ip().is_unspecified() => self.wrong(
                name,
                format!("{listen} is every address of this machine: say at which one others reach it"),
            ),
            None => Ok(()),
        }
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        let config = &self.config;
        let counts = [
            ("batch_operations", config.batch_operations),
            ("delete_range_keys", config.delete_range_keys),
            ("page_keys", config.page_keys),
            ("page_bytes", config.page_bytes.0),
            ("key_bytes", config.key_bytes.0),
            ("value_bytes", config.value_bytes.0),
            ("sessions", config.sessions),
            ("session_writes", config.session_writes),
            ("streams_per_connection", usize::try_from(config.streams_per_connection).unwrap_or(usize::MAX)),
            ("log_bytes", config.log_bytes.0),
            ("snapshot_bytes_per_second", config.snapshot_bytes_per_second.0),
        ];
        if let Some((name, _)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return self.wrong(name, "set it above zero");
        }
        if config.log_entries == 0 {
            return self.wrong("log_entries", "set it above zero");
        }
        let at_least = [
            ("request_bytes", config.request_bytes, "key_bytes and value_bytes together", {
                config.key_bytes.0.saturating_add(config.value_bytes.0)
            }),
            ("entry_bytes", config.entry_bytes, "request_bytes and the heads of batch_operations", {
                let heads = config.batch_operations.saturating_mul(2 * HEAD);
                config.request_bytes.0.saturating_add(heads)
            }),
            ("message_bytes", config.message_bytes, "entry_bytes and 1MiB around it", {
                config.entry_bytes.0.saturating_add(AROUND_AN_ENTRY)
            }),
            ("message_bytes", config.message_bytes, "a page of a scan", {
                let row = config.key_bytes.0.saturating_add(config.value_bytes.0);
                config.page_bytes.0.saturating_add(row).saturating_add(AROUND_AN_ENTRY)
            }),
        ];
        for (name, size, what, least) in at_least {
            if size.0 < least {
                return self.wrong(name, format!("it must hold {what}: set it to {least} or more"));
            }
        }
        // What goes between nodes in one piece; both sides of a stream must agree on its largest message.
        let most = MESSAGE_BYTES - AROUND_AN_ENTRY;
        for (name, size) in [("entry_bytes", config.entry_bytes), ("append_bytes", config.append_bytes)] {
            if size.0 > most {
                return self
                    .wrong(name, format!("a message between nodes must hold it: set it to {most} or less"));
            }
        }
        if config.log_tail_bytes > config.log_bytes {
            return self.wrong("log_tail_bytes", "it must be at most log_bytes");
        }
        let Size(most) = config.message_bytes;
        if u32::try_from(most).is_err() {
            return self.wrong("message_bytes", "it must be below 4GiB");
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        let config = &self.config;
        if config.retention < LEAST_RETENTION {
            return self.wrong("retention", "it must be at least 1m");
        }
        if config.session_expiry < LEAST_RETENTION {
            return self.wrong("session_expiry", "it must be at least 1m");
        }
        if config.write_wait < LEAST_WRITE_WAIT {
            return self.wrong("write_wait", "it must be at least 10ms");
        }
        if config.deadline.is_zero() {
            return self.wrong("deadline", "set it above zero");
        }
        Ok(())
    }
}
