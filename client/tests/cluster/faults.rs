use std::cell::Cell;
use std::time::{Duration, Instant};

use client::{Client, Test};
use futures_util::future::{join, join_all};
use rustix::process::Signal;

use crate::three;

const WRITERS: u64 = 50;

/// Appends to its key one letter after another, each only behind the one before; returns the longest that one took.
async fn append(client: &Client, writer: u64, stop: &Cell<bool>, total: &Cell<u64>) -> Duration {
    let (key, mut text, mut longest) = (format!("w{writer}"), String::new(), Duration::ZERO);
    client.put(key.clone(), "").await.unwrap();
    while !stop.get() {
        let next = format!("{text}.");
        let began = Instant::now();
        let written = client.put_if(key.clone(), next.clone(), Test::ValueIs(text.into())).await.unwrap();
        longest = longest.max(began.elapsed());
        // A second execution of an attempt would not find the value before.
        assert_eq!(written.failure, None, "{key}: done twice, or lost");
        text = next;
        total.set(total.get() + 1);
    }
    let found = client.get(key).await.unwrap().value.unwrap();
    assert_eq!(found.value, text);
    longest
}

/// All writers, while something happens to the nodes; then until they have written some more.
async fn under_load(client: &Client, what: impl AsyncFnOnce()) {
    let (stop, total) = (Cell::new(false), Cell::new(0));
    let written = async |more: u64| {
        let until = total.get() + more;
        while total.get() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let director = async {
        written(2_000).await;
        what().await;
        written(2_000).await;
        stop.set(true);
    };
    let writers = join_all((0..WRITERS).map(|writer| append(client, writer, &stop, &total)));
    let ((), longest) = join(director, writers).await;
    let longest = longest.into_iter().max().unwrap();
    println!("{} writes, the longest took {} ms", total.get(), longest.as_millis());
}

#[tokio::test]
async fn no_write_is_lost_or_done_twice_when_the_leader_is_killed() {
    let (mut cluster, client) = three().await;
    under_load(&client, async || {
        let leader = cluster.leader().await.node;
        cluster.node_mut(leader).kill();
        // The two others elect one.
        cluster.leader().await;
        cluster.node_mut(leader).start();
    })
    .await;
}

#[tokio::test]
async fn no_write_is_lost_or_done_twice_when_the_leader_stands_still() {
    let (cluster, client) = three().await;
    under_load(&client, async || {
        let leader = cluster.node(cluster.leader().await.node);
        leader.signal(Signal::STOP);
        // Longer than its lease and an election.
        tokio::time::sleep(Duration::from_secs(4)).await;
        leader.signal(Signal::CONT);
    })
    .await;
}
