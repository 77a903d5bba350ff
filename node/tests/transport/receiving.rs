//! The receiving side: a real node, and peers that say what they should not.

use bytes::Bytes;
use node::transport::MESSAGE_BYTES;
use proto::peer::v1::raft_client::RaftClient;
use proto::peer::v1::snapshot_client::SnapshotClient;
use proto::peer::v1::{FetchRequest, Hello, NodeAddress, RaftFrame};
use raft::{Boot, ClusterId, DiskId, Envelope, Header, NodeId, Peer, Target};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use store::effects::ClusterVersion;
use store::store::NodeEnvelope;
use tempfile::TempDir;
use tonic::Code;

use crate::member::Member;
use crate::store_rig::block_on;

/// Node 1 of cluster 7, alone.
async fn member(data: &TempDir) -> Member {
    let member = Member::start(data.path());
    member.node.bootstrap(vec![(NodeId(1), member.node.disk())]).await;
    member.node.until(|summary| summary.identity.member.is_some()).await;
    member
}

fn header(member: &Member) -> Header {
    let from = Peer { node: NodeId(2), disk: DiskId(0xab), boot: Boot { counter: 1, nonce: 2 } };
    Header { cluster: ClusterId(7), from, to: Target { node: NodeId(1), disk: member.node.disk() } }
}

fn hello(header: &Header) -> Hello {
    let here = NodeAddress {
        node: 2,
        peer_address: "two:1".into(),
        client_address: "two:2".into(),
        boot_counter: 1,
    };
    Hello {
        cluster_id: format!("{:032x}", header.cluster.0),
        from_node: header.from.node.0,
        from_disk: format!("{:032x}", header.from.disk.0),
        boot_counter: header.from.boot.counter,
        boot_nonce: header.from.boot.nonce,
        to_node: header.to.node.0,
        to_disk: format!("{:032x}", header.to.disk.0),
        addresses: vec![here],
    }
}

fn envelope(header: Header) -> Bytes {
    let envelope = Envelope { header, messages: Vec::new() };
    let mut bytes = Vec::new();
    NodeEnvelope { envelope, clock_millis: 0, spare_bytes: 0, supported: ClusterVersion::FIRST }
        .encode(&mut bytes);
    bytes.into()
}

fn frame(hello: Option<Hello>, envelopes: Vec<Bytes>) -> RaftFrame {
    RaftFrame { hello, envelopes, addresses: Vec::new() }
}

async fn send(member: &Member, frames: Vec<RaftFrame>) -> Result<(), Code> {
    let address = format!("http://{}", member.server.address);
    let mut client = RaftClient::connect(address).await.unwrap().max_encoding_message_size(usize::MAX);
    let ended = client.send(futures_util::stream::iter(frames)).await;
    ended.map(|_| ()).map_err(|status| status.code())
}

fn received(member: &Member) -> u64 {
    member.node.handle.counters().envelopes_received.get()
}

#[test]
fn what_a_peer_says_after_its_hello_arrives() {
    block_on(async {
        let data = TempDir::new().unwrap();
        let member = member(&data).await;
        let of_peer = header(&member);
        let frames = vec![
            frame(Some(hello(&of_peer)), vec![envelope(of_peer)]),
            frame(None, vec![envelope(of_peer), envelope(of_peer)]),
        ];
        assert_eq!(send(&member, frames).await, Ok(()));
        member.node.handle.status().await.unwrap();
        assert_eq!(received(&member), 3, "those of the first frame too");
        assert_eq!(member.book.peer(NodeId(2)).as_deref(), Some("two:1"));
        assert_eq!(member.book.client(NodeId(2)).as_deref(), Some("two:2"));
        assert_eq!(member.counters.refused.get(), 0);
        member.stop();
    });
}

#[test]
fn strangers_are_refused_and_nothing_of_them_is_kept() {
    block_on(async {
        let data = TempDir::new().unwrap();
        let member = member(&data).await;
        let right = header(&member);
        let hellos = [
            (None, Code::InvalidArgument),
            (Some(Hello { cluster_id: "7".into(), ..hello(&right) }), Code::InvalidArgument),
            (Some(Hello { from_disk: "g".repeat(32), ..hello(&right) }), Code::InvalidArgument),
            (Some(Hello { to_disk: "é".repeat(16), ..hello(&right) }), Code::InvalidArgument),
            (Some(hello(&Header { cluster: ClusterId(8), ..right })), Code::FailedPrecondition),
            (
                Some(hello(&Header { to: Target { node: NodeId(3), ..right.to }, ..right })),
                Code::FailedPrecondition,
            ),
            (
                Some(hello(&Header { to: Target { disk: DiskId(5), ..right.to }, ..right })),
                Code::FailedPrecondition,
            ),
        ];
        let count = hellos.len() as u64;
        for (said, code) in hellos {
            assert_eq!(
                send(&member, vec![frame(said.clone(), vec![envelope(right)])]).await,
                Err(code),
                "{said:?}"
            );
        }
        assert_eq!(send(&member, Vec::new()).await, Err(Code::InvalidArgument), "not a word");
        assert_eq!(member.counters.refused.get(), count + 1);
        member.node.handle.status().await.unwrap();
        assert_eq!(received(&member), 0);
        assert_eq!(member.book.peer(NodeId(2)), None);
        member.stop();
    });
}

