use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;

use crate::node::{Act, Node, attempt, done};

#[tokio::test]
async fn a_thousand_writes_at_once_are_few_messages_in_few_sessions() {
    let node = Node::start(|_, _| done()).await;
    let client = node.builder().connect().await.unwrap();
    for answer in join_all((0..1_000).map(|key| client.put(format!("{key}"), "v"))).await {
        answer.unwrap();
    }
    node.seen(|seen| {
        assert!(seen.messages.len() < 50, "{:?}", seen.messages);
        let attempts = seen.attempts();
        assert_eq!(attempts.len(), 1_000);
        let distinct: BTreeSet<_> = attempts.iter().map(|a| (a.session, a.number)).collect();
        assert_eq!(distinct.len(), 1_000);
        assert!(attempts.iter().all(|a| a.session <= 4 && a.number - a.acknowledged_below < 256));
    });
}

#[tokio::test]
async fn one_write_that_hangs_does_not_hold_up_the_others() {
    let hangs = |item: &_| attempt(item).is_some_and(|attempt| (attempt.session, attempt.number) == (1, 1));
    let node = Node::start(move |_, item| if hangs(item) { Act::Silence } else { done() }).await;
    let client = node.builder().connect().await.unwrap();
    let mut hanging = Box::pin(client.put("k", "v"));
    let others = async {
        for _ in 0..600 {
            client.put("k", "v").await.unwrap();
        }
    };
    tokio::select! {
        biased;
        done = &mut hanging => panic!("{done:?}"),
        () = others => {}
    }
    // Dropped, its number is acknowledged: the session works again.
    drop(hanging);
    client.put("k", "v").await.unwrap();
    let last = node.seen(|seen| seen.attempts().pop().unwrap());
    assert_eq!((last.session, last.number, last.acknowledged_below), (1, 257, 257));
}

#[tokio::test]
async fn what_is_under_way_is_bounded() {
    let node = Node::start(|before, _| if before < 2 { Act::Silence } else { done() }).await;
    let builder = node.builder().under_way(2).attempt_timeout(Duration::from_millis(200));
    let client = builder.connect().await.unwrap();
    let (first, second, third) = (client.get("a"), client.get("b"), client.get("c"));
    let looks = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        node.seen(|seen| seen.items.len())
    };
    tokio::select! {
        biased;
        looked = looks => assert_eq!(looked, 2),
        _ = futures_util::future::join3(first, second, third) => panic!("a third one was answered"),
    }
}
