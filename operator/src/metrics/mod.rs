//! Metrics for Prometheus: all begin with `kvcluster_operator_` and are in base units.

mod clusters;

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

pub use clusters::{ClusterKey, ClusterSample, Clusters};

const PREFIX: &str = "kvcluster_operator";

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Action {
    action: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Resource {
    resource: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// What the operator counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pass_duration: Histogram,
    errors: Family<Kind, Counter>,
    actions: Family<Action, Counter>,
    lease_held: Gauge,
    watch_up: Family<Resource, Gauge>,
    watch_errors: Family<Resource, Counter>,
    clusters: Clusters,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let pass_duration = Histogram::new(exponential_buckets(0.001, 4.0, 8));
        let (errors, actions) = (Family::default(), Family::default());
        let (lease_held, watch_up, watch_errors) = (Gauge::default(), Family::default(), Family::default());
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        let clusters = Clusters::default();
        registry.register("build", "The version that runs", build);
        registry.register("pass_duration_seconds", "Passes over a cluster", pass_duration.clone());
        registry.register("errors", "Passes that ended early, by why", errors.clone());
        registry.register("actions", "Actions of plans that were performed", actions.clone());
        registry.register("lease_held", "1: this operator acts, 0: it stands by", lease_held.clone());
        registry.register("watch_up", "1: the watch of a resource works", watch_up.clone());
        registry.register("watch_errors", "Errors of the watch of a resource", watch_errors.clone());
        registry.register_collector(Box::new(clusters.clone()));
        Self { registry, pass_duration, errors, actions, lease_held, watch_up, watch_errors, clusters }
    }
}

impl Metrics {
    /// The page for Prometheus.
    ///
    /// # Errors
    /// A value cannot be written.
    pub fn page(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }

    /// A pass took so long.
    pub fn passed(&self, took: Duration) {
        self.pass_duration.observe(took.as_secs_f64());
    }

    /// A pass ended early.
    pub fn failed(&self, kind: &'static str) {
        self.errors.get_or_create(&Kind { kind }).inc();
    }

    /// An action was performed.
    pub fn acted(&self, action: &'static str) {
        self.actions.get_or_create(&Action { action }).inc();
    }

    /// The lease is held, or not.
    pub fn set_lease_held(&self, is_held: bool) {
        self.lease_held.set(i64::from(is_held));
    }

    /// The watch of a resource delivered something.
    pub fn watch_works(&self, resource: &'static str) {
        self.watch_up.get_or_create(&Resource { resource }).set(1);
    }

    /// The watch of a resource failed, and is begun anew.
    pub fn watch_failed(&self, resource: &'static str) {
        self.watch_up.get_or_create(&Resource { resource }).set(0);
        self.watch_errors.get_or_create(&Resource { resource }).inc();
    }

    /// What is known of each cluster.
    pub fn clusters(&self) -> &Clusters {
        &self.clusters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_family_under_the_prefix() {
        let metrics = Metrics::default();
        metrics.passed(Duration::from_millis(3));
        metrics.failed("Conflict");
        metrics.acted("create-set");
        metrics.set_lease_held(true);
        metrics.watch_failed("pods");
        let key = ClusterKey::new("ns", "c");
        let sample = ClusterSample { replicas: 3, members: 2, voters: 1, conditions: vec![("Available", 0)] };
        metrics.clusters().set(key.clone(), sample);
        let page = metrics.page().unwrap();
        for line in [
            "kvcluster_operator_pass_duration_seconds_count 1",
            "kvcluster_operator_errors_total{kind=\"Conflict\"} 1",
            "kvcluster_operator_actions_total{action=\"create-set\"} 1",
            "kvcluster_operator_lease_held 1",
            "kvcluster_operator_watch_up{resource=\"pods\"} 0",
            "kvcluster_operator_clusters 1",
            "kvcluster_operator_cluster_members{namespace=\"ns\",cluster=\"c\"} 2",
            "kvcluster_operator_cluster_condition{namespace=\"ns\",cluster=\"c\",condition=\"Available\"} 0",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
        metrics.clusters().forget(&key);
        assert!(!metrics.page().unwrap().contains("cluster=\"c\""));
    }
}
