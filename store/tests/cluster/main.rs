//! Whole nodes in one process, on the models of engine and log.

#![expect(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod check;
mod client;
mod histories;
mod node;
mod random;
mod world;

use std::time::Duration;

use bytes::Bytes;
use raft::{
    Body, Boot, CampaignId, Change, DiskId, Envelope, FollowerState, Header, Heartbeat, LogIndex,
    LogPosition, Message, NodeId, Peer, ReplicaId, RoleKind, Round, Target, Term, VoteRequest,
};
use store::directory::Directory;
use store::effects::ClusterVersion;
use store::engine::Engine;
use store::log_store::{DiskIdentity, LogItem};
use store::memory::{MemoryEngine, MemoryLogStore};
use store::range::Descriptor;
use store::replica::{Address, Consistency, ExitCode, Query, Read, Reply, Request, Token};
use store::request::{Attempt, Condition, Operation, RequestError, Scan, Test, Write, WriteOutcome};
use store::store::{AdminError, AdminReply, AdminRequest, FIRST_RANGE, NodeEnvelope, Start};
use store::timestamp::Timestamp;

use check::Versions;
use node::{MemoryStore, disk};
use world::World;

fn put(key: &str, value: &str) -> Request {
    let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    Request::Write(Write { operations: vec![Operation::Put { key, value }], ..Write::default() })
}

fn get(key: &str, consistency: Consistency) -> Request {
    let query = Query::Get { key: Bytes::copy_from_slice(key.as_bytes()) };
    Request::Read(Read { query, consistency })
}

fn written(reply: Reply) -> Timestamp {
    match reply {
        Reply::Write(WriteOutcome::Written { timestamp, .. }) => timestamp,
        reply => panic!("{reply:?}"),
    }
}

fn value(reply: Result<Reply, RequestError>) -> (Timestamp, Option<Bytes>) {
    match reply {
        Ok(Reply::Value { timestamp, found }) => (timestamp, found.map(|found| found.value)),
        reply => panic!("{reply:?}"),
    }
}

/// Nobody and this node can reach each other.
fn isolate(world: &mut World, node: usize) {
    for other in (0..world.nodes.len()).filter(|other| *other != node) {
        world.cut.extend([(node, other), (other, node)]);
    }
}

/// Three nodes, of which one is cut off while `writes` are done and is then connected again: the leader and that one.
fn with_one_that_lags(seed: u64, writes: impl IntoIterator<Item = Request>) -> (World, usize, usize) {
    let mut world = World::new(seed, 3);
    world.bootstrap(3);
    world.done(put("k", "first"));
    let leader = world.leader().unwrap();
    let lagging = (0..3).find(|at| *at != leader).unwrap();
    isolate(&mut world, lagging);
    for write in writes {
        world.done(write);
    }
    world.cut.clear();
    (world, leader, lagging)
}

fn hundred_writes() -> impl Iterator<Item = Request> {
    (0..100).map(|number| put("k", &number.to_string()))
}

#[test]
fn three_nodes_write_and_read() {
    let mut world = World::new(1, 3);
    world.bootstrap(3);
    let first = written(world.done(put("k", "1")));
    let second = written(world.done(put("k", "2")));
    assert!(second > first);
    for at in 0..3 {
        let (now, found) = value(world.answer(at, get("k", Consistency::Linearizable)));
        assert!(now >= second);
        assert_eq!(found, Some(Bytes::from("2")), "node {at}");
        let found = value(world.answer(at, get("k", Consistency::Snapshot(first))));
        assert_eq!(found, (first, Some(Bytes::from("1"))));
        let stale = world.answer(at, get("k", Consistency::Stale(Duration::from_secs(1))));
        assert_eq!(value(stale).1, Some(Bytes::from("2")));
        let scan =
            Scan { start: Bytes::new(), end: Bytes::new(), reverse: false, limit: 0, keys_only: false };
        let read = Read { query: Query::Scan(scan), consistency: Consistency::Linearizable };
        match world.answer(at, Request::Read(read)) {
            Ok(Reply::Page { page, .. }) => assert_eq!(page.rows.len(), 1),
            reply => panic!("{reply:?}"),
        }
    }
    world.settle();
}

