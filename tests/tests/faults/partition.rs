//! The leader is cut off from its peers, and clients still reach it.

use process_tests::{Load, Proxies, verify};
use testing::wait_until;

use crate::{alone, three};

#[derive(Clone, Copy)]
enum Cut {
    ToPeers,
    FromPeers,
    Both,
}

async fn cut_off(fault: &str, cut: Cut) {
    let _alone = alone().await;
    let mut cluster = three().await;
    let proxies = Proxies::between(&mut cluster).await;
    let set = |node: u64, on: bool| {
        if matches!(cut, Cut::ToPeers | Cut::Both) {
            proxies.cut_from(node, on);
        }
        if matches!(cut, Cut::FromPeers | Cut::Both) {
            proxies.cut_to(node, on);
        }
    };
    let load = Load::start(&cluster, 0);
    for _ in 0..2 {
        load.more(200).await;
        let old = cluster.leader().await.node;
        set(old, true);
        wait_until("another node leads", async || {
            for node in (1..=3).filter(|node| *node != old) {
                let status = cluster.node(node).status().await?;
                if status.leader == status.node {
                    return Some(());
                }
            }
            None
        })
        .await;
        load.more(200).await;
        set(old, false);
        load.more(200).await;
        cluster.leader().await;
    }
    verify(fault, &mut cluster, &[1, 2, 3], load.stop().await).await;
}

#[tokio::test]
async fn a_leader_that_nobody_hears() {
    cut_off("leader cut off, to its peers", Cut::ToPeers).await;
}

#[tokio::test]
async fn a_leader_that_hears_nobody() {
    cut_off("leader cut off, from its peers", Cut::FromPeers).await;
}

#[tokio::test]
async fn a_leader_that_is_alone() {
    cut_off("leader cut off, both ways", Cut::Both).await;
}
