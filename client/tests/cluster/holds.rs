use std::time::Duration;

use client::{Client, Consistency, Error};
use testing::{Cluster, Options, wait_until};

/// Above the shortest retention there is, 1 min, and what a sweep takes.
const PATIENCE: Duration = Duration::from_secs(150);

fn is_too_old<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::TooOld { .. }))
}

/// Writes until what was there at `timestamp` is gone; each write lets a threshold rise.
async fn age(client: &Client, timestamp: u64) {
    let then = client.with_consistency(Consistency::Snapshot(timestamp));
    let gone = async || {
        client.put("k", "newer").await.unwrap();
        is_too_old(&then.get("k").await).then_some(())
    };
    let begun = std::time::Instant::now();
    while gone().await.is_none() {
        assert!(begun.elapsed() < PATIENCE, "versions at {timestamp} are kept for ever");
        // A retention passes without an event.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn a_hold_keeps_a_timestamp_beyond_the_retention() {
    let flags = ["--retention", "1m"].map(str::to_owned).to_vec();
    let cluster = Cluster::start(1, Options { flags, ..Options::default() }).await;
    let client = Client::connect([cluster.nodes[0].client_address().to_string()]).await.unwrap();
    let before = client.put("k", "first").await.unwrap().timestamp;
    let held = client.put("k", "held").await.unwrap().timestamp;
    let hold = client.hold(held, Duration::from_secs(600)).await.unwrap().hold;
    age(&client, before).await;
    // All of this is older than the retention by now.
    let then = client.with_consistency(Consistency::Snapshot(held));
    assert_eq!(then.get("k").await.unwrap().value.unwrap().value, "held");
    assert!(is_too_old(&client.hold(before, Duration::from_secs(1)).await));

    client.release_hold(hold).await.unwrap();
    // Again: it has ended, and nobody minds.
    client.release_hold(hold).await.unwrap();
    wait_until("the end of what was held", async || {
        client.put("k", "newest").await.unwrap();
        is_too_old(&then.get("k").await).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_hold_that_cannot_be_is_refused() {
    let cluster = Cluster::start(1, Options::default()).await;
    let client = Client::connect([cluster.nodes[0].client_address().to_string()]).await.unwrap();
    let now = client.put("k", "v").await.unwrap().timestamp;
    let minute = Duration::from_secs(60);
    let future = client.hold(now << 1, minute).await.unwrap_err();
    assert!(matches!(future, Error::InTheFuture { .. }), "{future}");
    let long = client.hold(now, minute * 60 * 25).await.unwrap_err();
    assert!(matches!(long, Error::TooLarge { .. }), "{long}");
    let empty = client.hold(now, Duration::ZERO).await.unwrap_err();
    assert!(matches!(empty, Error::Invalid { .. }), "{empty}");
}
