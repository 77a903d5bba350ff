//! Three nodes.

use std::sync::atomic::Ordering;

use raft::RoleKind;
use store::request::RequestError;

use crate::rig::{Cluster, block_on, put};

#[test]
fn every_node_reads_what_the_leader_wrote() {
    block_on(async {
        let cluster = Cluster::start().await;
        cluster.put(None, "a", "1").await;
        for place in 0..3 {
            assert_eq!(cluster.get(place, "a").await.as_deref(), Some("1"), "at {place}");
        }
        let leader = cluster.leader(None).await;
        let refused = cluster.node((leader + 1) % 3).asker.ask(put("a", "2")).await;
        assert!(matches!(refused, Err(RequestError::NotLeader { leader: Some(_) })), "{refused:?}");
        cluster.stop();
    });
}

#[test]
fn two_of_three_go_on_when_the_leader_stops_and_it_catches_up() {
    block_on(async {
        let mut cluster = Cluster::start().await;
        cluster.put(None, "a", "1").await;
        let first = cluster.leader(None).await;
        cluster.stop_node(first);
        cluster.put(None, "a", "2").await;
        cluster.start_node(first);
        assert_eq!(cluster.get(first, "a").await.as_deref(), Some("2"));
        cluster.stop();
    });
}

#[test]
fn a_leader_that_reaches_nobody_steps_down_and_acknowledges_nothing() {
    block_on(async {
        let cluster = Cluster::start().await;
        cluster.put(None, "a", "1").await;
        let first = cluster.leader(None).await;
        cluster.cut_off[first].store(true, Ordering::Relaxed);
        let lost = cluster.node(first).asker.ask(put("a", "lost")).await;
        assert_eq!(lost, Err(RequestError::OutcomeUnknown));
        cluster.node(first).until(|summary| summary.role != Some(RoleKind::Leader)).await;
        cluster.put(Some(first), "a", "2").await;
        cluster.cut_off[first].store(false, Ordering::Relaxed);
        cluster.node(first).until(|summary| summary.leader.is_some() && !summary.serves_writes).await;
        assert_eq!(cluster.get(first, "a").await.as_deref(), Some("2"));
        cluster.stop();
    });
}
