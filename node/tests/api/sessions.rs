//! Writes that are repeated.

use proto::v1::condition::Test;
use proto::v1::error_detail::Kind;
use proto::v1::{Attempt, OpenSessionRequest};

use crate::rig::{get, kind, one, put, put_if};

#[tokio::test]
async fn a_repeated_write_is_done_once_and_answered_alike() {
    let (_cluster, mut kv) = one().await;
    let opened = kv.open_session(OpenSessionRequest::default()).await.unwrap().into_inner();
    assert_eq!(opened.expires_after_millis, 3_600_000);
    let session = opened.session;
    let attempt =
        |number, acknowledged_below, retry| Some(Attempt { session, number, acknowledged_below, retry });

    let mut first = put("key", "1");
    first.attempt = attempt(1, 1, false);
    let answer = kv.put(first.clone()).await.unwrap().into_inner();
    let between = kv.put(put("key", "2")).await.unwrap().into_inner();
    first.attempt = attempt(1, 1, true);
    assert_eq!(kv.put(first.clone()).await.unwrap().into_inner(), answer);
    let got = kv.get(get("key")).await.unwrap().into_inner().value.unwrap();
    assert_eq!((got.version, &got.value[..]), (between.timestamp, &b"2"[..]), "it was not done again");

    // A failed condition that was told as a retry stays failed.
    let mut second = put_if("key", "3", Test::Exists(false));
    second.attempt = attempt(2, 2, true);
    let failed = kv.conditional_put(second.clone()).await.unwrap().into_inner();
    assert_eq!(failed.failure.as_ref().unwrap().index, 0);
    kv.delete(crate::rig::delete("key")).await.unwrap();
    let again = kv.conditional_put(second).await.unwrap().into_inner();
    assert_eq!(again.failure.unwrap().index, 0);

    // Write 1 was acknowledged by write 2.
    let refused = kv.put(first.clone()).await.unwrap_err();
    assert!(matches!(kind(&refused), Kind::AlreadyAcknowledged(_)), "{refused:?}");
    first.attempt = Some(Attempt { session: session + 1, number: 1, acknowledged_below: 1, retry: false });
    let refused = kv.put(first).await.unwrap_err();
    assert!(matches!(kind(&refused), Kind::Invalid(_)), "{refused:?}");
}