#[test]
fn a_read_ahead_waits_for_its_time_and_one_far_ahead_is_refused() {
    let mut world = World::new(2, 3);
    world.bootstrap(3);
    let first = written(world.done(put("k", "1")));
    let leader = world.leader().unwrap();
    let ahead = Timestamp(first.0 + Timestamp::from_millis(2_000).0);
    let found = value(world.answer(leader, get("k", Consistency::Snapshot(ahead))));
    assert_eq!(found, (ahead, Some(Bytes::from("1"))));
    assert!(written(world.done(put("k", "2"))) > ahead, "what was read never changes");
    let far = Timestamp(ahead.0 + Timestamp::from_millis(60_000).0);
    let refused = world.answer(leader, get("k", Consistency::Snapshot(far)));
    assert!(matches!(refused, Err(RequestError::InTheFuture { .. })), "{refused:?}");
    let follower = (0..3).find(|at| *at != leader).unwrap();
    let refused = world.answer(follower, get("k", Consistency::Snapshot(far)));
    assert!(matches!(refused, Err(RequestError::NotLeader { leader: Some(_) })), "{refused:?}");
}

#[test]
fn answers_of_one_turn_weigh_a_bounded_number_of_bytes() {
    let mut world = World::new(12, 3);
    world.bootstrap(3);
    let long = "x".repeat(100_000);
    let at = written(world.done(put("k", &long)));
    let (leader, most) = (world.leader().unwrap(), node::settings().answer_bytes);
    let now = world.now(leader);
    let store = world.nodes[leader].store.as_mut().unwrap();
    let whole = Address { range: FIRST_RANGE, epoch: Descriptor::whole().epoch };
    for token in 0..300 {
        let consistency = [Consistency::Linearizable, Consistency::Snapshot(at)][token as usize % 2];
        store.request(now, Token(1_000 + token), whole, get("k", consistency));
    }
    let mut answered = Vec::new();
    while let Some(output) = store.poll_output(now) {
        let mut bytes = 0;
        for (token, reply) in output.replies {
            bytes += value(reply).1.unwrap().len();
            answered.push(token.0);
        }
        assert!(bytes < most + long.len(), "{bytes} bytes at once");
    }
    answered.sort_unstable();
    assert!(answered.into_iter().eq(1_000..1_300), "each once");
}

#[test]
fn a_cluster_grows_from_one_node_and_its_leader_can_go() {
    let mut world = World::new(3, 3);
    world.bootstrap(1);
    world.done(put("k", "1"));
    for at in 1..3 {
        for step in 0..2 {
            let leader = world.leader().unwrap();
            let status = world.status(leader).unwrap().raft;
            let node = World::node_id(at);
            let changes = match step {
                0 => vec![
                    Change::Reserve { abandon: None },
                    Change::AddLearner { node, disk: disk(at), boot: 1 },
                ],
                _ => vec![Change::Promote { node }],
            };
            let planned_on = status.configuration_at;
            let request = AdminRequest::Change { range: FIRST_RANGE, planned_on, changes };
            match world.administer(leader, request) {
                Ok(AdminReply::Changed(result)) => assert_eq!(result.error, None),
                reply => panic!("{reply:?}"),
            }
            for _ in 0..600 {
                world.pass(1_000);
            }
        }
    }
    world.settle();
    let leader = world.leader().unwrap();
    assert_eq!(leader, 0);
    let to = World::node_id(1);
    let started = world.administer(leader, AdminRequest::Transfer { range: FIRST_RANGE, to });
    assert_eq!(started, Ok(AdminReply::TransferStarted));
    for _ in 0..1_000 {
        if world.leader() != Some(0) {
            break;
        }
        world.pass(1_000);
    }
    world.settle();
    assert_eq!(world.leader(), Some(1));
    for at in 0..3 {
        let found = value(world.answer(at, get("k", Consistency::Linearizable)));
        assert_eq!(found.1, Some(Bytes::from("1")));
        assert_eq!(world.status(at).unwrap().raft.configuration.voters().count(), 3);
    }
}

