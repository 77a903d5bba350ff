//! What is known of each cluster, as metrics: gone with the cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// Which cluster.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClusterKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ClusterKey {
    /// The cluster `name` in `namespace`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// How a cluster is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClusterSample {
    /// The members that the spec wants.
    pub replicas: i64,
    /// The members that there are.
    pub members: i64,
    /// Of which voters.
    pub voters: i64,
    /// Each condition: 1 true, 0 false, -1 unknown.
    pub conditions: Vec<(&'static str, i64)>,
}

/// Name, help and value.
type Family = (&'static str, &'static str, fn(&ClusterSample) -> i64);
type Samples = BTreeMap<ClusterKey, (ClusterSample, Instant)>;

/// All clusters that are looked after.
#[derive(Clone, Debug, Default)]
pub struct Clusters(Arc<Mutex<Samples>>);

impl Clusters {
    fn samples(&self) -> MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This is how a cluster is now.
    pub fn set(&self, key: ClusterKey, sample: ClusterSample) {
        self.samples().entry(key).or_insert_with(|| (ClusterSample::default(), Instant::now())).0 = sample;
    }

    /// A pass over a cluster ended well.
    pub fn passed(&self, key: &ClusterKey) {
        if let Some((_, at)) = self.samples().get_mut(key) {
            *at = Instant::now();
        }
    }

    /// A cluster is gone.
    pub fn forget(&self, key: &ClusterKey) {
        self.samples().remove(key);
    }
}

impl Collector for Clusters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let samples = self.samples();
        let count = i64::try_from(samples.len()).unwrap_or(i64::MAX);
        let total =
            encoder.encode_descriptor("clusters", "Clusters looked after", None, MetricType::Gauge)?;
        ConstGauge::new(count).encode(total)?;
        let families: [Family; 3] = [
            ("cluster_replicas", "Members that the spec wants", |sample| sample.replicas),
            ("cluster_members", "Members that there are, of both roles", |sample| sample.members),
            ("cluster_voters", "Members that vote", |sample| sample.voters),
        ];
        for (name, help, value) in families {
            if samples.is_empty() {
                continue;
            }
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (key, (sample, _)) in samples.iter() {
                let gauge = ConstGauge::new(value(sample));
                gauge.encode(family.encode_family(&labels(key))?)?;
            }
        }
        self.encode_ages(&samples, &mut encoder)?;
        if samples.values().all(|(sample, _)| sample.conditions.is_empty()) {
            return Ok(());
        }
        let help = "Conditions of the status: 1 true, 0 false, -1 unknown";
        let mut family = encoder.encode_descriptor("cluster_condition", help, None, MetricType::Gauge)?;
        for (key, (sample, _)) in samples.iter() {
            for (condition, value) in &sample.conditions {
                let [namespace, cluster] = labels(key);
                let labels = [namespace, cluster, ("condition", *condition)];
                ConstGauge::new(*value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

impl Clusters {
    fn encode_ages(&self, samples: &Samples, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        if samples.is_empty() {
            return Ok(());
        }
        let (name, help) = ("cluster_pass_age_seconds", "Time since the last pass that ended well");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (key, (_, at)) in samples {
            let age = ConstGauge::new(at.elapsed().as_secs_f64());
            age.encode(family.encode_family(&labels(key))?)?;
        }
        Ok(())
    }
}

fn labels(key: &ClusterKey) -> [(&'static str, &str); 2] {
    [("namespace", &key.namespace), ("cluster", &key.name)]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_a_pass_that_ended_well_makes_a_cluster_young() {
        let (clusters, key) = (Clusters::default(), ClusterKey::new("ns", "c"));
        clusters.set(key.clone(), ClusterSample::default());
        let long_ago = Instant::now() - Duration::from_secs(60);
        clusters.samples().get_mut(&key).unwrap().1 = long_ago;
        clusters.set(key.clone(), ClusterSample { replicas: 3, ..ClusterSample::default() });
        assert_eq!(clusters.samples()[&key].1, long_ago);
        clusters.passed(&key);
        assert!(clusters.samples()[&key].1 > long_ago);
    }
}
