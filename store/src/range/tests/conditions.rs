use raft::{LogIndex, Term};

use super::fixture::{Leader, bytes, condition, delete, numbered, operations, put, put_if, retry, timestamp};
use crate::range::Overlay;
use crate::request::{Test, Write, WriteOutcome};
use crate::timestamp::Timestamp;

fn checked(leader: &mut Leader, test: Test) -> Option<(Timestamp, Option<bytes::Bytes>)> {
    match leader.try_write(put_if([condition("k", test)], "other", "x")).unwrap() {
        crate::range::Evaluated::Propose(_) => None,
        crate::range::Evaluated::Answer { outcome, .. } => match outcome {
            WriteOutcome::ConditionFailed { index: 0, version, value, .. } => Some((version, value)),
            other => panic!("{other:?}"),
        },
    }
}

#[test]
fn every_test_of_a_key_with_a_value_and_without() {
    let mut leader = Leader::new();
    for in_flight in [false, true] {
        let absent = Some((Timestamp::ZERO, None));
        assert_eq!(checked(&mut leader, Test::Absent), None);
        assert_eq!(checked(&mut leader, Test::VersionIs(Timestamp::ZERO)), None);
        assert_eq!(checked(&mut leader, Test::Exists), absent);
        assert_eq!(checked(&mut leader, Test::ValueIs(bytes(""))), absent);
        assert_eq!(checked(&mut leader, Test::VersionIs(Timestamp(1))), absent);
        leader.propose(operations([put("k", "v")]));
        let version = leader.overlay.timestamp();
        if !in_flight {
            leader.commit();
        }
        let found = Some((version, Some(bytes("v"))));
        assert_eq!(checked(&mut leader, Test::Exists), None);
        assert_eq!(checked(&mut leader, Test::ValueIs(bytes("v"))), None);
        assert_eq!(checked(&mut leader, Test::VersionIs(version)), None);
        assert_eq!(checked(&mut leader, Test::Absent), found);
        assert_eq!(checked(&mut leader, Test::ValueIs(bytes("w"))), found);
        assert_eq!(checked(&mut leader, Test::VersionIs(Timestamp::ZERO)), found);
        leader.propose(operations([delete("k")]));
        if !in_flight {
            leader.commit();
        }
    }
}

#[test]
fn the_first_that_fails_is_named() {
    let mut leader = Leader::new();
    let version = leader.put("a", "1");
    let conditions = [
        condition("a", Test::Exists),
        condition("a", Test::ValueIs(bytes("2"))),
        condition("b", Test::Exists),
    ];
    let (outcome, _) = leader.answer(put_if(conditions, "c", "x"));
    let value = Some(bytes("1"));
    assert_eq!(outcome, WriteOutcome::ConditionFailed { timestamp: version, index: 1, version, value });
}

#[test]
fn a_failure_waits_for_everything_in_flight_that_was_looked_at() {
    let mut leader = Leader::new();
    let applied = leader.state.applied();
    let on_applied = leader.answer(put_if([condition("k", Test::Exists)], "k", "x"));
    assert_eq!(on_applied.1, applied.position.index);
    assert_eq!(timestamp(&on_applied.0), applied.timestamp);

    let holds = leader.propose(operations([put("a", "1")]));
    let holds_at = leader.overlay.timestamp();
    let unrelated = leader.propose(operations([put("b", "1")]));
    // The condition that holds was looked at, too; what nobody looked at may be lost.
    let conditions = [condition("a", Test::Exists), condition("c", Test::Exists)];
    let (outcome, on) = leader.answer(put_if(conditions, "k", "x"));
    assert_eq!((on, timestamp(&outcome)), (holds, holds_at));
    let (_, on) = leader.answer(put_if([condition("b", Test::Absent)], "k", "x"));
    assert_eq!(on, unrelated);
    let (_, on) = leader.answer(put_if([condition("c", Test::Exists)], "k", "x"));
    assert_eq!(on, applied.position.index);
}

#[test]
fn effects_in_flight_count_until_the_leadership_ends() {
    let mut leader = Leader::new();
    leader.propose(put_if([condition("k", Test::Absent)], "k", "1"));
    leader.propose(put_if([condition("k", Test::ValueIs(bytes("1")))], "k", "2"));
    leader.answer(put_if([condition("k", Test::Absent)], "k", "3"));
    // Another leader, and the entries are lost.
    leader.log.truncate(1);
    leader.term = Term(2);
    assert!(Overlay::begin(Term(2), &leader.state).is_none(), "its first entry is not applied");
    let noop = raft::Entry { index: LogIndex(2), term: Term(2), payload: raft::Payload::Noop };
    leader.log.push(noop);
    leader.commit();
    leader.overlay = Overlay::begin(Term(2), &leader.state).unwrap();
    leader.done(put_if([condition("k", Test::Absent)], "k", "3"));
    assert_eq!(leader.value("k"), Some(bytes("3")));
}

#[test]
fn a_failure_is_recorded_for_a_retry_only() {
    let mut leader = Leader::new();
    let session = leader.open_session();
    let write = numbered(put_if([condition("k", Test::Exists)], "k", "x"), session, 1, 1);
    leader.answer(write.clone());
    let outcome = leader.done(retry(write.clone()));
    assert!(matches!(outcome, WriteOutcome::ConditionFailed { index: 0, .. }));
    // An attempt that was late finds this answer, though the condition would hold now.
    leader.put("k", "y");
    assert_eq!(leader.answer(write).0, outcome);
    // Without a session there is nothing to record it for.
    let (outcome, _) =
        leader.answer(Write { attempt: None, ..put_if([condition("q", Test::Exists)], "k", "x") });
    assert!(matches!(outcome, WriteOutcome::ConditionFailed { .. }));
}
