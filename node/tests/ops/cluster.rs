//! Several real nodes: bootstrap, growth and shrinkage with the data checked, and the hand-over of a stop.

use proto::admin::v1::{AddLearnerRequest, MemberRequest, NodeState, ReserveMemberRequest};
use proto::v1::{GetRequest, PutRequest};
use testing::{Cluster, Options, wait_until};

async fn put(cluster: &Cluster, node: u64, key: &'static str) {
    let request = || PutRequest { key: key.into(), value: "v".into(), ..PutRequest::default() };
    // An election may be under way: setting the same value again is harmless.
    wait_until("a write succeeds", async || cluster.node(node).kv().put(request()).await.ok()).await;
}

async fn has(cluster: &Cluster, node: u64, key: &'static str) {
    let request = || GetRequest { key: key.into(), ..GetRequest::default() };
    let got = wait_until("a read succeeds", async || cluster.node(node).kv().get(request()).await.ok()).await;
    assert_eq!(got.into_inner().value.unwrap().value, "v", "{key} on {node}");
}

#[tokio::test]
async fn every_node_of_three_answers_and_a_restart_of_all_keeps_the_data() {
    let mut cluster = Cluster::start(3, Options::default()).await;
    put(&cluster, 2, "key").await;
    for node in 1..=3 {
        has(&cluster, node, "key").await;
    }
    for node in &mut cluster.nodes {
        node.kill();
    }
    for node in &mut cluster.nodes {
        node.start();
    }
    cluster.leader().await;
    has(&cluster, 3, "key").await;
}

#[tokio::test]
async fn a_cluster_grows_and_shrinks_with_its_data() {
    let mut cluster = Cluster::start(1, Options::default()).await;
    put(&cluster, 1, "before").await;
    let new = cluster.add_process().await;
    let planned_on = cluster.leader().await.configuration_at;
    let mut admin = cluster.node(1).admin();
    let request = ReserveMemberRequest { planned_on, abandon: 0 };
    let reserved = admin.reserve_member(request).await.unwrap().into_inner();
    let request = AddLearnerRequest {
        planned_on: reserved.configuration_at,
        node: reserved.node,
        disk_id: new.disk_id,
        boot_counter: new.boot_counter,
        peer_address: new.peer_address,
    };
    let added = admin.add_learner(request).await.unwrap().into_inner();
    let request = MemberRequest { planned_on: added.configuration_at, node: reserved.node };
    let promoted = wait_until("the learner is caught up", async || admin.promote(request).await.ok()).await;
    assert_eq!(promoted.into_inner().committed, 1);
    has(&cluster, 2, "before").await;

    let planned_on = cluster.leader().await.configuration_at;
    admin.remove(MemberRequest { planned_on, node: 1 }).await.unwrap();
    wait_until("the rest leads", async || {
        cluster.node(2).status().await.filter(|status| status.state() == NodeState::Leader)
    })
    .await;
    put(&cluster, 2, "after").await;
    has(&cluster, 2, "before").await;
}

#[tokio::test]
async fn a_stop_hands_leadership_over_without_an_election_timeout() {
    // So long that an election would be noticed.
    let flags = ["--election-timeout", "10s", "--promise", "5s"].map(str::to_owned).to_vec();
    let mut cluster = Cluster::start(3, Options { flags, ..Options::default() }).await;
    let before = cluster.leader().await;
    put(&cluster, before.node, "before").await;
    let begun = std::time::Instant::now();
    assert_eq!(cluster.node_mut(before.node).stop().await.code(), Some(0));
    assert!(begun.elapsed() < std::time::Duration::from_secs(6), "{:?}", begun.elapsed());
    let after = cluster.leader().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!((after.term, after.node == before.node), (before.term + 1, false));
    has(&cluster, after.node, "before").await;
}