#[test]
fn writes_that_need_space_are_refused_without_a_quorum_that_has_it() {
    let mut world = World::new(4, 3);
    world.bootstrap(3);
    world.done(put("k", "1"));
    let leader = world.leader().unwrap();
    let followers: Vec<_> = (0..3).filter(|at| *at != leader).collect();
    for at in &followers {
        world.nodes[*at].store.as_mut().unwrap().set_free_bytes(0);
    }
    for _ in 0..100 {
        world.pass(1_000);
    }
    let refused = world.answer(leader, put("k", "2"));
    let nodes: Vec<_> = followers.iter().map(|at| World::node_id(*at)).collect();
    assert_eq!(refused, Err(RequestError::DiskReserve { nodes }));
    let delete = Operation::Delete { key: Bytes::from("k") };
    world.done(Request::Write(Write { operations: vec![delete], ..Write::default() }));
    world.nodes[followers[0]].store.as_mut().unwrap().set_free_bytes(1 << 40);
    for _ in 0..100 {
        world.pass(1_000);
    }
    written(world.done(put("k", "3")));
}

#[test]
fn a_clock_that_is_off_is_named_and_moves_nothing() {
    let mut world = World::new(5, 3);
    world.nodes[2].offset = 50_000_000;
    world.bootstrap(3);
    let timestamp = written(world.done(put("k", "1")));
    let physical = world.now(1).wall_millis;
    assert!(timestamp.millis().abs_diff(physical) < 5_000, "{timestamp:?} at {physical}");
    let leader = world.leader().unwrap();
    assert!(world.status(leader).unwrap().skewed.contains(&World::node_id(2)));
}

#[test]
fn data_behind_the_log_are_a_lost_disk() {
    let mut world = World::new(6, 3);
    world.bootstrap(3);
    for number in 0..200 {
        world.done(put("k", &number.to_string()));
    }
    world.settle();
    assert!(world.status(2).unwrap().raft.base.index.0 > 0, "the log was cut");
    world.crash(2);
    assert!(Versions::of(&world.nodes[2].engine.view()).count() > 0);
    world.nodes[2].remove();
    world.start(2);
    assert_eq!(world.status(2).unwrap().raft.role, RoleKind::LostDisk);
    let refused = world.answer(2, get("k", Consistency::Snapshot(Timestamp(1))));
    assert_eq!(refused, Err(RequestError::NotLeader { leader: None }));
    world.crash(2);
    world.start(2);
    assert_eq!(world.status(2).unwrap().raft.role, RoleKind::LostDisk, "it is durable");
}

#[test]
fn a_node_that_lags_behind_the_log_gets_a_snapshot_and_shows_nothing_meanwhile() {
    let mut world = World::new(7, 3);
    world.bootstrap(3);
    let first = written(world.done(put("k", "first")));
    world.settle();
    let lagging = (0..3).find(|at| Some(*at) != world.leader()).unwrap();
    let old = get("k", Consistency::Snapshot(first));
    assert_eq!(value(world.answer(lagging, old.clone())).1, Some(Bytes::from("first")));
    isolate(&mut world, lagging);
    for number in 0..300 {
        world.done(put("k", &number.to_string()));
    }
    world.cut.clear();
    let mut stages = 0;
    while world.installed == 0 {
        world.pass(1_000);
        if world.status(lagging).is_some_and(|status| status.installing) {
            stages += 1;
            let refused = world.answer(lagging, old.clone());
            assert!(matches!(refused, Err(RequestError::Busy { .. })), "{refused:?}");
        }
    }
    assert!(stages > 1, "half of the data were there");
    world.settle();
    assert_eq!(value(world.answer(lagging, old)).1, Some(Bytes::from("first")));
    let found = value(world.answer(lagging, get("k", Consistency::Linearizable)));
    assert_eq!(found.1, Some(Bytes::from("299")));
}

