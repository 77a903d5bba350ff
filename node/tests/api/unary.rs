//! Every call, on one node.

use proto::v1::condition::Test;
use proto::v1::consistency::Level;
use proto::v1::{DeleteRangeRequest, ScanRequest, ScanResponse, WriteRequest};

use crate::rig::{condition, delete, deleting, deleting_range, get, get_at, one, put, put_if, putting};

#[tokio::test]
async fn a_key_is_set_read_and_removed_and_every_answer_names_its_moment() {
    let (_cluster, mut kv) = one().await;
    let first = kv.put(put("key", "1")).await.unwrap().into_inner().timestamp;
    let second = kv.put(put("key", "2")).await.unwrap().into_inner().timestamp;
    assert!(0 < first && first < second);
    for level in [Level::Linearizable(Default::default()), Level::StaleWithinMillis(600_000)] {
        let got = kv.get(get_at("key", level)).await.unwrap().into_inner();
        let value = got.value.unwrap();
        assert_eq!((&value.value[..], value.version), (&b"2"[..], second), "{level:?}");
        assert!(got.timestamp >= second);
    }
    let removed = kv.delete(delete("key")).await.unwrap().into_inner();
    assert!(removed.deleted && removed.timestamp > second);
    let again = kv.delete(delete("key")).await.unwrap().into_inner();
    assert!(!again.deleted && again.timestamp >= removed.timestamp);
    assert_eq!(kv.get(get("key")).await.unwrap().into_inner().value, None);
    for (at, version, value) in
        [(first, first, "1"), (second, second, "2"), (removed.timestamp - 1, second, "2")]
    {
        let got = kv.get(get_at("key", Level::SnapshotTimestamp(at))).await.unwrap().into_inner();
        assert_eq!(got.timestamp, at);
        let found = got.value.unwrap();
        assert_eq!((found.version, &found.value[..]), (version, value.as_bytes()));
    }
}

#[tokio::test]
async fn an_empty_value_is_a_value_and_keys_are_any_bytes() {
    let (_cluster, mut kv) = one().await;
    for key in [&b"\0"[..], b"\xff\xff", b"a\0b"] {
        let mut request = put("", "");
        request.key = bytes::Bytes::from_static(key);
        kv.put(request).await.unwrap();
        let mut request = get("");
        request.key = bytes::Bytes::from_static(key);
        assert!(kv.get(request).await.unwrap().into_inner().value.unwrap().value.is_empty());
    }
}

#[tokio::test]
async fn a_failed_condition_is_an_answer_with_what_is_there() {
    let (_cluster, mut kv) = one().await;
    let done = kv.conditional_put(put_if("key", "1", Test::Exists(false))).await.unwrap().into_inner();
    assert_eq!(done.failure, None);
    let failed = kv.conditional_put(put_if("key", "2", Test::Exists(false))).await.unwrap().into_inner();
    let failure = failed.failure.unwrap();
    let current = failure.current.unwrap();
    assert_eq!((failure.index, &current.value[..], current.version), (0, &b"1"[..], done.timestamp));
    assert!(failed.timestamp >= done.timestamp);
    for (test, holds) in [
        (Test::Exists(true), true),
        (Test::Value("0".into()), false),
        (Test::Value("1".into()), true),
        (Test::Version(done.timestamp - 1), false),
        (Test::Version(0), false),
    ] {
        let request = put_if("key", "1", test.clone());
        let answer = kv.conditional_put(request).await.unwrap().into_inner();
        assert_eq!(answer.failure.is_none(), holds, "{test:?}");
    }
    // Of several conditions, the first that fails is named.
    let conditions = vec![
        condition("key", Test::Exists(true)),
        condition("none", Test::Version(0)),
        condition("none", Test::Exists(true)),
        condition("key", Test::Exists(false)),
    ];
    let request = WriteRequest { conditions, operations: vec![putting("other", "1")], ..Default::default() };
    let failure = kv.write(request).await.unwrap().into_inner().failure.unwrap();
    assert_eq!((failure.index, failure.current), (2, None));
    assert_eq!(kv.get(get("other")).await.unwrap().into_inner().value, None);
}

#[tokio::test]
async fn a_write_does_all_its_operations_at_one_moment() {
    let (_cluster, mut kv) = one().await;
    for key in ["a", "b1", "b2", "c"] {
        kv.put(put(key, "old")).await.unwrap();
    }
    let operations = vec![
        putting("a", "new"),
        deleting("c"),
        deleting("none"),
        deleting_range("b", "c"),
        putting("d", "new"),
    ];
    let request = WriteRequest { operations, ..Default::default() };
    let written = kv.write(request).await.unwrap().into_inner();
    assert_eq!((written.failure, written.deleted), (None, 3));
    let page = kv.scan(ScanRequest::default()).await.unwrap().into_inner();
    let rows: Vec<_> = page.rows.iter().map(|row| (&row.key[..], row.version)).collect();
    assert_eq!(rows, [(&b"a"[..], written.timestamp), (b"d", written.timestamp)]);
    let request = DeleteRangeRequest { start: "a".into(), ..Default::default() };
    let removed = kv.delete_range(request).await.unwrap().into_inner();
    assert_eq!(removed.deleted, 2);
    assert!(removed.timestamp > written.timestamp);
}

#[tokio::test]
async fn a_scan_goes_page_by_page_in_either_direction_over_one_moment() {
    let (_cluster, mut kv) = one().await;
    let keys: Vec<String> = (0..25).map(|number| format!("key {number:02}")).collect();
    let operations = keys.iter().map(|key| putting(key, key)).collect();
    kv.write(WriteRequest { operations, ..Default::default() }).await.unwrap();
    for reverse in [false, true] {
        for keys_only in [false, true] {
            let (mut found, mut pages, mut moment) = (Vec::new(), 0, None);
            let mut request = ScanRequest {
                start: "key".into(),
                end: "kez".into(),
                reverse,
                keys_only,
                limit: 10,
                ..Default::default()
            };
            loop {
                let page = kv.scan(request.clone()).await.unwrap().into_inner();
                let ScanResponse { rows, resume, timestamp } = page;
                assert_eq!(*moment.get_or_insert(timestamp), timestamp);
                pages += 1;
                for row in rows {
                    let key = String::from_utf8(row.key.to_vec()).unwrap();
                    assert_eq!(row.value, if keys_only { "" } else { &key });
                    found.push(key);
                }
                let Some(resume) = resume else { break };
                // What comes later is not seen.
                kv.put(put(&format!("key {pages:02} later"), "")).await.unwrap();
                if reverse {
                    request.end = resume
                } else {
                    request.start = resume
                }
                let level = Some(Level::SnapshotTimestamp(timestamp));
                request.consistency = Some(proto::v1::Consistency { level });
            }
            if reverse {
                found.reverse();
            }
            assert_eq!((&found, pages), (&keys, 3));
            for later in ["key 01 later", "key 02 later"] {
                kv.delete(delete(later)).await.unwrap();
            }
        }
    }
}
