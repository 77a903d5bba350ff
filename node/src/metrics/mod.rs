//! Metrics for Prometheus: all begin with `kvcluster_` and are in base units; `docs/metrics.md` lists them.

mod page;
mod process;
mod replica;
mod threads;

use std::fmt;
use std::sync::Mutex;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use store::store::NodeStatus;

use crate::handle::Handle;
use page::{Labels, Page};

const PREFIX: &str = "kvcluster";

/// Makes the page of metrics whenever it is asked for.
#[derive(Default)]
pub struct Scrape {
    /// Set once the node runs.
    handle: Mutex<Option<Handle>>,
}

impl Scrape {
    /// From now on there is a node to ask.
    pub fn set_handle(&self, handle: Handle) {
        *self.handle.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(handle);
    }

    fn handle(&self) -> Option<Handle> {
        self.handle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The page.
    ///
    /// # Errors
    /// A value cannot be written.
    pub async fn page(&self, ready: bool) -> Result<String, fmt::Error> {
        let handle = self.handle();
        let status = match &handle {
            Some(handle) => handle.status().await,
            None => None,
        };
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(Shown { ready, handle, status }));
        let mut page = String::new();
        text::encode(&mut page, &registry)?;
        Ok(page)
    }
}

/// What is read at one moment.
struct Shown {
    ready: bool,
    handle: Option<Handle>,
    status: Option<NodeStatus>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown")
            .field("ready", &self.ready)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Collector for Shown {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        page.gauges("build", "The version that runs", [(version, 1.0)])?;
        page.gauge("ready", "1: this node should be given traffic", f64::from(u8::from(self.ready)))?;
        process::write(&mut page)?;
        if let Some(handle) = &self.handle {
            threads::write(&mut page, handle)?;
        }
        let Some(status) = &self.status else { return Ok(()) };
        let node = status.identity.member.map_or(0, |(_, node)| node.0);
        page.gauge("node", "The id of this node, 0: none yet", node as f64)?;
        page.gauge("boot", "Which start of this disk it is", status.boot.counter as f64)?;
        page.gauge("disk_free_bytes", "Free space on the disk", status.free_bytes as f64)?;
        let events = status.counters;
        let events = [
            ("node_identity_drops", "Envelopes dropped: not meant for this disk", events.identity_drops),
            ("node_damaged_messages", "Messages dropped: an entry is damaged", events.damaged_messages),
            ("node_clock_jumps", "Times that the wall clock was set", events.clock_jumps),
        ];
        for (name, help, value) in events {
            page.counters(name, help, [(Labels::new(), value as f64)])?;
        }
        replica::write(&mut page, &status.replicas)
    }
}
