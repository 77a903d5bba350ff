//! A node that was away for so long that the log does not reach back to it.

use crate::rig::{Cluster, block_on};

#[test]
fn it_takes_in_a_snapshot_and_keeps_it() {
    block_on(async {
        let mut cluster = Cluster::start().await;
        cluster.put(None, "first", "1").await;
        let away = (cluster.leader(None).await + 1) % 3;
        cluster.stop_node(away);
        let others: Vec<usize> = (0..3).filter(|place| *place != away).collect();
        let mut number = 0;
        let mut logs_are_cut = false;
        while !logs_are_cut {
            number += 1;
            cluster.put(None, &format!("key {number}"), "2").await;
            logs_are_cut = true;
            for place in &others {
                let status = cluster.node(*place).handle.status().await.unwrap();
                // Far behind what the one that is away has.
                logs_are_cut &= status.replicas[0].raft.base.index.0 > 50;
            }
        }
        cluster.start_node(away);
        let last = format!("key {number}");
        let mut snapshots = cluster.node(away).handle.snapshots();
        snapshots.wait_for(|snapshots| snapshots.counters.installed == 1).await.unwrap();
        for (key, value) in [("first", "1"), (&last, "2")] {
            assert_eq!(cluster.get(away, key).await.as_deref(), Some(value));
        }
        cluster.stop_node(away);
        cluster.start_node(away);
        assert_eq!(cluster.get(away, &last).await.as_deref(), Some("2"), "after another start");
        cluster.stop();
    });
}
