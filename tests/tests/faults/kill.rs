//! Processes that end without warning.

use process_tests::{Load, verify};

use crate::{alone, three};

/// Acknowledged writes between two faults.
const BETWEEN: u64 = 200;

#[tokio::test]
async fn a_follower_is_killed_again_and_again() {
    let _alone = alone().await;
    let mut cluster = three().await;
    let load = Load::start(&cluster, 0);
    for round in 0..4 {
        load.more(BETWEEN).await;
        let leader = cluster.leader().await.node;
        let follower = (leader + round % 2) % 3 + 1;
        cluster.node_mut(follower).kill();
        load.more(BETWEEN).await;
        cluster.node_mut(follower).start();
    }
    load.more(BETWEEN).await;
    verify("follower killed", &mut cluster, &[1, 2, 3], load.stop().await).await;
}

#[tokio::test]
async fn the_leader_is_killed_again_and_again() {
    let _alone = alone().await;
    let mut cluster = three().await;
    let load = Load::start(&cluster, 0);
    for _ in 0..4 {
        load.more(BETWEEN).await;
        let leader = cluster.leader().await.node;
        cluster.node_mut(leader).kill();
        load.more(BETWEEN).await;
        cluster.node_mut(leader).start();
    }
    load.more(BETWEEN).await;
    verify("leader killed", &mut cluster, &[1, 2, 3], load.stop().await).await;
}

#[tokio::test]
async fn all_are_killed_at_once() {
    let _alone = alone().await;
    let mut cluster = three().await;
    let load = Load::start(&cluster, 0);
    for _ in 0..3 {
        load.more(BETWEEN).await;
        for node in &mut cluster.nodes {
            node.kill();
        }
        for node in &mut cluster.nodes {
            node.start();
        }
    }
    load.more(BETWEEN).await;
    verify("all killed", &mut cluster, &[1, 2, 3], load.stop().await).await;
}