#[test]
fn a_follower_whose_snapshots_the_log_outgrows_again_and_again_is_named() {
    let (mut world, leader, lagging) = with_one_that_lags(17, hundred_writes());
    world.no_chunks = true;
    let stalled = |world: &World| world.status(leader).unwrap().catch_up_stalled;
    let overtaken = |world: &World| world.status(leader).unwrap().counters.snapshots_overtaken;
    while overtaken(&world) < 2 {
        assert!(stalled(&world).is_empty(), "once is no stall");
        world.done(put("k", "more"));
    }
    for _ in 0..100 {
        world.pass(1_000);
    }
    assert_eq!(stalled(&world), [World::node_id(lagging)]);
    world.no_chunks = false;
    world.settle();
    for _ in 0..200 {
        world.pass(1_000);
    }
    assert!(stalled(&world).is_empty());
}

/// The log stays while the follower has installed a snapshot and not yet taken the entries that followed it.
#[test]
fn a_follower_needs_one_snapshot_however_much_is_written_while_it_catches_up() {
    let (mut world, leader, lagging) = with_one_that_lags(19, hundred_writes());
    let state = |world: &World| {
        let followers = world.status(leader).unwrap().raft.followers;
        let follower = followers.into_iter().find(|of| of.node == World::node_id(lagging)).unwrap();
        (follower.state, follower.matched)
    };
    while world.installed == 0 || state(&world).0 == FollowerState::Snapshot {
        world.done(put("k", "meanwhile"));
    }
    let (_, matched) = state(&world);
    isolate(&mut world, lagging);
    let written = world.status(leader).unwrap().raft.last.index;
    while world.status(leader).unwrap().raft.last.index.0 < written.0 + 24 {
        world.done(put("k", "the tail"));
        world.pass(20_000);
    }
    assert_eq!(world.leader(), Some(leader));
    assert!(world.status(leader).unwrap().raft.base.index <= matched, "the log goes on where it is");
    world.settle();
    assert_eq!(world.installed, 1);
    for _ in 0..100 {
        world.pass(1_000);
    }
    for number in 0..40 {
        world.done(put("k", &number.to_string()));
        world.pass(20_000);
    }
    assert!(world.status(leader).unwrap().raft.base.index > matched, "what it has is not kept for it");
}

#[test]
fn a_transfer_that_a_crash_interrupts_goes_on_where_it_was() {
    let writes = (0..200).map(|number| put(&format!("key {number}"), &"value".repeat(30)));
    let (mut world, leader, lagging) = with_one_that_lags(20, writes);
    let sent = |world: &World| world.nodes[leader].carried().sent_bytes;
    while sent(&world) < 20_000 {
        world.pass(1_000);
    }
    let files = world.nodes[leader].directory.list().unwrap();
    let whole: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    let before = sent(&world);
    assert!(before < whole * 3 / 4, "{before} of {whole} bytes is about half");
    world.crash(lagging);
    for number in 0..5 {
        world.done(put("k", &number.to_string()));
    }
    world.settle();
    assert_eq!((world.leader(), world.installed), (Some(leader), 1));
    let again = sent(&world) - before;
    assert!(again < whole - before + whole / 4, "{before} and {again} of {whole} bytes");
}

#[test]
fn a_snapshot_that_does_not_fit_is_refused_until_there_is_space() {
    let (mut world, _, lagging) = with_one_that_lags(18, hundred_writes());
    let carrier = world.nodes[lagging].carrier.as_mut().unwrap();
    carrier.set_free_bytes(node::carrier_settings().reserve_bytes + 1_000);
    while world.nodes[lagging].carried().no_space < 3 {
        world.pass(1_000);
    }
    assert_eq!(world.installed, 0);
    assert_eq!(world.nodes[lagging].directory.list(), Ok(Vec::new()));
    world.nodes[lagging].carrier.as_mut().unwrap().set_free_bytes(1 << 40);
    world.settle();
    for _ in 0..100 {
        world.pass(1_000);
    }
    assert_eq!(world.installed, 1);
}

