//! The forwarder, against leaders that do what a test says.

use std::time::Duration;

use bytes::Bytes;
use node::transport::{AddressBook, Forwarder, Mine, PeerAddresses};
use proto::v1::batch_item::Request;
use proto::v1::batch_result::Result as Outcome;
use proto::v1::error_detail::Kind;
use proto::v1::{
    BatchItem, BatchResult, GetRequest, GetResponse, OpenSessionRequest, PutRequest, PutResponse,
};
use raft::NodeId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout};

use crate::leader::Leader;
use crate::server::listen;
use crate::store_rig::block_on;

const LEADER: NodeId = NodeId(2);

struct Forwarding {
    forwarder: Forwarder,
    tell: UnboundedSender<BatchResult>,
    results: UnboundedReceiver<BatchResult>,
}

impl Forwarding {
    fn to(address: Option<String>) -> Self {
        let book = AddressBook::new(Mine::default(), PeerAddresses::default());
        book.learn(LEADER, address, None);
        let (tell, results) = unbounded_channel();
        Self {
            forwarder: Forwarder::new(book, || raft::ClusterId(7), Duration::from_secs(20)),
            tell,
            results,
        }
    }

    fn to_leader(leader: &Leader) -> Self {
        Self::to(Some(leader.server.address.to_string()))
    }

    fn ask(&self, id: u64, deadline_millis: u32, request: Request) {
        let tell = self.tell.clone();
        let item = BatchItem { id, deadline_millis, request: Some(request) };
        self.forwarder.forward(LEADER, item, move |result| tell.send(result).unwrap());
    }

    async fn result(&mut self) -> BatchResult {
        self.results.recv().await.unwrap()
    }

    /// The kinds of the next refusals, by id.
    async fn refusals(&mut self, count: usize) -> Vec<(u64, Kind)> {
        let mut kinds = Vec::new();
        for _ in 0..count {
            match self.result().await {
                BatchResult { id, result: Some(Outcome::Error(error)) } => {
                    kinds.push((id, error.kind.unwrap()))
                }
                other => panic!("{other:?}"),
            }
        }
        kinds.sort_by_key(|(id, _)| *id);
        kinds
    }
}

fn get() -> Request {
    Request::Get(GetRequest::default())
}

fn put(bytes: usize) -> Request {
    Request::Put(PutRequest { value: Bytes::from(vec![7; bytes]), ..PutRequest::default() })
}

fn got(id: u64, timestamp: u64) -> BatchResult {
    BatchResult { id, result: Some(Outcome::Get(GetResponse { value: None, timestamp })) }
}

fn done(id: u64, timestamp: u64) -> BatchResult {
    BatchResult { id, result: Some(Outcome::Put(PutResponse { timestamp })) }
}

#[test]
fn answers_find_who_asked_in_any_order() {
    block_on(async {
        let mut leader = Leader::start();
        let mut forwarding = Forwarding::to_leader(&leader);
        // Two clients with the same number for their requests.
        forwarding.ask(7, 0, put(1));
        forwarding.ask(7, 0, get());
        let mut session = leader.accept().await;
        let (first, second) = (session.next().await.unwrap(), session.next().await.unwrap());
        assert!(matches!((&first.request, &second.request), (Some(Request::Put(_)), Some(Request::Get(_)))));
        session.answer(vec![got(second.id, 20), done(first.id, 10)]);
        assert_eq!(forwarding.result().await, got(7, 20));
        assert_eq!(forwarding.result().await, done(7, 10));
        // An answer to nothing, and one that comes twice.
        session.answer(vec![got(second.id, 20), got(99, 1)]);
        forwarding.ask(8, 0, get());
        let third = session.next().await.unwrap();
        session.answer(vec![got(third.id, 30)]);
        assert_eq!(forwarding.result().await, got(8, 30));
    });
}

#[test]
fn of_what_a_lost_leader_had_the_outcome_of_writes_is_unknown() {
    block_on(async {
        let mut leader = Leader::start();
        let mut forwarding = Forwarding::to_leader(&leader);
        forwarding.ask(1, 0, put(1));
        forwarding.ask(2, 0, get());
        forwarding.ask(3, 0, Request::OpenSession(OpenSessionRequest::default()));
        let mut session = leader.accept().await;
        for _ in 0..3 {
            session.next().await.unwrap();
        }
        drop(leader);
        let refusals = forwarding.refusals(3).await;
        assert!(
            matches!(
                refusals[..],
                [(1, Kind::OutcomeUnknown(_)), (2, Kind::NoLeader(_)), (3, Kind::OutcomeUnknown(_))]
            ),
            "{refusals:?}"
        );
    });
}

