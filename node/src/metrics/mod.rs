//! Metrics for Prometheus: all begin with `kvcluster_` and are in base units; `docs/metrics.md` lists them.

mod page;
mod process;
mod replica;
mod rocks;
mod threads;
mod traffic;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use store::store::NodeStatus;

use crate::api::RequestTimes;
use crate::handle::Handle;
use crate::transport::TransportCounters;
use page::{Labels, Page};

const PREFIX: &str = "kvcluster";

/// Makes the page of metrics whenever it is asked for.
#[derive(Default)]
pub struct Scrape {
    /// Set once the node runs.
    sources: Mutex<Option<Sources>>,
}

/// Of a node that runs.
#[derive(Clone)]
pub struct Sources {
    /// To the store.
    pub handle: Handle,
    /// What goes between nodes.
    pub transport: Arc<TransportCounters>,
    /// How long requests take.
    pub times: Arc<RequestTimes>,
}

impl Scrape {
    /// From now on there is a node to ask.
    pub fn set(&self, sources: Sources) {
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = Some(sources);
    }

    fn sources(&self) -> Option<Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The page.
    ///
    /// # Errors
    /// A value cannot be written.
    pub async fn page(&self, ready: bool) -> Result<String, fmt::Error> {
        let sources = self.sources();
        let status = match &sources {
            Some(sources) => sources.handle.status().await,
            None => None,
        };
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(Shown { ready, sources, status }));
        let mut page = String::new();
        text::encode(&mut page, &registry)?;
        Ok(page)
    }
}

/// What is read at one moment.
struct Shown {
    ready: bool,
    sources: Option<Sources>,
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
        if let Some(Sources { handle, transport, times }) = &self.sources {
            threads::write(&mut page, handle)?;
            let times = times.methods().map(|(method, times)| (vec![("method", method.to_owned())], times));
            page.histograms("request_seconds", "From the arrival of a request to its answer", times)?;
            rocks::write(&mut page, handle.databases())?;
            traffic::write(&mut page, transport)?;
            traffic::write_snapshots(&mut page, &handle.snapshots().borrow())?;
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
