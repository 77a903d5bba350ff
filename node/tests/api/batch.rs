//! The stream of batches.

use std::collections::BTreeSet;

use bytes::Bytes;
use proto::v1::batch_item::Request as Asked;
use proto::v1::batch_result::Result as Told;
use proto::v1::error_detail::Kind;
use proto::v1::{BatchItem, ScanRequest};

use crate::rig::{batches, get, item, one, put};

#[tokio::test]
async fn ten_thousand_items_in_a_message_each_have_their_answer_in_few_messages() {
    let (_cluster, mut kv) = one().await;
    let count = 12_000_u64;
    let name = |id: u64| format!("key {id}");
    let puts = (0..count).map(|id| item(id, Asked::Put(put(&name(id), &id.to_string())))).collect();
    let (answers, messages) = batches(&mut kv, vec![puts]).await;
    let mut versions = BTreeSet::new();
    assert!(answers.keys().copied().eq(0..count));
    for (id, told) in &answers {
        match told {
            Told::Put(done) => assert!(versions.insert(done.timestamp), "each has a moment of its own"),
            Told::Error(error) => assert!(matches!(error.kind, Some(Kind::Busy(_))), "{id}: {error:?}"),
            other => panic!("{id}: {other:?}"),
        }
    }
    assert!(messages * 20 < answers.len(), "{messages} messages for {} answers", answers.len());
    let gets: Vec<Vec<_>> = (0..count / 100)
        .map(|at| (at * 100..(at + 1) * 100).map(|id| item(id, Asked::Get(get(&name(id))))).collect())
        .collect();
    let (found, _) = batches(&mut kv, gets).await;
    assert!(found.keys().copied().eq(0..count));
    for (id, told) in found {
        match told {
            Told::Get(found) => {
                let value = found.value.map(|found| found.value);
                let done = matches!(answers[&id], Told::Put(_));
                assert_eq!(value, done.then(|| Bytes::from(id.to_string())), "{id}");
            }
            Told::Error(error) => assert!(matches!(error.kind, Some(Kind::Busy(_))), "{id}: {error:?}"),
            other => panic!("{id}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_item_does_not_touch_the_others() {
    let (_cluster, mut kv) = one().await;
    let items = vec![
        item(1, Asked::Put(put("key", "1"))),
        BatchItem { id: 2, deadline_millis: 0, request: None },
        item(3, Asked::Put(put("", "1"))),
        item(4, Asked::Scan(ScanRequest::default())),
        item(u64::MAX, Asked::OpenSession(Default::default())),
    ];
    let (answers, _) = batches(&mut kv, vec![items, Vec::new()]).await;
    assert!(matches!(answers[&1], Told::Put(_)) && matches!(answers[&4], Told::Scan(_)), "{answers:?}");
    assert!(matches!(answers[&u64::MAX], Told::OpenSession(_)), "{answers:?}");
    for id in [2, 3] {
        let Told::Error(error) = &answers[&id] else { panic!("{answers:?}") };
        assert!(matches!(error.kind, Some(Kind::Invalid(_))), "{error:?}");
    }
    assert_eq!(answers.len(), 5);
}

#[tokio::test]
async fn large_answers_come_in_messages_that_clients_take_by_default() {
    let (_cluster, mut kv) = one().await;
    kv.put(put("key", &"v".repeat(1 << 20))).await.unwrap();
    // The client breaks off a stream with a message above 4 MiB.
    let gets = (0..200).map(|id| item(id, Asked::Get(get("key")))).collect();
    let (answers, _) = batches(&mut kv, vec![gets]).await;
    assert_eq!(answers.len(), 200);
    let mut found = 0;
    for told in answers.values() {
        match told {
            Told::Get(answer) => {
                assert_eq!(answer.value.as_ref().unwrap().value.len(), 1 << 20);
                found += 1;
            }
            Told::Error(error) => assert!(matches!(error.kind, Some(Kind::Busy(_))), "{error:?}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(found >= 10, "only {found} answers");
}
