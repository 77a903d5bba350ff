//! The receipt: what is asked for, what counts as there, and how it ends.

use bytes::Bytes;
use raft::{LogIndex, NodeId, SnapshotId};

use super::fixture::{ENOUGH, Log, Node, RANGE, Random, SETTINGS, carry, fetch_of, meta};
use crate::directory::Directory;
use crate::snapshot::manifest::{ManifestError, snapshot_id};
use crate::snapshot::{ChunkContent, ChunkReply, ChunkRequest, Failure, Manifest, Piece, Receiving};

/// A sender and an empty receiver that was offered its snapshot.
fn pair(seed: u64) -> (Node, Node, SnapshotId) {
    let mut sender = Node::at(1, &Log::with(150, seed));
    let mut receiver = Node::new(3);
    let id = fetch(&mut sender, &mut receiver);
    (sender, receiver, id)
}

fn fetch(sender: &mut Node, receiver: &mut Node) -> SnapshotId {
    let (id, meta) = sender.export();
    receiver.snapshots.fetch(fetch_of(sender.id, id, meta));
    id
}

fn step(node: &mut Node) -> Receiving {
    node.snapshots.receive_step(ENOUGH, ENOUGH).unwrap()
}

fn total(node: &Node) -> usize {
    let tables = node.directory.list().unwrap().into_iter().filter(|(name, _)| name.ends_with(".table"));
    tables.map(|(_, length)| length as usize).sum()
}

/// Requests and replies, back and forth, so many times.
fn rounds(sender: &mut Node, receiver: &mut Node, rounds: usize) {
    for _ in 0..rounds {
        assert_eq!(step(receiver), Receiving::Waiting);
        for (_, request) in receiver.snapshots.take_requests() {
            let reply = sender.snapshots.serve(receiver.id, request).unwrap();
            receiver.snapshots.on_reply(sender.id, reply);
        }
    }
}

#[test]
fn every_byte_is_sent_once() {
    let (mut sender, mut receiver, id) = pair(1);
    let all = total(&sender);
    assert_eq!(carry(&mut sender, &mut receiver), (Receiving::Received(id), all));
    receiver.install();
    assert_eq!((receiver.hash(), &receiver.state), (sender.hash(), &sender.state));
    assert_eq!(receiver.directory.list(), Ok(Vec::new()));
}

#[test]
fn a_restart_goes_on_behind_the_last_good_byte() {
    let (mut sender, mut receiver, _) = pair(1);
    let mut most = 0;
    while step(&mut receiver) == Receiving::Waiting {
        rounds(&mut sender, &mut receiver, 1);
        most += 1;
    }
    for seed in 0..60 {
        let (mut sender, mut receiver, id) = pair(1);
        let all = total(&sender);
        let mut random = Random(seed);
        let count = random.below(most);
        rounds(&mut sender, &mut receiver, count);
        let there = total(&receiver);
        // Nothing of what was not synced is lost, and then some of it.
        if seed % 2 == 0 {
            receiver = Node::start(receiver.id, receiver.engine.clone(), receiver.directory.clone());
            sender = Node::start(sender.id, sender.engine.clone(), sender.directory.clone());
        } else {
            receiver.crash(&mut |bound| random.below(bound));
        }
        receiver.snapshots.fetch(fetch_of(sender.id, id, meta(LogIndex(150))));
        let (receiving, sent) = carry(&mut sender, &mut receiver);
        assert_eq!(receiving, Receiving::Received(id));
        // Whole tables are synced, so that a crash costs less than one of them.
        let lost = if seed % 2 == 0 { 0 } else { 2 * SETTINGS.table_bytes as usize };
        assert!(sent <= all - there + lost, "seed {seed}: {sent} sent, {there} of {all} were there");
        receiver.install();
        assert_eq!(receiver.hash(), sender.hash());
    }
}

