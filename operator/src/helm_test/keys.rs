//! The keys that the test writes and reads, as an application does it.

use client::Client;
use tokio::time::Instant;

use super::wait::wait_until;
use super::{Failure, HelmTestOptions, say};
use crate::objects::names::CLIENT_PORT;

/// How many keys are written each time.
const KEYS: usize = 20;

/// The keys of the cluster.
pub struct Keys {
    client: Client,
    until: Instant,
}

impl Keys {
    /// By the Service of the cluster.
    pub async fn connect(options: &HelmTestOptions, until: Instant) -> Result<Self, Failure> {
        let address = format!("{}.{}.svc:{CLIENT_PORT}", options.cluster, options.namespace);
        match Client::connect([address.as_str()]).await {
            Ok(client) => Ok(Self { client, until }),
            Err(source) => Err(Failure::Service { address, source }),
        }
    }

    /// Writes all keys of this prefix: each until it is acknowledged.
    pub async fn write(&self, prefix: &str) -> Result<(), Failure> {
        for (key, value) in pairs(prefix) {
            let write = async || {
                let written = self.client.put(key.clone(), value.clone()).await;
                written.map_err(|error| error.to_string())
            };
            wait_until(self.until, "a write", write).await?;
        }
        say(format_args!("wrote {KEYS} keys {prefix}"));
        Ok(())
    }

    /// Reads them, and compares.
    pub async fn read(&self, prefix: &str) -> Result<(), Failure> {
        for (key, written) in pairs(prefix) {
            let read = async || self.client.get(key.clone()).await.map_err(|error| error.to_string());
            let value = wait_until(self.until, "a read", read).await?.value;
            let read = value.map(|value| String::from_utf8_lossy(&value.value).into_owned());
            if read.as_deref() != Some(written.as_str()) {
                return Err(Failure::WrongValue { key, written, read });
            }
        }
        say(format_args!("read {KEYS} keys {prefix}"));
        Ok(())
    }
}

fn pairs(prefix: &str) -> impl Iterator<Item = (String, String)> + use<'_> {
    (1..=KEYS).map(move |number| (format!("helm-test/{prefix}/{number}"), format!("{prefix} {number}")))
}
