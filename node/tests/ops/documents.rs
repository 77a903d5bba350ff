//! The documentation says what the program does.

use std::collections::BTreeSet;

use testing::{Cluster, Options, get, wait_until};

const CONFIGURATION: &str = include_str!("../../../docs/configuration.md");
const METRICS: &str = include_str!("../../../docs/metrics.md");

#[test]
fn every_setting_is_documented_with_its_default_and_unit() {
    let table = node::config::reference();
    assert!(
        CONFIGURATION.contains(&table),
        "docs/configuration.md: paste `kv-node config reference`:\n{table}"
    );
}

/// Names in the first column of the tables.
fn documented() -> BTreeSet<String> {
    let names = METRICS.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    names.filter(|name| name.starts_with("kvcluster_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_metric_is_documented_and_there() {
    let cluster = Cluster::start(1, Options::default()).await;
    let address = cluster.node(1).http_address();
    // Nothing is known of clocks and ages before the first read or round.
    let seen: BTreeSet<String> = wait_until("the metrics", async || {
        let (status, page) = get(address, "/metrics").unwrap();
        assert_eq!(status, 200);
        assert!(page.ends_with("# EOF\n"));
        let histograms: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram"))
            .collect();
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        let names = samples.filter_map(|line| line.split(['{', ' ']).next());
        // All samples of a histogram are one metric.
        let family = |name: &str| {
            let mut of = ["_bucket", "_sum", "_count"].iter().filter_map(|end| name.strip_suffix(end));
            of.find(|of| histograms.contains(of)).unwrap_or(name).to_owned()
        };
        let names = names.map(family);
        Some(names.collect::<BTreeSet<_>>()).filter(|names| names.contains("kvcluster_clock_offset_seconds"))
    })
    .await;
    let documented = documented();
    let undocumented: Vec<_> = seen.difference(&documented).collect();
    assert!(undocumented.is_empty(), "not in docs/metrics.md: {undocumented:#?}");
    // Only with followers, learners or trouble.
    let sometimes = ["follower", "disk_reserve_node", "staleness", "_exporting", "_fetching", "_installing"];
    let missing =
        documented.difference(&seen).filter(|name| !sometimes.iter().any(|part| name.contains(part)));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "in docs/metrics.md only: {missing:#?}");
}
