use std::time::Duration;

use client::{Client, Consistency, Error};
use testing::{Cluster, Options, wait_within};

/// Above the shortest retention there is, 1 min, and what a sweep takes.
const RETENTION: Duration = Duration::from_secs(150);
/// For a sweep alone.
const SWEEP: Duration = Duration::from_secs(30);

fn is_too_old<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::TooOld { .. }))
}

/// Writes until what was there at `timestamp` is gone; each write lets a threshold rise.
async fn age(client: &Client, timestamp: u64, patience: Duration) {
    let then = client.with_consistency(Consistency::Snapshot(timestamp));
    wait_within(patience, "the end of old versions", async || {
        client.put("k", "newer").await.unwrap();
        is_too_old(&then.get("k").await).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_hold_keeps_a_timestamp_beyond_the_retention() {
    let flags = ["--retention", "1m"].map(str::to_owned).to_vec();
    let cluster = Cluster::start(1, Options { flags, ..Options::default() }).await;
    let client = Client::connect([cluster.nodes[0].client_address().to_string()]).await.unwrap();
    let before = client.put("k", "first").await.unwrap().timestamp;
    let held = client.put("k", "held").await.unwrap().timestamp;
    let hold = client.hold(held, Duration::from_secs(600)).await.unwrap().hold;
    age(&client, before, RETENTION).await;
    // All of this is older than the retention by now.
    let then = client.with_consistency(Consistency::Snapshot(held));
    assert_eq!(then.get("k").await.unwrap().value.unwrap().value, "held");
    assert!(is_too_old(&client.hold(before, Duration::from_secs(1)).await));

    client.release_hold(hold).await.unwrap();
    // Again: it has ended, and nobody minds.
    client.release_hold(hold).await.unwrap();
    age(&client, held, SWEEP).await;
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
