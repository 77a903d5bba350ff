//! A cluster of one.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use node::handle::AdminCallError;
use node::store_loop::{Answer, InboxLimits};
use raft::{ClusterId, NodeId};
use store::request::RequestError;
use store::store::{AdminError, AdminRequest};
use tempfile::TempDir;
use tokio::task::{spawn_local, yield_now};

use crate::rig::{Node, Nowhere, block_on, found, get, put};

async fn one(data: &TempDir) -> Node {
    let node = Node::start(data.path(), Nowhere);
    node.bootstrap(vec![(NodeId(1), node.disk())]).await;
    node.until_it_leads().await;
    node
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let data = TempDir::new().unwrap();
    let boot = block_on(async {
        let node = one(&data).await;
        assert!(node.asker.ask(put("a", "1")).await.is_ok());
        assert_eq!(found(node.asker.ask(get("a")).await).as_deref(), Some("1"));
        assert_eq!(found(node.asker.ask(get("b")).await), None);
        let boot = node.handle.summary().borrow().boot;
        node.stop();
        boot
    });
    block_on(async {
        let node = Node::start(data.path(), Nowhere);
        node.until_it_leads().await;
        assert_eq!(found(node.asker.ask(get("a")).await).as_deref(), Some("1"));
        let summary = node.handle.summary().borrow().clone();
        assert_eq!(summary.identity.member, Some((ClusterId(7), NodeId(1))));
        assert_eq!(summary.boot.counter, boot.counter + 1);
        assert_eq!(summary.leader, Some(NodeId(1)));
        assert!(summary.caught_up == Some(true) && !summary.receiving_snapshot);
        node.stop();
    });
}

#[test]
fn an_empty_disk_serves_nothing_and_is_asked_for_its_id() {
    let data = TempDir::new().unwrap();
    block_on(async {
        let node = Node::start(data.path(), Nowhere);
        let status = node.handle.status().await.unwrap();
        assert_eq!((status.identity.member, status.replicas.len()), (None, 0));
        assert!(status.free_bytes > 0);
        assert_eq!(node.asker.ask(get("a")).await, Err(RequestError::NotLeader { leader: None }));
        let voters = vec![(NodeId(1), raft::DiskId(1))];
        let other_disk = AdminRequest::Bootstrap { cluster: ClusterId(7), voters };
        let refused = node.handle.admin(other_disk).await;
        assert!(matches!(refused, Err(AdminCallError::Refused(AdminError::Voters { .. }))));
        node.stop();
    });
}