#[test]
fn an_answer_that_shows_what_is_in_flight_waits_for_it() {
    let mut world = World::new(8, 3);
    world.bootstrap(3);
    world.done(put("k", "1"));
    let leader = world.leader().unwrap();
    isolate(&mut world, leader);
    let in_flight = world.request(leader, put("k", "2"));
    let (key, value) = (Bytes::from("k"), Bytes::from("3"));
    let condition = Condition { key: key.clone(), test: Test::ValueIs(Bytes::from("1")) };
    let write = Write {
        conditions: vec![condition],
        operations: vec![Operation::Put { key, value }],
        ..Write::default()
    };
    let failing = world.request(leader, Request::Write(write));
    for _ in 0..50 {
        world.pass(1_000);
    }
    assert!(world.replies.iter().all(|(token, _)| *token != in_flight && *token != failing));
    // The leader is deposed, and what was in flight is replaced by what the next one does.
    for _ in 0..1_000 {
        world.pass(1_000);
    }
    let found = |world: &World, wanted| {
        world.replies.iter().find(|(token, _)| *token == wanted).map(|(_, answer)| answer.clone())
    };
    let refused = found(&world, failing);
    let is_refused = matches!(refused, Some(Err(RequestError::NotLeader { .. } | RequestError::NoLeader)));
    assert!(is_refused, "{refused:?}");
    assert_eq!(found(&world, in_flight), Some(Err(RequestError::OutcomeUnknown)));
    world.settle();
    assert_eq!(self::value(world.answer(leader, get("k", Consistency::Linearizable))).1, Some("1".into()));
}

#[test]
fn a_refusal_by_an_old_state_is_not_told() {
    let mut world = World::new(15, 3);
    world.bootstrap(3);
    world.done(put("k", "1"));
    let leader = world.leader().unwrap();
    isolate(&mut world, leader);
    // Past its lease, and before it notices.
    for _ in 0..190 {
        world.pass(1_000);
    }
    assert_eq!(world.leader(), Some(leader));
    let attempt = Attempt { session: Timestamp(1), number: 1, acknowledged_below: 0, retry: false };
    let (key, value) = (Bytes::from("k"), Bytes::from("2"));
    let operations = vec![Operation::Put { key, value }];
    let write = Write { operations, attempt: Some(attempt), ..Write::default() };
    let refused = world.answer(leader, Request::Write(write.clone()));
    assert!(matches!(refused, Err(RequestError::NotLeader { .. } | RequestError::NoLeader)), "{refused:?}");
    world.cut.clear();
    world.settle();
    let leader = world.leader().unwrap();
    let refused = world.answer(leader, Request::Write(write));
    assert!(matches!(refused, Err(RequestError::Invalid { .. })), "it was never opened: {refused:?}");
}

#[test]
fn a_proposal_that_another_leader_replaced_is_told_so() {
    let mut told = 0;
    for seed in 0..20 {
        let mut world = World::new(seed, 3);
        world.bootstrap(3);
        world.done(put("k", "1"));
        let leader = world.leader().unwrap();
        isolate(&mut world, leader);
        // It still waits when the leader hears of the next one, if that is elected soon.
        for _ in 0..150 {
            world.pass(1_000);
        }
        let lost = world.request(leader, put("k", "2"));
        while world.leader() == Some(leader) || world.leader().is_none() {
            world.pass(1_000);
        }
        world.cut.clear();
        for _ in 0..1_000 {
            world.pass(1_000);
        }
        let answer = world.replies.iter().find(|(token, _)| *token == lost).map(|(_, answer)| answer.clone());
        match answer {
            Some(Err(RequestError::NotLeader { leader: Some(_) })) => told += 1,
            answer => assert_eq!(answer, Some(Err(RequestError::OutcomeUnknown)), "seed {seed}"),
        }
        let found = value(world.answer(leader, get("k", Consistency::Linearizable)));
        assert_eq!(found.1, Some("1".into()), "seed {seed}");
    }
    assert!(told > 5, "{told}");
}