#[test]
fn what_another_sender_sent_counts() {
    let (mut first, mut receiver, _) = pair(1);
    rounds(&mut first, &mut receiver, 50);
    let there = total(&receiver);
    let (mut log, mut random) = (Log::with(150, 1), Random(7));
    log.grow(&mut random);
    let mut second = Node::at(2, &log);
    let all = {
        let id = fetch(&mut second, &mut receiver);
        (id, total(&second))
    };
    let (receiving, sent) = carry(&mut second, &mut receiver);
    assert_eq!(receiving, Receiving::Received(all.0));
    assert!(there > 1_000 && sent < all.1 - there / 2, "{sent} of {} sent, {there} were there", all.1);
    receiver.install();
    assert_eq!((receiver.hash(), receiver.state), (second.hash(), second.state));
}

#[test]
fn what_the_receiver_exported_itself_counts() {
    let log = Log::with(150, 1);
    let (mut sender, mut receiver) = (Node::at(1, &log), Node::at(3, &log));
    receiver.export();
    let id = fetch(&mut sender, &mut receiver);
    assert_eq!(carry(&mut sender, &mut receiver), (Receiving::Received(id), 0));
    receiver.install();
    assert!(receiver.snapshots.reusable(LogIndex(150)).is_some(), "its own snapshot keeps its tables");
}

#[test]
fn an_export_that_overtakes_the_receipt_of_a_table_is_noticed() {
    let log = Log::with(150, 1);
    let (mut sender, mut receiver) = (Node::at(1, &log), Node::at(3, &log));
    let id = fetch(&mut sender, &mut receiver);
    rounds(&mut sender, &mut receiver, 40);
    receiver.export();
    let (receiving, sent) = carry(&mut sender, &mut receiver);
    assert_eq!(receiving, Receiving::Received(id));
    assert!(sent <= SETTINGS.block_bytes as usize * SETTINGS.window);
    receiver.install();
    assert_eq!(receiver.hash(), sender.hash());
}

#[test]
fn requests_in_flight_are_bounded_and_repeated_when_late() {
    let (mut sender, mut receiver, _) = pair(1);
    // The manifest comes first, piece by piece.
    let pieces = loop {
        assert_eq!(step(&mut receiver), Receiving::Waiting);
        let requests = receiver.snapshots.take_requests();
        if let [(_, ChunkRequest { piece: Piece::Manifest { .. }, .. })] = requests[..] {
            let reply = sender.snapshots.serve(receiver.id, requests[0].1).unwrap();
            receiver.snapshots.on_reply(sender.id, reply);
        } else {
            break requests;
        }
    };
    assert_eq!(pieces.len(), SETTINGS.window);
    assert_eq!((step(&mut receiver), receiver.snapshots.take_requests()), (Receiving::Waiting, vec![]));
    for _ in 1..SETTINGS.resend_ticks {
        receiver.snapshots.tick().unwrap();
    }
    assert_eq!(receiver.snapshots.take_requests(), vec![]);
    receiver.snapshots.tick().unwrap();
    assert_eq!(receiver.snapshots.take_requests(), pieces);
}

#[test]
fn a_silent_sender_is_given_up() {
    for talks in [0, 1, 30] {
        let (mut sender, mut receiver, id) = pair(1);
        rounds(&mut sender, &mut receiver, talks);
        assert_eq!(step(&mut receiver), Receiving::Waiting);
        for _ in 1..SETTINGS.give_up_ticks {
            receiver.snapshots.tick().unwrap();
            assert_eq!(step(&mut receiver), Receiving::Waiting);
        }
        receiver.snapshots.tick().unwrap();
        assert_eq!(step(&mut receiver), Receiving::Failed(id, Failure::TimedOut));
        assert_eq!(step(&mut receiver), Receiving::Waiting);
        assert_eq!(receiver.snapshots.take_requests(), vec![]);
    }
}

