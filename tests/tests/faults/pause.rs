//! A process that stands still and does not know it.

use std::time::Duration;

use process_tests::{Load, verify};
use rustix::process::Signal;
use tokio::time::sleep;

use crate::{alone, three};

/// Longer than the lease, shorter than clients wait for what they read.
const STOPPED: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_leader_that_stood_still_shows_nothing_old() {
    let _alone = alone().await;
    let mut cluster = three().await;
    let load = Load::start(&cluster, 0);
    for _ in 0..2 {
        load.more(200).await;
        let leader = cluster.leader().await.node;
        cluster.node(leader).signal(Signal::STOP);
        // Others write meanwhile what it does not know.
        load.more(100).await;
        sleep(STOPPED).await;
        cluster.node(leader).signal(Signal::CONT);
        load.more(200).await;
    }
    verify("leader stopped for a while", &mut cluster, &[1, 2, 3], load.stop().await).await;
}