#[test]
fn each_of_many_gets_its_own_answer() {
    let data = TempDir::new().unwrap();
    block_on(async {
        let node = one(&data).await;
        let tasks: Vec<_> = (0..200)
            .map(|task| {
                let asker = node.asker.clone();
                spawn_local(async move {
                    for round in 0..20 {
                        let (key, value) = (format!("key {task}"), format!("{task} in {round}"));
                        assert!(asker.ask(put(&key, &value)).await.is_ok());
                        assert_eq!(found(asker.ask(get(&key)).await), Some(value));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let counters = node.handle.counters();
        let (requests, syncs) = (counters.requests.get(), counters.log_syncs.get());
        assert_eq!(requests, 200 * 20 * 2);
        assert!(syncs * 4 < requests, "{syncs} syncs for {} writes: they share none", requests / 2);
        assert!(counters.log_batches.get() >= syncs);
        node.stop();
    });
}

#[test]
fn answers_come_on_the_runtime_that_asked() {
    let data = TempDir::new().unwrap();
    block_on(async {
        let node = one(&data).await;
        let handle = node.handle.clone();
        let other = std::thread::spawn(move || {
            let here = std::thread::current().id();
            let (told, tell) = std::sync::mpsc::channel();
            block_on(async {
                let (asker, answers) = handle.asker();
                spawn_local(answers);
                let then = move |_| told.send(std::thread::current().id()).unwrap();
                asker.submit(put("other", "1"), then).unwrap();
                // This one is answered after the other.
                asker.ask(put("other", "2")).await.unwrap();
            });
            assert_eq!(tell.try_recv(), Ok(here));
        });
        assert!(node.asker.ask(put("this", "1")).await.is_ok());
        other.join().unwrap();
        assert_eq!(found(node.asker.ask(get("other")).await).as_deref(), Some("2"));
        node.stop();
    });
}

#[test]
fn a_stop_answers_everybody_and_nobody_is_let_in_after_it() {
    let data = TempDir::new().unwrap();
    let done: Arc<Mutex<Vec<usize>>> = Arc::default();
    block_on(async {
        let Node { handle, running, asker } = one(&data).await;
        let unknown: Arc<Mutex<usize>> = Arc::default();
        for number in 0..2_000 {
            let (done, unknown) = (Arc::clone(&done), Arc::clone(&unknown));
            let then = move |answer| match answer {
                Ok(_) => done.lock().unwrap().push(number),
                Err(RequestError::OutcomeUnknown | RequestError::NoLeader) => *unknown.lock().unwrap() += 1,
                Err(error) => panic!("{error:?}"),
            };
            asker.submit(put(&format!("key {number}"), "1"), then).unwrap();
        }
        while done.lock().unwrap().is_empty() {
            yield_now().await;
        }
        running.stop().unwrap();
        while done.lock().unwrap().len() + *unknown.lock().unwrap() < 2_000 {
            yield_now().await;
        }
        assert_eq!(asker.ask(get("a")).await, Err(RequestError::NoLeader));
        assert_eq!(handle.status().await, None);
        let transfer = AdminRequest::Transfer { range: store::store::FIRST_RANGE, to: NodeId(1) };
        assert_eq!(handle.admin(transfer).await, Err(AdminCallError::Stopping));
        // An asker that comes too late is told so.
        let (_, answers) = handle.asker();
        answers.await;
    });
    block_on(async {
        let node = Node::start(data.path(), Nowhere);
        node.until_it_leads().await;
        let done = done.lock().unwrap().clone();
        for number in done {
            let answer = node.asker.ask(get(&format!("key {number}"))).await;
            assert_eq!(found(answer).as_deref(), Some("1"), "it was acknowledged");
        }
        node.stop();
    });
}

#[test]
fn a_full_door_refuses_and_never_calls_back() {
    let data = TempDir::new().unwrap();
    block_on(async {
        let limits = InboxLimits { foreground_requests: 0, ..InboxLimits::default() };
        let node = Node::start_with(data.path(), Nowhere, limits);
        let refused = node.asker.submit(get("a"), |_| panic!("it was refused"));
        assert!(matches!(refused, Err(RequestError::Busy { .. })));
        assert_eq!(node.handle.counters().refused_requests.get(), 1);
        node.stop();
    });
}

#[test]
fn of_a_flood_of_writes_some_are_refused_at_once_and_the_others_executed() {
    let data = TempDir::new().unwrap();
    block_on(async {
        let node = one(&data).await;
        let executed = Arc::new(AtomicUsize::new(0));
        let (mut let_in, mut refused) = (0, 0);
        for number in 0..10_000 {
            let executed = Arc::clone(&executed);
            let then = move |answer: Answer| {
                answer.unwrap();
                executed.fetch_add(1, Ordering::Relaxed);
            };
            match node.asker.submit(put(&format!("key {number}"), "1"), then) {
                Ok(()) => let_in += 1,
                Err(RequestError::Busy { delay_millis, .. }) => {
                    assert!(delay_millis >= 50);
                    refused += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(refused > 0);
        assert!(node.asker.ask(get("key 0")).await.is_ok(), "reads are let in");
        while executed.load(Ordering::Relaxed) < let_in {
            yield_now().await;
        }
        node.stop();
    });
}

#[test]
fn a_node_at_rest_does_little() {
    let data = TempDir::new().unwrap();
    block_on(async {
        let node = one(&data).await;
        let before = node.handle.counters().turns.get();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let turns = node.handle.counters().turns.get() - before;
        assert!(turns <= 150, "{turns} turns in a second with nothing to do");
        node.stop();
    });
}

#[test]
fn no_fault_is_told_of_a_node_that_is_well() {
    let data = TempDir::new().unwrap();
    block_on(async {
        let node = one(&data).await;
        let told = Rc::new(Cell::new(false));
        let (fault, tell) = (node.running.fault(), Rc::clone(&told));
        let watcher = spawn_local(async move {
            let _ = fault.await;
            tell.set(true);
        });
        node.stop();
        yield_now().await;
        assert!(!told.get());
        watcher.abort();
    });
}