#[test]
fn an_empty_disk_waits_until_it_is_named() {
    let mut world = World::new(10, 2);
    world.bootstrap(1);
    let timestamp = written(world.done(put("k", "1")));
    let status = |world: &World, at: usize| world.nodes[at].store.as_ref().unwrap().status(world.now(at));
    let empty = status(&world, 1);
    assert_eq!((empty.identity.member, empty.replicas.len()), (None, 0));
    let refused = world.answer(1, get("k", Consistency::Snapshot(timestamp)));
    assert_eq!(refused, Err(RequestError::NotLeader { leader: None }));

    let (cluster, node) = (world::CLUSTER, World::node_id(0));
    let again = |cluster, node| AdminRequest::Bootstrap { cluster, voters: vec![(node, disk(0))] };
    assert_eq!(world.administer(0, again(cluster, node)), Ok(AdminReply::Bootstrapped));
    let other = again(raft::ClusterId(7), node);
    assert_eq!(world.administer(0, other), Err(AdminError::Member { cluster, node }));
    let elsewhere = world.administer(1, again(cluster, node));
    assert!(matches!(elsewhere, Err(AdminError::Voters { .. })));

    let node = World::node_id(1);
    let changes =
        vec![Change::Reserve { abandon: None }, Change::AddLearner { node, disk: disk(1), boot: 1 }];
    let planned_on = world.status(0).unwrap().raft.configuration_at;
    let added = world.administer(0, AdminRequest::Change { range: FIRST_RANGE, planned_on, changes });
    assert!(matches!(added, Ok(AdminReply::Changed(result)) if result.committed == 2));
    world.settle();
    assert_eq!(status(&world, 1).identity.member, Some((cluster, node)));
    let found = value(world.answer(1, get("k", Consistency::Linearizable)));
    assert_eq!(found.1, Some("1".into()), "a learner reads as well");
}

#[test]
fn only_a_leader_that_names_the_disk_makes_it_a_member() {
    let mut world = World::new(16, 1);
    let now = world.now(0);
    let heartbeat = Heartbeat {
        round: Round(1),
        commit: LogIndex(0),
        promise: Duration::ZERO,
        ask_start: false,
        behind: false,
    };
    let vote = VoteRequest { campaign: CampaignId(1), last: LogPosition::default(), forced: false };
    let mut receive = |named, body| {
        let from = Peer { node: NodeId(7), disk: DiskId(70), boot: Boot { counter: 1, nonce: 1 } };
        let to = Target { node: NodeId(9), disk: named };
        let (range, term) = (FIRST_RANGE, Term(3));
        let message = Message { range, from: ReplicaId(1), to: ReplicaId(5), term, body };
        let header = Header { cluster: world::CLUSTER, from, to };
        let envelope = Envelope { header, messages: vec![message] };
        let supported = ClusterVersion::FIRST;
        let envelope = NodeEnvelope { envelope, clock_millis: 0, spare_bytes: 0, supported };
        let store = world.nodes[0].store.as_mut().unwrap();
        store.receive(now, envelope);
        store.poll_output(now)
    };
    assert_eq!(receive(disk(0), Body::Vote(vote)), None);
    assert_eq!(receive(disk(1), Body::Heartbeat(heartbeat)), None, "another disk");
    let output = receive(disk(0), Body::Heartbeat(heartbeat)).unwrap();
    let member = Some((world::CLUSTER, NodeId(9)));
    let identity = LogItem::Identity(DiskIdentity { disk: disk(0), member });
    let (seq, batch) = output.log.unwrap();
    assert_eq!((batch.items, output.envelopes.len()), (vec![identity], 0));
    assert_eq!(receive(disk(0), Body::Heartbeat(heartbeat)), None, "nothing is answered yet");
    let store = world.nodes[0].store.as_mut().unwrap();
    store.log_persisted(now, seq);
    let (_, batch) = store.poll_output(now).unwrap().log.unwrap();
    assert_eq!(batch.items, [LogItem::Create(FIRST_RANGE, ReplicaId(5))]);
}

