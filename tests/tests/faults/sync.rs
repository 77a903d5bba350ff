//! Disks whose syncs fail, or take long.

use std::time::Duration;

use process_tests::{BadSyncs, Load, verify};
use testing::{Cluster, wait_until};
use tokio::time::sleep;

use crate::{SYNC_ERROR, alone, follower, is_root, three};

/// Of each sync: longer than an election takes, and no reason to give the disk up.
const STALL: Duration = Duration::from_secs(6);
/// Until the disk is itself again.
const STALLED: Duration = Duration::from_secs(9);
/// Of each sync: longer than a node waits for its disk.
const NO_ANSWER: Duration = Duration::from_secs(120);
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Leader,
    Follower,
}

/// Three nodes under load, and the one whose syncs are to go wrong.
async fn under_load(whose: Whose) -> (Cluster, Load, u64) {
    let cluster = three().await;
    let load = Load::start(&cluster, 0);
    load.more(200).await;
    let node = match whose {
        Whose::Leader => cluster.leader().await.node,
        Whose::Follower => follower(&cluster).await,
    };
    (cluster, load, node)
}

/// The syncs of a node go wrong so that it ends; it is started again on a disk that is well.
async fn ends(fault: &str, whose: Whose, delay: Option<Duration>) {
    let _alone = alone().await;
    if !is_root(fault) {
        return;
    }
    let (mut cluster, load, node) = under_load(whose).await;
    let syncs = match delay {
        Some(delay) => BadSyncs::that_wait(cluster.node(node), delay).await,
        None => BadSyncs::that_fail(cluster.node(node)).await,
    };
    load.more(200).await;
    let reason = cluster.node(node).termination_log();
    wait_until("it says why it ends", async || reason.exists().then_some(())).await;
    // Before it can end: strace keeps a thread that waits.
    drop(syncs);
    assert_eq!(cluster.node_mut(node).wait().await.code(), SYNC_ERROR);
    load.more(200).await;
    cluster.node_mut(node).start();
    load.more(200).await;
    verify(fault, &mut cluster, &[1, 2, 3], load.stop().await).await;
}

/// The syncs of a node take long for a while, and it goes on by itself.
async fn stalls(fault: &str, whose: Whose) {
    let _alone = alone().await;
    if !is_root(fault) {
        return;
    }
    let (mut cluster, load, node) = under_load(whose).await;
    let syncs = BadSyncs::that_wait(cluster.node(node), STALL).await;
    load.more(200).await;
    if whose == Whose::Leader {
        wait_until("the leader gives its office up", async || {
            let status = cluster.node(node).status().await?;
            (status.leader != node).then_some(())
        })
        .await;
    }
    sleep(STALLED).await;
    load.more(200).await;
    drop(syncs);
    load.more(200).await;
    verify(fault, &mut cluster, &[1, 2, 3], load.stop().await).await;
}

#[tokio::test]
async fn a_sync_of_a_follower_fails() {
    ends("sync of a follower fails", Whose::Follower, None).await;
}

#[tokio::test]
async fn a_sync_of_the_leader_fails() {
    ends("sync of the leader fails", Whose::Leader, None).await;
}

#[tokio::test]
async fn the_disk_of_the_leader_does_not_answer() {
    ends("disk of the leader does not answer", Whose::Leader, Some(NO_ANSWER)).await;
}

#[tokio::test]
async fn the_disk_of_a_follower_stalls() {
    stalls("disk of a follower stalls", Whose::Follower).await;
}

#[tokio::test]
async fn the_disk_of_the_leader_stalls() {
    stalls("disk of the leader stalls", Whose::Leader).await;
}
