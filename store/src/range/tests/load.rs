use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;

use super::fixture::{Leader, RANGE, bytes, condition, load, numbered, operations, put, put_if, retry};
use crate::effects::{ClusterVersion, Malformed};
use crate::engine::{Batch, Cursor, Engine, View};
use crate::key::{Local, local, local_span};
use crate::memory::MemoryEngine;
use crate::range::{Descriptor, RangeState, StateError};
use crate::request::Test;
use crate::timestamp::Timestamp;

/// With something of everything in it.
fn full() -> Leader {
    let mut leader = Leader::new();
    let (one, two) = (leader.open_session(), leader.open_session());
    leader.done(numbered(operations([put("a", "1")]), one, 1, 1));
    leader.done(numbered(operations([put("b", "1")]), one, 2, 1));
    let failing = put_if([condition("a", Test::ValueIs(bytes("2")))], "c", "x");
    leader.done(retry(numbered(failing, two, 7, 5)));
    leader.open_session();
    let now = leader.state.applied().timestamp;
    let hold =
        leader.evaluate(|evaluator, clock| evaluator.hold(now, Duration::from_secs(1), clock)).unwrap();
    leader.accept(hold);
    leader.commit();
    assert!(leader.raise_gc_threshold(one));
    leader.commit();
    leader.physical(5_000);
    leader.done(numbered(operations([put("a", "2")]), one, 3, 2));
    leader.expire_sessions(Timestamp::from_millis(5_000));
    leader.commit();
    let failing = put_if([condition("a", Test::ValueIs(bytes("1")))], "c", "x");
    leader.done(retry(numbered(failing, one, 4, 2)));
    leader
}

#[test]
fn what_was_applied_is_loaded() {
    let leader = full();
    let state = &leader.state;
    assert_eq!(load(&leader.engine).unwrap(), *state);
    assert_eq!((state.sessions().len(), state.holds().len()), (1, 1));
    assert!(state.session_floor() > Timestamp::ZERO && state.gc_threshold() > Timestamp::ZERO);
    let kept: Vec<u64> = state.sessions().values().flat_map(|session| session.writes.clone()).collect();
    assert_eq!(kept, [2, 3, 4]);
}

/// The keys and values of range-local state, which are the format on disk.
const STORED: &str = include_str!("local_state.txt");

#[test]
fn the_bytes_of_range_local_state_never_change() {
    let engine = full().engine;
    let (view, span) = (engine.view(), local_span(RANGE));
    let mut cursor = view.cursor(&span);
    cursor.seek(&span.start).unwrap();
    let mut stored = String::new();
    while let Some((key, value)) = cursor.entry() {
        for (part, end) in [(key, ' '), (value, '\n')] {
            part.iter().for_each(|byte| write!(stored, "{byte:02x}").unwrap());
            stored.push(end);
        }
        cursor.next().unwrap();
    }
    assert_eq!(stored, STORED);
}

#[test]
fn an_empty_engine_is_before_the_first_entry() {
    let state = load(&MemoryEngine::default()).unwrap();
    assert_eq!(state.applied(), Default::default());
    assert_eq!(*state.descriptor(), Descriptor::whole());
    assert_eq!(state.cluster_version(), ClusterVersion::FIRST);
}

#[test]
fn another_range_on_the_same_engine_is_not_seen() {
    let leader = full();
    let other =
        RangeState::load(&leader.engine.view(), raft::RangeId(RANGE.0 + 1), ClusterVersion(2)).unwrap();
    assert_eq!(other.applied(), Default::default());
    assert!(other.sessions().is_empty());
}

#[test]
fn what_a_newer_version_wrote_refuses_to_start() {
    let mut leader = full();
    let version = ClusterVersion(2);
    let raise = leader.evaluate(|evaluator, clock| evaluator.set_cluster_version(version, clock)).unwrap();
    leader.accept(raise.unwrap());
    leader.commit();
    let supported = ClusterVersion(1);
    let refused = RangeState::load(&leader.engine.view(), RANGE, supported);
    assert_eq!(refused, Err(StateError::NewerClusterVersion { found: version, supported }));

    for what in [Local::Applied, Local::GcThreshold, Local::Descriptor, Local::SessionFloor] {
        assert_eq!(with(what, &[9]), StateError::NewerFormat { what, found: 9 });
    }
}

fn with(what: Local, value: &[u8]) -> StateError {
    let engine = full().engine;
    let mut batch = Batch::default();
    batch.put(local(RANGE, what), Bytes::copy_from_slice(value));
    engine.write(batch).unwrap();
    load(&engine).unwrap_err()
}

#[test]
fn damaged_state_is_an_error() {
    let pieces = [
        Local::Applied,
        Local::Descriptor,
        Local::ClusterVersion,
        Local::GcThreshold,
        Local::SessionFloor,
        Local::Session(Timestamp(1)),
        Local::Hold(1),
    ];
    for what in pieces {
        assert_eq!(with(what, &[]), StateError::Local { what, cause: Malformed::Truncated });
        assert_eq!(with(what, &[1]), StateError::Local { what, cause: Malformed::Truncated });
        let long = [&[1][..], &[1; 100]].concat();
        assert!(matches!(with(what, &long), StateError::Local { .. }), "{what:?}");
    }
    let orphan = Local::SessionWrite(Timestamp(1), 1);
    assert!(matches!(with(orphan, &[1]), StateError::Local { cause: Malformed::NotCanonical { .. }, .. }));
}
