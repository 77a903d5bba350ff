//! The sending side, against peers that tell what they are sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use node::store_loop::Outbound;
use node::transport::{AddressBook, Mine, PeerAddresses, Senders, TransportCounters};
use raft::{
    Append, Body, Boot, ClusterId, DiskId, Entry, Envelope, Header, LogIndex, LogPosition, Message, NodeId,
    Payload, Peer, RangeId, ReplicaId, Target, Term,
};
use store::effects::ClusterVersion;
use store::store::NodeEnvelope;
use tokio::runtime::Handle as Runtime;
use tokio::time::{Instant, sleep, timeout};

use crate::recorder::{Event, Manner, Recorder};
use crate::store_rig::block_on;

const FRAME_BYTES: usize = 2 << 20;

fn header(to: u64) -> Header {
    let from = Peer { node: NodeId(1), disk: DiskId(0xab), boot: Boot { counter: 3, nonce: 4 } };
    Header { cluster: ClusterId(7), from, to: Target { node: NodeId(to), disk: DiskId(u128::from(to)) } }
}

/// With its number as its clock, and a command of so many bytes.
fn envelope(to: u64, number: u64, command: &Bytes) -> NodeEnvelope {
    let entry = Entry { index: LogIndex(1), term: Term(1), payload: Payload::Command(command.clone()) };
    let append = Append { prev: LogPosition::default(), entries: vec![entry], commit: LogIndex::ZERO };
    let (from, body) = (ReplicaId(1), Body::Append(append));
    let message = Message { range: RangeId(1), from, to: ReplicaId(to), term: Term(1), body };
    let envelope = Envelope { header: header(to), messages: vec![message] };
    NodeEnvelope { envelope, clock_millis: number, spare_bytes: 0, supported: ClusterVersion::FIRST }
}

fn small(to: u64, number: u64) -> NodeEnvelope {
    envelope(to, number, &Bytes::new())
}

fn numbers(envelopes: &[NodeEnvelope]) -> Vec<u64> {
    envelopes.iter().map(|envelope| envelope.clock_millis).collect()
}

struct Sending {
    senders: Senders,
    book: AddressBook,
    counters: Arc<TransportCounters>,
}

/// Node 1, which knows where some are.
fn node_1(peers: &[(u64, &Recorder)]) -> Sending {
    let mine = Mine { peer: "me:1".into(), client: "me:2".into() };
    let book = AddressBook::new(mine, PeerAddresses::default());
    for (node, recorder) in peers {
        book.learn(NodeId(*node), Some(recorder.address()), None);
    }
    let counters = Arc::<TransportCounters>::default();
    let senders = Senders::new(Runtime::current(), book.clone(), Arc::clone(&counters));
    Sending { senders, book, counters }
}

#[test]
fn a_hello_comes_first_and_a_burst_is_one_frame() {
    block_on(async {
        let (mut two, mut three) = (Recorder::start(Manner::Reads), Recorder::start(Manner::Reads));
        let mut node = node_1(&[(2, &two), (3, &three)]);
        for number in 0..1_000 {
            node.senders.send(vec![small(2, number), small(3, number)]);
        }
        for (recorder, to) in [(&mut two, 2), (&mut three, 3)] {
            let hello = recorder.hello().await;
            assert_eq!((hello.from_node, hello.to_node), (1, to));
            assert_eq!((hello.boot_counter, hello.boot_nonce), (3, 4));
            assert_eq!(hello.cluster_id, format!("{:032x}", 7));
            assert_eq!((hello.from_disk, hello.to_disk), (format!("{:032x}", 0xab), format!("{to:032x}")));
            let me = hello.addresses.iter().find(|address| address.node == 1).unwrap();
            assert_eq!((me.peer_address.as_str(), me.client_address.as_str()), ("me:1", "me:2"));
            assert!(hello.addresses.iter().any(|address| address.node == 5 - to), "all that it knows");
            let envelopes = recorder.envelopes().await;
            assert_eq!(numbers(&envelopes), (0..1_000).collect::<Vec<_>>());
        }
        assert_eq!(node.counters.dropped.get(), 0);
    });
}

#[test]
fn a_frame_is_bounded_and_the_largest_entry_gets_through() {
    block_on(async {
        let mut two = Recorder::start(Manner::Reads);
        let mut node = node_1(&[(2, &two)]);
        let sizes = [1_500_000, 1_500_000, 8 << 20, 100, 400_000, 400_000, 9 << 20];
        let commands = sizes.map(|size| Bytes::from(vec![7; size]));
        let envelopes: Vec<_> = (0..).zip(&commands).map(|(number, of)| envelope(2, number, of)).collect();
        node.senders.send(envelopes.clone());
        two.hello().await;
        let (mut received, mut frames) = (Vec::new(), 0);
        while received.len() < envelopes.len() {
            let Event::Frame(of_frame, bytes) = two.next().await else { panic!("the stream ended") };
            assert!(of_frame.len() == 1 || bytes <= FRAME_BYTES, "{bytes} bytes");
            received.extend(of_frame);
            frames += 1;
        }
        assert_eq!(received, envelopes);
        assert_eq!(frames, 5);
    });
}

