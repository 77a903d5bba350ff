//! Disks that lose data.

use std::fs;
use std::time::{Duration, Instant};

use process_tests::{Load, verify};
use proto::admin::v1::NodeState;
use proto::v1::consistency::Level;
use proto::v1::{Consistency, GetRequest, Linearizable, PutRequest};
use testing::{NodeProcess, wait_until};

use crate::{alone, copy, follower, three};

/// So long nothing may be answered.
const WATCHED: Duration = Duration::from_secs(4);

async fn answers_nothing(node: &NodeProcess) {
    let mut kv = node.kv();
    for level in [Level::Linearizable(Linearizable {}), Level::StaleWithinMillis(600_000)] {
        let consistency = Some(Consistency { level: Some(level) });
        let request = GetRequest { key: "key-01".into(), consistency, keyspace: String::new() };
        let answer = kv.get(request).await;
        assert!(answer.is_err(), "a node without its data answers {answer:?}");
    }
    let request = PutRequest { key: "other".into(), value: "lost".into(), ..PutRequest::default() };
    let answer = kv.put(request).await;
    assert!(answer.is_err(), "a node without its data answers {answer:?}");
}

fn others(of: u64) -> Vec<u64> {
    (1..=3).filter(|node| *node != of).collect()
}

#[tokio::test]
async fn a_wiped_disk_is_not_the_member_that_it_was() {
    let _alone = alone().await;
    let mut cluster = three().await;
    let load = Load::start(&cluster, 0);
    load.more(300).await;
    let lost = follower(&cluster).await;
    let node = cluster.node_mut(lost);
    node.kill();
    fs::remove_dir_all(node.data()).unwrap();
    node.start();
    node.wait_live().await;
    let begun = Instant::now();
    while begun.elapsed() < WATCHED {
        let status = cluster.node(lost).status().await.expect("it runs");
        assert_eq!((status.state(), status.node, status.ready), (NodeState::Waiting, 0, false));
        answers_nothing(cluster.node(lost)).await;
        load.more(50).await;
    }
    verify("follower wiped", &mut cluster, &others(lost), load.stop().await).await;
}

#[tokio::test]
async fn a_disk_that_was_rolled_back_is_lost() {
    let _alone = alone().await;
    let mut cluster = three().await;
    let load = Load::start(&cluster, 0);
    load.more(300).await;
    let lost = follower(&cluster).await;
    let node = cluster.node_mut(lost);
    let (data, older) = (node.data(), node.data().with_extension("older"));
    node.kill();
    copy(&data, &older);
    node.start();
    node.wait_live().await;
    load.more(300).await;
    let node = cluster.node_mut(lost);
    node.kill();
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&older, &data).unwrap();
    node.start();
    wait_until("the node is told that its disk lost data", async || {
        let status = cluster.node(lost).status().await?;
        (status.state() == NodeState::LostDisk).then_some(())
    })
    .await;
    let begun = Instant::now();
    while begun.elapsed() < WATCHED {
        answers_nothing(cluster.node(lost)).await;
        load.more(50).await;
    }
    // It remembers.
    let node = cluster.node_mut(lost);
    node.kill();
    node.start();
    wait_until("the node knows that its disk lost data", async || {
        let status = cluster.node(lost).status().await?;
        (status.state() == NodeState::LostDisk).then_some(())
    })
    .await;
    answers_nothing(cluster.node(lost)).await;
    verify("follower rolled back", &mut cluster, &others(lost), load.stop().await).await;
}
