use bytes::Bytes;
use raft::{Entry, LogIndex, LogPosition, Payload, Term};

use super::fixture::{Leader, RANGE, SUPPORTED, bytes, load, operations, put};
use crate::effects::{Body, Change, ClusterVersion, DecodeError, Effects, Record, Written, encode};
use crate::engine::{Change as EngineChange, Engine};
use crate::key::{Local, local};
use crate::range::{ApplyFault, RangeState, apply};
use crate::timestamp::Timestamp;

fn entry(index: u64, payload: Payload) -> Entry {
    Entry { index: LogIndex(index), term: Term(1), payload }
}

fn command(index: u64, timestamp: u64, body: Body) -> Entry {
    let effects = Effects { epoch: 1, timestamp: Timestamp(timestamp), body };
    entry(index, Payload::Command(encode(&effects)))
}

fn written(record: Option<Record>) -> Body {
    let changes = vec![Change { key: bytes("k"), value: Some(bytes("v")) }];
    Body::Written(Written { changes, deleted: 0, record })
}

fn empty() -> RangeState {
    load(&crate::memory::MemoryEngine::default()).unwrap()
}

fn fault(entry: Entry) -> ApplyFault {
    let error = apply(&mut empty(), &[command(1, 10, Body::Tick), entry]).unwrap_err();
    assert_eq!(error.at, LogPosition::new(LogIndex(2), Term(1)));
    error.fault
}

#[test]
fn changes_and_the_applied_position_are_one_batch() {
    let mut state = empty();
    let applied = apply(&mut state, &[entry(1, Payload::Noop), command(2, 10, written(None))]).unwrap();
    let keys: Vec<&[u8]> = applied
        .batch
        .changes
        .iter()
        .map(|change| match change {
            EngineChange::Put { key, .. } | EngineChange::Delete { key } => &key[..],
        })
        .collect();
    let version = crate::key::version(b"k", Timestamp(10));
    assert!(keys.contains(&&version[..]));
    assert!(keys.contains(&&local(RANGE, Local::Applied)[..]));
    // A crash that keeps the batch keeps both, one that does not keeps none.
    for kept in [0, 1] {
        let engine = crate::memory::MemoryEngine::default();
        engine.write(applied.batch.clone()).unwrap();
        engine.crash(&mut |_| kept);
        assert_eq!(engine.view_has(&version), kept == 1);
        assert_eq!(load(&engine).unwrap().applied().position.index, LogIndex(2 * kept as u64));
    }
}

trait Has {
    fn view_has(&self, key: &[u8]) -> bool;
}

impl Has for crate::memory::MemoryEngine {
    fn view_has(&self, key: &[u8]) -> bool {
        crate::engine::View::get(&self.view(), key).unwrap().is_some()
    }
}

#[test]
fn entries_without_a_command_advance_the_position_and_no_timestamp() {
    let mut state = empty();
    let configuration = Payload::Configuration(Default::default());
    let entries = [command(1, 10, Body::Tick), entry(2, Payload::Noop), entry(3, configuration)];
    let applied = apply(&mut state, &entries).unwrap();
    assert_eq!(applied.replies.len(), 1);
    assert_eq!(state.applied().position, LogPosition::new(LogIndex(3), Term(1)));
    assert_eq!(state.applied().timestamp, Timestamp(10));
}

#[test]
fn replies_name_the_entry_and_its_moment() {
    let mut state = empty();
    let applied =
        apply(&mut state, &[command(1, 10, written(None)), command(2, 11, Body::OpenSession)]).unwrap();
    let reply = &applied.replies[0];
    assert_eq!(reply.position, LogPosition::new(LogIndex(1), Term(1)));
    assert_eq!(reply.outcome.as_ref().map(super::fixture::timestamp), Some(Timestamp(10)));
    assert_eq!((applied.replies[1].timestamp, applied.replies[1].outcome.as_ref()), (Timestamp(11), None));
}

#[test]
#[should_panic(expected = "in order")]
fn a_gap_is_a_broken_invariant() {
    drop(apply(&mut empty(), &[entry(2, Payload::Noop)]));
}

