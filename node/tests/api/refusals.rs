//! What is refused, and how.

use std::time::Duration;

use bytes::Bytes;
use proto::v1::batch_item::Request as Asked;
use proto::v1::batch_result::Result as Told;
use proto::v1::consistency::Level;
use proto::v1::error_detail::Kind;
use proto::v1::{BatchItem, Consistency, DeleteRangeRequest, ScanRequest, TooLarge, WriteRequest};
use testing::{Cluster, Options};
use tonic::{Code, Status};

use crate::rig::{batches, deleting_range, detail, get, get_at, kind, one, put, putting};

fn invalid(refused: &Status, what: &str) {
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(matches!(kind(refused), Kind::Invalid(_)), "{refused:?}");
    assert!(refused.message().contains(what), "{refused:?}");
}

#[tokio::test]
async fn a_wrong_request_is_told_what_is_wrong() {
    let (_cluster, mut kv) = one().await;
    invalid(&kv.get(get("")).await.unwrap_err(), "a key is empty");
    invalid(&kv.put(put("", "value")).await.unwrap_err(), "a key is empty");
    let mut request = put("key", "value");
    request.keyspace = "mine".into();
    invalid(&kv.put(request).await.unwrap_err(), "leave it empty");
    invalid(&kv.write(WriteRequest::default()).await.unwrap_err(), "the write is empty");
    for (operations, what) in [
        (vec![putting("a", "1"), putting("b", "1"), putting("a", "2")], "a key occurs in two operations"),
        (vec![deleting_range("a", "c"), putting("b", "1")], "overlaps with another operation"),
    ] {
        let request = WriteRequest { operations, ..Default::default() };
        invalid(&kv.write(request).await.unwrap_err(), what);
    }
    let span = ScanRequest { start: "b".into(), end: "a".into(), ..Default::default() };
    invalid(&kv.scan(span).await.unwrap_err(), "ends before its start");
    let span = DeleteRangeRequest { start: "b".into(), end: "a".into(), ..Default::default() };
    invalid(&kv.delete_range(span).await.unwrap_err(), "ends before its start");
    invalid(&kv.get(get_at("key", Level::StaleWithinMillis(600_001))).await.unwrap_err(), "at most 600000");
    let mut request = get("key");
    request.consistency = Some(Consistency { level: None });
    invalid(&kv.get(request).await.unwrap_err(), "no level");
    let written = kv.put(put("key", "value")).await.unwrap().into_inner().timestamp;
    let refused = kv.get(get_at("key", Level::SnapshotTimestamp(u64::MAX))).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
    let Kind::InTheFuture(future) = kind(&refused) else { panic!("{refused:?}") };
    assert!(future.latest >= written && future.latest < u64::MAX);
}

#[tokio::test]
async fn what_is_over_a_limit_is_told_the_limit_and_what_is_at_it_is_done() {
    let (_cluster, mut kv) = one().await;
    let large = |refused: &Status| match kind(refused) {
        Kind::TooLarge(TooLarge { size, limit, .. }) => (size, limit),
        other => panic!("{other:?}"),
    };
    let key = |bytes| "k".repeat(bytes);
    kv.put(put(&key(4_096), &"v".repeat(1 << 20))).await.unwrap();
    assert_eq!(large(&kv.put(put(&key(4_097), "")).await.unwrap_err()), (4_097, 4_096));
    assert_eq!(large(&kv.get(get(&key(4_097))).await.unwrap_err()), (4_097, 4_096));
    let refused = kv.put(put("key", &"v".repeat((1 << 20) + 1))).await.unwrap_err();
    assert_eq!(large(&refused), ((1 << 20) + 1, 1 << 20));
    let write = |count| {
        let operations = (0..count).map(|number| putting(&format!("key {number}"), "")).collect();
        WriteRequest { operations, ..Default::default() }
    };
    kv.write(write(1_000)).await.unwrap();
    assert_eq!(large(&kv.write(write(1_001)).await.unwrap_err()), (1_001, 1_000));
    let megabyte = "v".repeat(1 << 20);
    let operations = (0..5).map(|number| putting(&number.to_string(), &megabyte)).collect();
    let refused = kv.write(WriteRequest { operations, ..Default::default() }).await.unwrap_err();
    assert_eq!(large(&refused), ((5 << 20) + 5, 4 << 20));
    // The transport refuses what it cannot even take, and says the limit too.
    let mut request = put("key", "");
    request.value = Bytes::from(vec![0; 17 << 20]);
    let refused = kv.put(request).await.unwrap_err();
    assert!(refused.message().contains("16777216"), "{refused:?}");
}

#[tokio::test]
async fn a_full_node_says_when_to_try_again() {
    let flags = ["--sessions", "1"].map(str::to_owned).to_vec();
    let cluster = Cluster::start(1, Options { flags, ..Options::default() }).await;
    let mut kv = cluster.node(1).kv();
    kv.open_session(proto::v1::OpenSessionRequest::default()).await.unwrap();
    let refused = kv.open_session(proto::v1::OpenSessionRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let (detail, retry) = detail(&refused);
    let Some(Kind::Busy(busy)) = detail.kind else { panic!("{detail:?}") };
    assert_eq!(Some(busy.retry_after_millis), retry);
    assert!(busy.retry_after_millis > 0);
}

#[tokio::test]
async fn without_a_majority_a_write_runs_into_its_deadline_and_then_nobody_leads() {
    let flags = ["--election-timeout", "3s", "--promise", "1s"].map(str::to_owned).to_vec();
    let mut cluster = Cluster::start(2, Options { flags, ..Options::default() }).await;
    let leader = cluster.leader().await.node;
    cluster.node_mut(3 - leader).kill();
    let mut kv = cluster.node(leader).kv();
    // The leader has not noticed yet.
    let request = Some(Asked::Put(put("key", "1")));
    let (answers, _) = batches(&mut kv, vec![vec![BatchItem { id: 7, deadline_millis: 300, request }]]).await;
    let Some(Told::Error(error)) = answers.get(&7) else { panic!("{answers:?}") };
    assert!(matches!(error.kind, Some(Kind::DeadlineExceeded(_))), "{error:?}");
    let noticed = testing::wait_until("the leader notices", async || {
        let mut request = tonic::Request::new(get("key"));
        request.set_timeout(Duration::from_secs(1));
        // For a while its lease lasts.
        let refused = kv.get(request).await.err()?;
        (refused.code() == Code::Unavailable).then_some(refused)
    })
    .await;
    assert!(matches!(kind(&noticed), Kind::NoLeader(_)), "{noticed:?}");
}
