use std::time::Duration;

use client::Error;
use proto::v1::error_detail::Kind;
use proto::v1::{Attempt, Busy, NoLeader, NotLeader, SessionExpired};

use crate::node::{Act, Node, attempt, done, error};

/// Session, number, acknowledged below, retry.
fn numbers(attempts: &[Attempt]) -> Vec<(u64, u64, u64, bool)> {
    attempts.iter().map(|a| (a.session, a.number, a.acknowledged_below, a.retry)).collect()
}

#[tokio::test]
async fn each_write_has_its_number_and_acknowledges_those_before() {
    let node = Node::start(|_, _| done()).await;
    let client = node.builder().connect().await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.put("k", "v").await.unwrap().timestamp, 9);
    }
    let sent = node.seen(|seen| numbers(&seen.attempts()));
    assert_eq!(sent, [(1, 1, 1, false), (1, 2, 2, false), (1, 3, 3, false)]);
}

#[tokio::test]
async fn what_was_lost_is_repeated_as_a_retry_with_its_number() {
    let node = Node::start(|before, _| if before == 0 { Act::Break } else { done() }).await;
    let client = node.builder().connect().await.unwrap();
    client.put("k", "v").await.unwrap();
    let sent = node.seen(|seen| numbers(&seen.attempts()));
    assert_eq!(sent, [(1, 1, 1, false), (1, 1, 1, true)]);
}

#[tokio::test]
async fn what_was_surely_not_done_is_repeated_as_new() {
    let refusals = [Kind::NoLeader(NoLeader {}), Kind::Busy(Busy { retry_after_millis: 1 })];
    let node =
        Node::start(move |before, _| refusals.get(before).map_or_else(done, |kind| error(kind.clone())))
            .await;
    let client = node.builder().connect().await.unwrap();
    client.put("k", "v").await.unwrap();
    let sent = node.seen(|seen| numbers(&seen.attempts()));
    assert_eq!(sent, [(1, 1, 1, false); 3]);
}

#[tokio::test]
async fn silence_is_unknown_when_the_deadline_is_over() {
    let node = Node::start(|_, _| Act::Silence).await;
    let (attempt, deadline) = (Duration::from_millis(50), Duration::from_millis(400));
    let client = node.builder().attempt_timeout(attempt).deadline(deadline).connect().await.unwrap();
    let failed = client.put("k", "v").await.unwrap_err();
    assert!(failed.outcome_unknown(), "{failed:?}");
    // A refusal afterwards does not make it known.
    let sent = node.seen(|seen| numbers(&seen.attempts()));
    assert!(sent.len() > 1, "{sent:?}");
    assert!(sent[1..].iter().all(|&sent| sent == (1, 1, 1, true)), "{sent:?}");
    // Nothing is known of a read either, but that harms nothing.
    assert_eq!(client.get("k").await.unwrap_err(), Error::DeadlineExceeded);
}

#[tokio::test]
async fn a_write_of_an_expired_session_is_a_new_one_of_another() {
    let expired = |item: &_| attempt(item).is_some_and(|attempt| attempt.session == 1);
    let script = move |_, item: &_| match expired(item) {
        true => error(Kind::SessionExpired(SessionExpired {})),
        false => done(),
    };
    let node = Node::start(script).await;
    let client = node.builder().connect().await.unwrap();
    client.put("k", "v").await.unwrap();
    let sent = node.seen(|seen| numbers(&seen.attempts()));
    assert_eq!(sent, [(1, 1, 1, false), (2, 1, 1, false)]);
}

#[tokio::test]
async fn nothing_is_known_of_a_lost_write_of_an_expired_session() {
    let script = |before, _: &_| match before {
        0 => Act::Break,
        _ => error(Kind::SessionExpired(SessionExpired {})),
    };
    let node = Node::start(script).await;
    let client = node.builder().connect().await.unwrap();
    assert_eq!(client.put("k", "v").await.unwrap_err(), Error::SessionExpired);
}

#[tokio::test]
async fn the_leader_is_found_and_followed() {
    let leader = Node::start(|_, _| done()).await;
    let address = leader.address.to_string();
    let redirect = move |_: usize, _: &_| {
        let leader_address = address.clone();
        error(Kind::NotLeader(NotLeader { leader_node: 2, leader_address }))
    };
    // By an answer that names it, as nothing else does.
    let follower = Node::start(redirect).await;
    let client = follower.builder().connect().await.unwrap();
    // A redirection causes a look at the cluster: nobody may say there that nobody leads.
    follower.says_nothing();
    leader.says_nothing();
    client.put("k", "v").await.unwrap();
    assert_eq!(follower.seen(|seen| seen.items.len()), 2);
    assert_eq!(leader.seen(|seen| seen.attempts().len()), 1);
    // By what a node says of the cluster.
    let follower = Node::start(|_, _| Act::Silence).await;
    follower.says(1, 2, &[(1, follower.address), (2, leader.address)]);
    let client = follower.builder().connect().await.unwrap();
    client.put("k", "v").await.unwrap();
    assert_eq!(follower.seen(|seen| seen.items.len()), 0);
}

#[tokio::test]
async fn other_nodes_are_asked_while_one_does_not_answer() {
    let script = |_: usize, _: &_| done();
    let (dead, alive) = (Node::start(|_, _| Act::Silence).await, Node::start(script).await);
    for node in [&dead, &alive] {
        node.says(1, 1, &[(1, dead.address), (2, alive.address)]);
    }
    let client = dead.builder().attempt_timeout(Duration::from_millis(50)).connect().await.unwrap();
    client.put("k", "v").await.unwrap();
    assert_eq!(numbers(&dead.seen(|seen| seen.attempts())), [(1, 1, 1, false)]);
    assert_eq!(numbers(&alive.seen(|seen| seen.attempts())), [(1, 1, 1, true)]);
}

#[tokio::test]
async fn nobody_at_the_endpoint_is_an_error_that_names_it() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let builder = client::Client::builder([address.clone()]).deadline(Duration::from_millis(100));
    match builder.connect().await.unwrap_err() {
        Error::Unavailable { address: named, message } => {
            assert_eq!(named, address);
            assert!(message.contains("refused"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}
