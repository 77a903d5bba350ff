//! A follower that is sent a snapshot, and what may end meanwhile.

use std::fs;
use std::time::Duration;

use process_tests::{BadSyncs, Load, verify};
use testing::{Cluster, NodeProcess, Options, get, wait_until};

use crate::{alone, is_root, lead};

/// It sends the snapshot.
const SENDER: u64 = 1;
/// It missed so much that it is sent one.
const BEHIND: u64 = 2;
/// It keeps its whole log, which is what everything is checked against.
const KEEPER: u64 = 3;

/// So many values, of so many bytes each.
const VALUES: usize = 24;
const VALUE: usize = 1 << 20;
/// Of each sync: an install has several.
const SLOW_SYNC: Duration = Duration::from_millis(400);

/// Three nodes under load, of which one is down and has missed what its leader does not have in its log any more. Snapshots are
/// slow, so that there is a time to interrupt them.
async fn one_behind() -> (Cluster, Load) {
    let flags = ["--log-bytes", "8MiB", "--log-tail-bytes", "1MiB", "--snapshot-bytes-per-second", "5MiB"];
    let flags = flags.map(str::to_owned).to_vec();
    let mut cluster = Cluster::start(3, Options { flags, ..Options::default() }).await;
    let keeper = cluster.node_mut(KEEPER);
    keeper.kill();
    keeper.options.flags = ["--log-entries", "10000000", "--log-bytes", "1GiB"].map(str::to_owned).to_vec();
    keeper.start();
    lead(&cluster, SENDER).await;
    let missed = cluster.node(BEHIND).status().await.unwrap().commit_index;
    cluster.node_mut(BEHIND).kill();
    let mut load = Load::start(&cluster, 0);
    load.bulk(&cluster, VALUES, VALUE).await;
    wait_until("the log is cut", async || {
        let base = metric(cluster.node(SENDER), "kvcluster_raft_base_index");
        base.filter(|base| *base > missed)
    })
    .await;
    (cluster, load)
}

/// A metric of one range, if it is shown.
fn metric(node: &NodeProcess, name: &str) -> Option<u64> {
    let (_, page) = get(node.http_address(), "/metrics").ok()?;
    let line = page.lines().find(|line| line.split(['{', ' ']).next() == Some(name))?;
    let value: f64 = line.rsplit(' ').next()?.parse().ok()?;
    Some(value as u64)
}

/// How much of a snapshot a node has.
fn bytes(node: &NodeProcess) -> u64 {
    let files = fs::read_dir(node.data().join("snapshots")).unwrap().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// Waits until the one that is behind has more than `before` bytes of a snapshot.
async fn receives_more_than(cluster: &Cluster, before: u64) -> u64 {
    wait_until("pieces of a snapshot arrive", async || {
        Some(bytes(cluster.node(BEHIND))).filter(|bytes| *bytes > before)
    })
    .await
}

async fn caught_up(cluster: &Cluster) {
    let leader = cluster.leader().await.commit_index;
    wait_until("the follower has caught up", async || {
        let status = cluster.node(BEHIND).status().await?;
        (status.applied_index >= leader && !status.receiving_snapshot).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_receiver_of_a_snapshot_is_killed_again_and_again() {
    let _alone = alone().await;
    let (mut cluster, load) = one_behind().await;
    let mut there = 0;
    for _ in 0..3 {
        cluster.node_mut(BEHIND).start();
        there = receives_more_than(&cluster, there).await;
        load.more(50).await;
        cluster.node_mut(BEHIND).kill();
    }
    cluster.node_mut(BEHIND).start();
    caught_up(&cluster).await;
    let again = metric(cluster.node(BEHIND), "kvcluster_snapshot_received_bytes_total").unwrap();
    assert!(again + there / 2 < (VALUES * VALUE) as u64, "{again} bytes after {there} bytes that were there");
    load.more(100).await;
    verify("receiver of a snapshot killed", &mut cluster, &[1, 2, 3], load.stop().await).await;
}

#[tokio::test]
async fn the_sender_of_a_snapshot_is_killed() {
    let _alone = alone().await;
    let (mut cluster, load) = one_behind().await;
    cluster.node_mut(BEHIND).start();
    receives_more_than(&cluster, VALUE as u64).await;
    load.more(50).await;
    cluster.node_mut(SENDER).kill();
    load.more(200).await;
    cluster.node_mut(SENDER).start();
    caught_up(&cluster).await;
    load.more(100).await;
    verify("sender of a snapshot killed", &mut cluster, &[1, 2, 3], load.stop().await).await;
}

#[tokio::test]
async fn a_follower_is_killed_while_it_installs_a_snapshot() {
    let fault = "follower killed during an install";
    let _alone = alone().await;
    if !is_root(fault) {
        return;
    }
    let (mut cluster, load) = one_behind().await;
    cluster.node_mut(BEHIND).start();
    receives_more_than(&cluster, (VALUES * VALUE) as u64 / 2).await;
    let syncs = BadSyncs::that_wait(cluster.node(BEHIND), SLOW_SYNC).await;
    wait_until("the snapshot is installed", async || {
        metric(cluster.node(BEHIND), "kvcluster_snapshot_installing").filter(|installing| *installing == 1)
    })
    .await;
    cluster.node_mut(BEHIND).kill();
    drop(syncs);
    // Its files go when it ends.
    assert!(bytes(cluster.node(BEHIND)) > 0, "the install had ended");
    cluster.node_mut(BEHIND).start();
    caught_up(&cluster).await;
    load.more(100).await;
    verify(fault, &mut cluster, &[1, 2, 3], load.stop().await).await;
}
