use std::time::Duration;

use client::{Consistency, Error, ReadFrom, Scan};
use futures_util::TryStreamExt;
use futures_util::future::join_all;

use crate::three;

#[tokio::test]
async fn reads_are_as_fresh_as_asked_for() {
    let (_cluster, client) = three().await;
    assert_eq!(client.get("k").await.unwrap().value, None);
    let first = client.put("k", "1").await.unwrap().timestamp;
    let second = client.put("k", "2").await.unwrap().timestamp;
    assert!(first < second);
    for read_from in [ReadFrom::Leader, ReadFrom::Nearest] {
        let client = client.with_reads_from(read_from);
        let found = client.get("k").await.unwrap();
        assert!(found.timestamp >= second);
        let found = found.value.unwrap();
        assert_eq!((&found.value[..], found.version), (&b"2"[..], second));
        let old = client.with_consistency(Consistency::Snapshot(first)).get("k").await.unwrap();
        assert_eq!((old.timestamp, old.value.unwrap().version), (first, first));
        let stale = client.with_consistency(Consistency::Stale(Duration::from_secs(10)));
        assert!(stale.get("k").await.unwrap().value.is_some());
        let future = client.with_consistency(Consistency::Snapshot(second + (3_600_000 << 18)));
        assert!(matches!(future.get("k").await.unwrap_err(), Error::InTheFuture { .. }));
    }
}

#[tokio::test]
async fn all_pages_show_one_moment() {
    let (_cluster, client) = three().await;
    let key = |number: u32| format!("k{number:05}");
    for answer in join_all((0..2_500).map(|number| client.put(key(number), number.to_string()))).await {
        answer.unwrap();
    }
    let mut pages = client.pages(Scan::prefix("k"));
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!(first.rows.len(), 1_000);
    // What happens now is not seen.
    client.put("k99999", "later").await.unwrap();
    client.delete(key(2_000)).await.unwrap();
    let rest: Vec<_> = pages.rows().try_collect().await.unwrap();
    assert_eq!(rest.len(), 1_500);
    assert_eq!(rest[1_000].key, key(2_000));

    let now = client.pages(Scan::prefix("k").reverse().limit(1_200).keys_only());
    let now: Vec<_> = now.rows().try_collect().await.unwrap();
    assert_eq!((now.len(), &now[0].key[..], &now[0].value[..]), (1_200, &b"k99999"[..], &b""[..]));
    assert!(now.is_sorted_by(|a, b| a.key > b.key));
    assert!(now.iter().all(|row| row.key != key(2_000)));
}