#[test]
fn a_snapshot_that_is_gone_ends_the_transfer_and_what_arrived_is_kept() {
    let (mut sender, mut receiver, id) = pair(1);
    rounds(&mut sender, &mut receiver, 50);
    let there = total(&receiver);
    sender.snapshots.withdraw(receiver.id).unwrap();
    sender.snapshots.log_compacted(LogIndex(151)).unwrap();
    let (receiving, _) = carry(&mut sender, &mut receiver);
    assert_eq!(receiving, Receiving::Failed(id, Failure::Gone));
    let kept = total(&receiver);
    assert!(kept >= there && there > 0);
    assert_eq!(receiver.snapshots.clear_leftovers(), Ok(kept as u64));
    assert_eq!(total(&receiver), 0);
}

#[test]
fn what_does_not_fit_is_refused_before_its_first_table() {
    let (mut sender, mut receiver, id) = pair(1);
    let needed = 2 * total(&sender) as u64;
    receiver.directory.append("left.table", &[0; 100]).unwrap();
    let mut fits = |free| {
        receiver.snapshots.fetch(fetch_of(NodeId(1), id, meta(LogIndex(150))));
        loop {
            match receiver.snapshots.receive_step(ENOUGH, free).unwrap() {
                Receiving::Waiting => {}
                Receiving::Failed(_, failure) => return Some(failure),
                other => panic!("{other:?}"),
            }
            for (_, request) in receiver.snapshots.take_requests() {
                if matches!(request.piece, Piece::Block { .. }) {
                    return None;
                }
                let reply = sender.snapshots.serve(receiver.id, request).unwrap();
                receiver.snapshots.on_reply(sender.id, reply);
            }
        }
    };
    // The remains of another transfer make room.
    assert_eq!(fits(needed - 101), Some(Failure::NoSpace { needed, free: needed - 1 }));
    assert_eq!(fits(needed - 1), Some(Failure::NoSpace { needed, free: needed - 1 }));
    assert_eq!(fits(needed), None);
}

/// Answers for the manifest with `bytes`, offered as `id`.
fn receive_manifest(receiver: &mut Node, id: SnapshotId, bytes: &Bytes) -> Receiving {
    receiver.snapshots.fetch(fetch_of(NodeId(1), id, meta(LogIndex(150))));
    let content =
        ChunkContent::Chunk { data: bytes.clone(), crc: crc32fast::hash(bytes), total: bytes.len() as u64 };
    let piece = Piece::Manifest { offset: 0 };
    receiver.snapshots.on_reply(NodeId(1), ChunkReply { range: RANGE, id, piece, content });
    step(receiver)
}

fn manifest_of(node: &Node, id: SnapshotId) -> Manifest {
    let name = format!("{:016x}.snapshot", id.0);
    Manifest::decode(&node.directory.read(&name, 0, 1 << 20).unwrap()).unwrap()
}

#[test]
fn a_manifest_of_something_else_ends_the_transfer() {
    let (sender, mut receiver, id) = pair(1);
    let manifest = manifest_of(&sender, id);
    let whole = manifest.encode();
    assert_eq!(receive_manifest(&mut receiver, id, &whole), Receiving::Waiting);
    let not_offered = |id| Receiving::Failed(id, Failure::NotAsOffered);
    let other = Manifest { epoch: 2, ..manifest.clone() }.encode();
    assert_eq!(receive_manifest(&mut receiver, id, &other), not_offered(id));
    let other = Manifest { meta: meta(LogIndex(151)), ..manifest }.encode();
    let honest = snapshot_id(&other);
    assert_eq!(receive_manifest(&mut receiver, honest, &other), not_offered(honest));
    let torn = whole.slice(1..);
    let damaged = ManifestError::Damaged { bytes: torn.len() };
    assert_eq!(receive_manifest(&mut receiver, id, &torn), Receiving::Failed(id, damaged.into()));
}

