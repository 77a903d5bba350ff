use client::{Error, Test, Write};

use crate::three;

#[tokio::test]
async fn conditions_decide_and_say_why_not() {
    let (_cluster, client) = three().await;
    let set = client.put_if("k", "1", Test::Absent).await.unwrap();
    assert_eq!(set.failure, None);
    let failure = client.put_if("k", "2", Test::Absent).await.unwrap().failure.unwrap();
    let current = failure.current.unwrap();
    assert_eq!((failure.index, &current.value[..], current.version), (0, &b"1"[..], set.timestamp));
    assert_eq!(client.put_if("k", "2", Test::VersionIs(current.version)).await.unwrap().failure, None);
    assert_eq!(client.put_if("k", "3", Test::ValueIs("2".into())).await.unwrap().failure, None);
    assert_eq!(client.put_if("k", "4", Test::Exists).await.unwrap().failure, None);

    let write = Write::new().when("k", Test::Exists).when("other", Test::Exists).delete("k").put("new", "1");
    let failure = client.write(write).await.unwrap().failure.unwrap();
    assert_eq!((failure.index, failure.current), (1, None));
    let written =
        client.write(Write::new().when("k", Test::Exists).delete("k").put("new", "1")).await.unwrap();
    assert_eq!((written.failure, written.deleted), (None, 1));
    assert_eq!(client.get("k").await.unwrap().value, None);
    assert_eq!(client.get("new").await.unwrap().value.unwrap().version, written.timestamp);

    assert!(client.delete("new").await.unwrap().deleted);
    assert!(!client.delete("new").await.unwrap().deleted);
    client.write(Write::new().put("a", "1").put("b", "1").put("c", "1")).await.unwrap();
    assert_eq!(client.delete_range("a", "c").await.unwrap().deleted, 2);
}

#[tokio::test]
async fn what_is_wrong_is_refused_at_once() {
    let (_cluster, client) = three().await;
    assert!(matches!(client.put("", "v").await.unwrap_err(), Error::Invalid { .. }));
    let large = client.put("k", vec![0; (1 << 20) + 1]).await.unwrap_err();
    assert!(
        matches!(large, Error::TooLarge { size, limit: 0x10_0000, .. } if size == (1 << 20) + 1),
        "{large}"
    );
    let twice = client.write(Write::new().put("k", "1").delete("k")).await.unwrap_err();
    assert!(matches!(twice, Error::Invalid { .. }));
}