#[test]
fn a_request_is_sent_once_and_the_next_one_on_a_new_stream() {
    block_on(async {
        let mut leader = Leader::start();
        let mut forwarding = Forwarding::to_leader(&leader);
        forwarding.ask(1, 0, put(1));
        let mut session = leader.accept().await;
        session.next().await.unwrap();
        drop(session);
        assert!(matches!(forwarding.refusals(1).await[..], [(1, Kind::OutcomeUnknown(_))]));
        forwarding.ask(2, 0, put(2));
        let mut session = leader.accept().await;
        let item = session.next().await.unwrap();
        assert_eq!(item.request, Some(put(2)));
        session.answer(vec![done(item.id, 5)]);
        assert_eq!(forwarding.result().await, done(2, 5));
    });
}

#[test]
fn what_was_not_sent_is_not_done() {
    block_on(async {
        let closed = listen().local_addr().unwrap().to_string();
        for address in [None, Some(closed), Some("not an address".to_owned())] {
            let mut forwarding = Forwarding::to(address);
            forwarding.ask(1, 0, put(1));
            forwarding.ask(2, 0, get());
            let refusals = forwarding.refusals(2).await;
            assert!(matches!(refusals[..], [(1, Kind::NoLeader(_)), (2, Kind::NoLeader(_))]), "{refusals:?}");
        }
    });
}

#[test]
fn a_deadline_ends_the_wait_and_a_late_answer_is_nobodys() {
    block_on(async {
        let mut leader = Leader::start();
        let mut forwarding = Forwarding::to_leader(&leader);
        forwarding.ask(1, 50, put(1));
        let mut session = leader.accept().await;
        let late = session.next().await.unwrap();
        assert!(matches!(forwarding.refusals(1).await[..], [(1, Kind::DeadlineExceeded(_))]));
        session.answer(vec![done(late.id, 5)]);
        forwarding.ask(2, 0, get());
        let item = session.next().await.unwrap();
        session.answer(vec![got(item.id, 6)]);
        assert_eq!(forwarding.result().await, got(2, 6));
    });
}

#[test]
fn a_deadline_counts_while_the_leader_is_silent_from_the_start() {
    block_on(async {
        // Connections wait in the backlog: nobody accepts them.
        let silent = listen();
        let mut forwarding = Forwarding::to(Some(silent.local_addr().unwrap().to_string()));
        let begun = Instant::now();
        forwarding.ask(1, 100, put(1));
        assert!(matches!(forwarding.refusals(1).await[..], [(1, Kind::DeadlineExceeded(_))]));
        assert!(begun.elapsed() >= Duration::from_millis(100));
    });
}

#[test]
fn requests_under_way_are_bounded() {
    block_on(async {
        let leader = Leader::start();
        let mut forwarding = Forwarding::to_leader(&leader);
        for id in 0..8_193 {
            forwarding.ask(id, 0, get());
        }
        assert!(matches!(forwarding.refusals(1).await[..], [(8_192, Kind::Busy(_))]));
    });
}

#[test]
fn a_leader_that_does_not_read_costs_bounded_memory_and_gets_nothing_stale() {
    block_on(async {
        let mut leader = Leader::start();
        let mut forwarding = Forwarding::to_leader(&leader);
        for round in 0..3 {
            for id in 0..40 {
                forwarding.ask(100 * round + id, 200, put(1 << 20));
            }
            let refusals = forwarding.refusals(40).await;
            let (late, busy): (Vec<_>, Vec<_>) =
                refusals.iter().partition(|(_, kind)| matches!(kind, Kind::DeadlineExceeded(_)));
            // In each round: what nobody waits for any more takes no room.
            assert!((31..=32).contains(&late.len()), "{} waited", late.len());
            assert!(busy.iter().all(|(_, kind)| matches!(kind, Kind::Busy(_))));
        }
        forwarding.ask(1_000, 0, get());
        let mut session = leader.accept().await;
        let mut puts = 0;
        let last = loop {
            let item = timeout(Duration::from_secs(10), session.next()).await.unwrap().unwrap();
            if matches!(item.request, Some(Request::Get(_))) {
                break item;
            }
            puts += 1;
        };
        // Of 93, those that had left the queue.
        assert!(puts < 20, "{puts} were sent when nobody waited for them");
        session.answer(vec![got(last.id, 1)]);
        assert_eq!(forwarding.result().await, got(1_000, 1));
    });
}