#[test]
fn tables_that_are_not_what_their_hash_says_end_the_transfer() {
    let (mut sender, mut receiver, id) = pair(1);
    let mut manifest = manifest_of(&sender, id);
    // The sums of the blocks are those of the file, the hash is not.
    manifest.user[1].table.hash = [7; 32];
    let table = manifest.local.len() as u32 + 1;
    let bytes = manifest.encode();
    let forged = snapshot_id(&bytes);
    assert_eq!(receive_manifest(&mut receiver, forged, &bytes), Receiving::Waiting);
    let mut asked = 0;
    let failure = loop {
        for (_, request) in receiver.snapshots.take_requests() {
            asked += usize::from(request.piece == Piece::Block { table, block: 0 });
            let reply = sender.snapshots.serve(receiver.id, ChunkRequest { id, ..request }).unwrap();
            receiver.snapshots.on_reply(sender.id, ChunkReply { id: forged, ..reply });
        }
        match step(&mut receiver) {
            Receiving::Failed(_, failure) => break failure,
            other => assert_eq!(other, Receiving::Waiting),
        }
    };
    assert_eq!(failure, Failure::Damaged { table: manifest.user[1].table.name() });
    assert_eq!(asked, 2);
}

#[test]
fn damaged_repeated_and_strange_replies_are_dropped() {
    let (mut sender, mut receiver, id) = pair(1);
    let mut random = Random(4);
    let receiving = loop {
        let receiving = step(&mut receiver);
        if receiving != Receiving::Waiting {
            break receiving;
        }
        let mut requests = receiver.snapshots.take_requests();
        requests.reverse();
        for (_, request) in requests {
            let reply = sender.snapshots.serve(receiver.id, request).unwrap();
            let ChunkContent::Chunk { data, crc, total } = &reply.content else { panic!("it is there") };
            let mut other = data.to_vec();
            let at = random.below(other.len());
            other[at] ^= 1 << random.below(8);
            let (data, sum) = (Bytes::from(other), *crc);
            let forged = crc32fast::hash(&data);
            for crc in [sum, forged] {
                // A manifest has no sums of its pieces: what is sound by itself counts there.
                if crc == sum || matches!(request.piece, Piece::Block { .. }) {
                    let content = ChunkContent::Chunk { data: data.clone(), crc, total: *total };
                    receiver.snapshots.on_reply(sender.id, ChunkReply { content, ..reply.clone() });
                }
            }
            receiver
                .snapshots
                .on_reply(NodeId(9), ChunkReply { content: ChunkContent::Gone, ..reply.clone() });
            let (of, content) = (SnapshotId(id.0 ^ 1), ChunkContent::Gone);
            receiver.snapshots.on_reply(sender.id, ChunkReply { id: of, content, ..reply.clone() });
            receiver.snapshots.on_reply(sender.id, reply.clone());
            receiver.snapshots.on_reply(sender.id, reply);
        }
    };
    assert_eq!(receiving, Receiving::Received(id));
    receiver.install();
    assert_eq!(receiver.hash(), sender.hash());
}

#[test]
fn a_step_keeps_to_its_budget() {
    let log = Log::with(150, 1);
    let (mut sender, mut receiver) = (Node::at(1, &log), Node::at(3, &log));
    receiver.export();
    fetch(&mut sender, &mut receiver);
    let mut steps = 0;
    loop {
        match receiver.snapshots.receive_step(1, ENOUGH).unwrap() {
            Receiving::Busy => steps += 1,
            Receiving::Waiting => {
                for (_, request) in receiver.snapshots.take_requests() {
                    let reply = sender.snapshots.serve(receiver.id, request).unwrap();
                    receiver.snapshots.on_reply(sender.id, reply);
                }
            }
            Receiving::Received(id) => {
                assert_eq!(steps, manifest_of(&sender, id).tables().count(), "one table in each");
                return;
            }
            failed @ Receiving::Failed(..) => panic!("{failed:?}"),
        }
    }
}