#[test]
#[should_panic(expected = "in order")]
fn a_repetition_is_a_broken_invariant() {
    let mut state = empty();
    drop(apply(&mut state, &[entry(1, Payload::Noop)]));
    drop(apply(&mut state, &[entry(1, Payload::Noop)]));
}

#[test]
fn a_damaged_entry_stops_the_replica() {
    let Payload::Command(good) = command(2, 11, written(None)).payload else { unreachable!() };
    for at in 0..good.len() {
        let mut damaged = good.to_vec();
        damaged[at] ^= 0x10;
        let fault = fault(entry(2, Payload::Command(damaged.into())));
        assert!(matches!(fault, ApplyFault::Undecodable(DecodeError::Damaged(_))), "byte {at}: {fault:?}");
    }
}

fn sealed(mut content: Vec<u8>) -> Payload {
    content.extend(crc32fast::hash(&content).to_le_bytes());
    Payload::Command(Bytes::from(content))
}

#[test]
fn an_entry_of_a_newer_version_stops_the_replica() {
    let newer_format = fault(entry(2, sealed(vec![2, 1, 1])));
    assert!(matches!(newer_format, ApplyFault::Undecodable(DecodeError::NewerFormat { found: 2 })));
    let newer_kind = fault(entry(2, sealed([&[1, 99, 1][..], &[0; 8]].concat())));
    assert!(matches!(newer_kind, ApplyFault::Undecodable(DecodeError::NewerKind { found: 99 })));
    let (found, supported) = (ClusterVersion(3), SUPPORTED);
    let newer_version = fault(command(2, 11, Body::SetClusterVersion { version: found }));
    assert_eq!(newer_version, ApplyFault::NewerClusterVersion { found, supported });
}

#[test]
fn what_no_leader_proposes_stops_the_replica() {
    let effects = Effects { epoch: 2, timestamp: Timestamp(11), body: Body::Tick };
    let other_epoch = fault(entry(2, Payload::Command(encode(&effects))));
    assert_eq!(other_epoch, ApplyFault::WrongEpoch { found: 2, epoch: 1 });
    for found in [9, 10].map(Timestamp) {
        let back = fault(command(2, found.0, Body::Tick));
        assert_eq!(back, ApplyFault::TimestampBack { found, applied: Timestamp(10) });
    }
    let session = Timestamp(5);
    let record = Record { session, number: 1, acknowledged_below: 0 };
    assert_eq!(fault(command(2, 11, written(Some(record)))), ApplyFault::NoSession { session });
}

#[test]
fn the_cluster_version_only_rises() {
    let mut leader = Leader::new();
    let set = |leader: &mut Leader, version| {
        leader.evaluate(|evaluator, clock| evaluator.set_cluster_version(ClusterVersion(version), clock))
    };
    let proposal = set(&mut leader, 2).unwrap().unwrap();
    leader.accept(proposal);
    leader.commit();
    assert_eq!(leader.state.cluster_version(), ClusterVersion(2));
    assert_eq!(set(&mut leader, 1), Ok(None));
    assert!(set(&mut leader, 3).is_err());
    leader.accept_body(Body::SetClusterVersion { version: ClusterVersion(1) });
    leader.commit();
    assert_eq!(leader.state.cluster_version(), ClusterVersion(2));
    assert_eq!(load(&leader.engine).unwrap(), leader.state);
}

#[test]
fn entries_at_once_do_what_they_do_one_by_one() {
    let mut leader = Leader::new();
    for value in ["1", "2", "3"] {
        leader.propose(operations([put("k", value)]));
    }
    let together = crate::memory::MemoryEngine::default();
    super::fixture::write(&together, &mut load(&together).unwrap(), &leader.log);
    for _ in 0..3 {
        leader.commit();
    }
    let single = crate::memory::MemoryEngine::default();
    let mut state = load(&single).unwrap();
    for entry in &leader.log {
        super::fixture::write(&single, &mut state, std::slice::from_ref(entry));
    }
    let hash =
        |engine: &crate::memory::MemoryEngine| crate::range::state_hash(&engine.view(), RANGE).unwrap();
    assert_eq!(hash(&together), hash(&single));
    assert_eq!(hash(&together), hash(&leader.engine));
}