#[test]
fn a_peer_that_does_not_read_holds_up_nobody_and_costs_bounded_memory() {
    block_on(async {
        let (mut two, mut three) = (Recorder::start(Manner::Waits), Recorder::start(Manner::Reads));
        let mut node = node_1(&[(2, &two), (3, &three)]);
        let megabyte = Bytes::from(vec![7; 1 << 20]);
        for number in 0..200 {
            node.senders.send(vec![envelope(2, number, &megabyte), small(3, number)]);
            assert_eq!(numbers(&three.envelopes().await), [number]);
        }
        let dropped = node.counters.dropped.get();
        // What waits, what is taken out for a stream, and what is in the connection.
        assert!(dropped > 200 - 32 - 32 - 8, "{dropped} were dropped");
        two.manner.send_replace(Manner::Reads);
        let mut received = Vec::new();
        while (received.len() as u64) < 200 - dropped {
            received.extend(numbers(&two.envelopes().await));
        }
        assert!(received.is_sorted());
        node.senders.send(vec![small(2, 200)]);
        assert_eq!(numbers(&two.envelopes().await), [200], "nothing else was left");
        assert_eq!(node.counters.dropped.get(), dropped);
    });
}

/// Sends until something arrives, as Raft does.
async fn until_received(node: &mut Sending, recorder: &mut Recorder) {
    loop {
        node.senders.send(vec![small(2, 0)]);
        if timeout(Duration::from_millis(20), recorder.envelopes()).await.is_ok() {
            return;
        }
    }
}

#[test]
fn a_peer_that_comes_back_is_found_again() {
    block_on(async {
        let mut two = Recorder::start(Manner::Reads);
        let mut node = node_1(&[(2, &two)]);
        until_received(&mut node, &mut two).await;
        let address = two.server.address;
        drop(two);
        let listener = std::net::TcpListener::bind(address).unwrap();
        let mut again = Recorder::start_on(listener, Manner::Reads);
        until_received(&mut node, &mut again).await;
        assert!(node.counters.reconnects.get() >= 1);
    });
}

#[test]
fn a_peer_that_moved_is_followed_though_somebody_answers_at_the_old_address() {
    block_on(async {
        let (mut old, mut new) = (Recorder::start(Manner::Reads), Recorder::start(Manner::Reads));
        let mut node = node_1(&[(2, &old)]);
        node.senders.send(vec![small(2, 1)]);
        old.hello().await;
        assert_eq!(numbers(&old.envelopes().await), [1]);
        // What is said of others is passed on, and changes nothing.
        node.book.learn(NodeId(3), Some("else:1".into()), None);
        let Event::Addresses(told) = old.next().await else { panic!("nothing was passed on") };
        assert_eq!(
            told.iter().map(|told| (told.node, told.peer_address.as_str())).collect::<Vec<_>>(),
            [(3, "else:1")]
        );
        node.senders.send(vec![small(2, 2)]);
        assert!(matches!(old.next().await, Event::Frame(..)));
        node.book.learn(NodeId(2), Some(new.address()), None);
        assert!(matches!(old.next().await, Event::Ended));
        node.senders.send(vec![small(2, 3)]);
        new.hello().await;
        assert_eq!(numbers(&new.envelopes().await), [3]);
    });
}

#[test]
fn a_peer_whose_address_is_learned_late_is_reached_then() {
    block_on(async {
        let mut two = Recorder::start(Manner::Reads);
        let mut node = node_1(&[]);
        for number in 1..=5 {
            node.senders.send(vec![small(2, number)]);
            while node.counters.dropped.get() < number {
                sleep(Duration::from_millis(1)).await;
            }
        }
        node.book.learn(NodeId(2), Some(two.address()), None);
        node.senders.send(vec![small(2, 6)]);
        two.hello().await;
        assert_eq!(numbers(&two.envelopes().await), [6]);
    });
}

#[test]
fn a_peer_that_refuses_is_left_in_peace_for_longer_and_longer() {
    block_on(async {
        let mut two = Recorder::start(Manner::Refuses);
        let mut node = node_1(&[(2, &two)]);
        let begun = Instant::now();
        for _ in 0..5 {
            // Again and again, as Raft does: what was on its way when a stream ended is lost.
            while timeout(Duration::from_millis(5), two.hello()).await.is_err() {
                node.senders.send(vec![small(2, 1)]);
            }
            assert!(matches!(two.next().await, Event::Ended));
        }
        // Half of 50, 100, 200 and 400 ms at the least.
        assert!(begun.elapsed() >= Duration::from_millis(375), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_node_that_got_its_id_says_so_in_another_hello() {
    block_on(async {
        let mut two = Recorder::start(Manner::Reads);
        let mut node = node_1(&[(2, &two)]);
        node.senders.send(vec![small(2, 1)]);
        assert_eq!(two.hello().await.from_node, 1);
        assert_eq!(numbers(&two.envelopes().await), [1]);
        let mut other = small(2, 2);
        other.envelope.header.from.node = NodeId(9);
        node.senders.send(vec![other]);
        assert!(matches!(two.next().await, Event::Ended));
        assert_eq!(node.counters.dropped.get(), 1, "what the stream could not carry is counted");
        let mut other = small(2, 3);
        other.envelope.header.from.node = NodeId(9);
        node.senders.send(vec![other]);
        assert_eq!(two.hello().await.from_node, 9);
        assert_eq!(numbers(&two.envelopes().await), [3]);
    });
}