#[test]
fn a_stream_on_which_nobody_introduces_himself_is_ended() {
    block_on(async {
        let data = TempDir::new().unwrap();
        let member = member(&data).await;
        let address = format!("http://{}", member.server.address);
        let mut client = RaftClient::connect(address).await.unwrap();
        let ended = client.send(futures_util::stream::pending()).await;
        assert_eq!(ended.map(|_| ()).map_err(|status| status.code()), Err(Code::DeadlineExceeded));
        assert_eq!(member.counters.refused.get(), 1);
        member.stop();
    });
}

#[test]
fn a_stream_carries_only_what_its_hello_introduced() {
    block_on(async {
        let data = TempDir::new().unwrap();
        let member = member(&data).await;
        let right = header(&member);
        let of_other = Header { from: Peer { node: NodeId(3), ..right.from }, ..right };
        let of_older_boot = Header { from: Peer { boot: Boot::default(), ..right.from }, ..right };
        let bad: [(Option<Hello>, Bytes); 5] = [
            (None, envelope(of_other)),
            (None, envelope(of_older_boot)),
            (None, Bytes::new()),
            (None, Bytes::from_static(b"\x01nonsense")),
            (Some(hello(&right)), envelope(right)),
        ];
        for (number, (said, bytes)) in (1..).zip(bad) {
            let frames = vec![
                frame(Some(hello(&right)), Vec::new()),
                frame(said, vec![bytes]),
                frame(None, vec![envelope(right)]),
            ];
            assert_eq!(send(&member, frames).await, Err(Code::InvalidArgument), "case {number}");
            assert_eq!(member.counters.refused.get(), number);
        }
        member.node.handle.status().await.unwrap();
        assert_eq!(received(&member), 0, "nothing that came after it either");
        member.stop();
    });
}

#[test]
fn hostile_bytes_end_their_stream_and_nothing_else() {
    block_on(async {
        let data = TempDir::new().unwrap();
        let member = member(&data).await;
        let right = header(&member);
        let mut random = StdRng::seed_from_u64(4);
        for _ in 0..200 {
            let mut bytes = envelope(right).to_vec();
            match random.random_range(0..3) {
                0 => bytes = vec![0; random.random_range(0..300)],
                1 => bytes.truncate(random.random_range(0..bytes.len())),
                _ => bytes.extend([0; 50]),
            }
            for _ in 0..random.random_range(1..8) {
                if !bytes.is_empty() {
                    let place = random.random_range(0..bytes.len());
                    bytes[place] = random.next_u32() as u8;
                }
            }
            let frames = vec![frame(Some(hello(&right)), Vec::new()), frame(None, vec![bytes.into()])];
            // Some may be an envelope by chance: what counts is that the node goes on.
            let _ = send(&member, frames).await;
        }
        let large = vec![0; 2 * MESSAGE_BYTES + 1].into();
        let frames = vec![frame(Some(hello(&right)), Vec::new()), frame(None, vec![large])];
        assert_eq!(send(&member, frames).await, Err(Code::OutOfRange));
        let frames = vec![frame(Some(hello(&right)), vec![envelope(right)])];
        assert_eq!(send(&member, frames).await, Ok(()));
        member.stop();
    });
}

#[test]
fn pieces_are_given_to_members_of_this_cluster_that_mean_this_node() {
    block_on(async {
        let data = TempDir::new().unwrap();
        let member = member(&data).await;
        let address = format!("http://{}", member.server.address);
        let mut client = SnapshotClient::connect(address).await.unwrap();
        let right = FetchRequest {
            cluster_id: format!("{:032x}", 7),
            from_node: 2,
            to_node: 1,
            range: 1,
            snapshot: 3,
            piece: Some(proto::peer::v1::fetch_request::Piece::ManifestOffset(0)),
        };
        let answer = client.fetch(right.clone()).await.unwrap().into_inner();
        assert_eq!(answer.chunk, None, "there is no such snapshot");
        let wrong = [
            (FetchRequest { cluster_id: format!("{:032x}", 8), ..right.clone() }, Code::FailedPrecondition),
            (FetchRequest { cluster_id: "é".into(), ..right.clone() }, Code::FailedPrecondition),
            (FetchRequest { to_node: 3, ..right.clone() }, Code::FailedPrecondition),
            (FetchRequest { piece: None, ..right }, Code::InvalidArgument),
        ];
        for (request, code) in wrong {
            assert_eq!(client.fetch(request.clone()).await.unwrap_err().code(), code, "{request:?}");
        }
        assert_eq!(member.counters.refused.get(), 3);
        member.stop();
    });
}