#[test]
fn a_damaged_entry_does_not_reach_the_log() {
    let mut world = World::new(11, 3);
    world.bootstrap(3);
    world.done(put("k", "1"));
    world.damage = true;
    let leader = world.leader().unwrap();
    let token = world.request(leader, put("k", "2"));
    for _ in 0..100 {
        world.pass(1_000);
    }
    assert!(world.replies.iter().all(|(of, _)| *of != token), "nobody acknowledges it");
    let drops = |world: &World| {
        let nodes = world.nodes.iter().enumerate();
        let status = nodes.map(|(at, node)| node.store.as_ref().unwrap().status(world.now(at)));
        status.map(|status| status.counters.damaged_messages).sum::<u64>()
    };
    assert!(drops(&world) > 0);
    world.damage = false;
    world.settle();
    let found = value(world.answer(leader, get("k", Consistency::Linearizable)));
    assert_eq!(found.1, Some("2".into()));
}

#[test]
fn what_nobody_can_read_any_more_is_removed() {
    let mut world = World::new(12, 3);
    world.bootstrap(3);
    let first = written(world.done(put("k", "1")));
    for number in 0..30 {
        world.done(put("k", &number.to_string()));
    }
    for _ in 0..20_000 {
        world.pass(5_000);
    }
    written(world.done(put("l", "1")));
    let versions = |world: &World, at: usize| Versions::of(&world.nodes[at].engine.view()).count();
    for at in 0..3 {
        let threshold = world.status(at).unwrap().gc_threshold;
        assert!(threshold > first, "{threshold:?}");
        let old = world.answer(at, get("k", Consistency::Snapshot(first)));
        assert!(matches!(old, Err(RequestError::TooOld { .. })), "{old:?}");
        // The threshold is durable on some nodes only: there is nothing to flush for in an idle range.
        world.nodes[at].engine.flush().unwrap();
    }
    for _ in 0..100 {
        world.pass(5_000);
    }
    for at in 0..3 {
        assert_eq!(versions(&world, at), 2);
    }
}

/// Whatever of it was durable, the cluster begins once, when it is asked again.
#[test]
fn a_bootstrap_that_was_interrupted_is_finished() {
    for seed in 0..40 {
        let mut world = World::new(seed, 1);
        let voters = vec![(World::node_id(0), disk(0))];
        let request = AdminRequest::Bootstrap { cluster: world::CLUSTER, voters };
        world.admin(0, request.clone());
        for _ in 0..seed % 8 {
            world.pass(1_000);
        }
        world.crash(0);
        world.start(0);
        assert_eq!(world.administer(0, request), Ok(AdminReply::Bootstrapped), "seed {seed}");
        written(world.done(put("k", "1")));
    }
}

#[test]
fn a_log_without_its_data_or_data_without_their_log_are_noticed() {
    let mut world = World::new(13, 1);
    world.bootstrap(1);
    world.done(put("k", "1"));
    let now = world.now(0);
    let open = |mut log: MemoryLogStore, engine: MemoryEngine| {
        let start = Start { now, disk: disk(0), nonce: 1, seed: 1, free_bytes: 0 };
        MemoryStore::open(&mut log, engine, node::settings(), start)
    };
    let (log, engine) = (world.nodes[0].log.clone(), world.nodes[0].engine.clone());
    let fault = open(MemoryLogStore::default(), engine).unwrap_err();
    assert_eq!(fault.exit_code(), ExitCode::LostDisk, "{fault}");
    let opened = open(log, MemoryEngine::default()).unwrap();
    let status = opened.replica_status(now, FIRST_RANGE).unwrap();
    assert_eq!(status.raft.role, RoleKind::LostDisk);
}

#[test]
fn a_wall_clock_that_is_set_voids_the_lease() {
    let mut world = World::new(14, 3);
    world.bootstrap(3);
    world.done(put("k", "1"));
    let leader = world.leader().unwrap();
    while !world.status(leader).unwrap().raft.lease {
        world.pass(1_000);
    }
    world.nodes[leader].offset += 5_000;
    let now = world.now(leader);
    let store = world.nodes[leader].store.as_mut().unwrap();
    store.tick(now);
    assert_eq!(store.status(now).counters.clock_jumps, 1);
    assert!(!store.replica_status(now, FIRST_RANGE).unwrap().raft.lease);
}
