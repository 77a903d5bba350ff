use raft::Term;

use super::fixture::{Leader, bytes, load, numbered, operations, put, retry, timestamp};
use crate::effects::Body;
use crate::engine::Engine;
use crate::range::Overlay;
use crate::request::{RequestError, Write};
use crate::timestamp::Timestamp;

fn write(session: Timestamp, number: u64, acknowledged_below: u64) -> Write {
    numbered(operations([put("k", &number.to_string())]), session, number, acknowledged_below)
}

#[test]
fn a_write_is_executed_once() {
    let mut leader = Leader::new();
    let session = leader.open_session();
    let outcome = leader.done(write(session, 1, 1));
    leader.put("k", "another");
    let applied = leader.state.applied().position.index;
    // Marked or not: an attempt is an attempt.
    assert_eq!(leader.answer(retry(write(session, 1, 1))), (outcome.clone(), applied));
    assert_eq!(leader.answer(write(session, 1, 1)), (outcome.clone(), applied));
    // After a restart, too.
    leader.engine.flush().unwrap();
    leader.engine.crash(&mut |_| 0);
    leader.state = load(&leader.engine).unwrap();
    assert_eq!(leader.answer(retry(write(session, 1, 1))).0, outcome);
    assert_eq!(leader.value("k"), Some(bytes("another")));
}

#[test]
fn a_retry_of_what_is_in_flight_waits_for_it() {
    let mut leader = Leader::new();
    let session = leader.open_session();
    let index = leader.propose(write(session, 1, 1));
    leader.propose(write(session, 2, 1));
    let (outcome, on) = leader.answer(retry(write(session, 1, 1)));
    assert_eq!(on, index);
    assert_eq!(leader.commit()[0].outcome, Some(outcome));
}

#[test]
fn what_was_lost_with_a_leadership_is_executed_by_a_retry() {
    let mut leader = Leader::new();
    let session = leader.open_session();
    leader.propose(write(session, 1, 1));
    leader.log.pop();
    leader.overlay = Overlay::begin(Term(1), &leader.state).unwrap();
    leader.done(retry(write(session, 1, 1)));
    assert_eq!(leader.value("k"), Some(bytes("1")));
}

#[test]
fn the_outcome_comes_before_what_is_thought_of_the_request_now() {
    let mut leader = Leader::new();
    let session = leader.open_session();
    let outcome = leader.done(write(session, 1, 1));
    leader.limits.value_bytes = 0;
    assert_eq!(leader.answer(retry(write(session, 1, 1))).0, outcome);
}

#[test]
fn a_number_below_the_acknowledged_floor_is_refused() {
    let mut leader = Leader::new();
    let session = leader.open_session();
    leader.done(write(session, 1, 1));
    leader.done(write(session, 4, 1));
    // In flight, then applied.
    leader.propose(write(session, 5, 3));
    for _ in 0..2 {
        for number in [1, 2] {
            let refused = leader.refused(retry(write(session, number, 1)));
            assert_eq!(refused, RequestError::AlreadyAcknowledged { session, number });
        }
        leader.answer(retry(write(session, 4, 1)));
        leader.commit();
    }
    let kept: Vec<u64> = leader.state.sessions()[&session].writes.iter().copied().collect();
    assert_eq!(kept, [4, 5]);
    // A floor that comes late lowers nothing.
    leader.done(write(session, 3, 0));
    assert_eq!(leader.state.sessions()[&session].acknowledged_below, 3);
    assert_eq!(load(&leader.engine).unwrap(), leader.state);
}

#[test]
fn impossible_numbers_are_invalid() {
    let mut leader = Leader::new();
    let session = leader.open_session();
    for (number, acknowledged_below) in [(0, 0), (1, 2)] {
        let refused = leader.refused(write(session, number, acknowledged_below));
        assert!(matches!(refused, RequestError::Invalid { .. }));
    }
}

#[test]
fn unacknowledged_writes_are_bounded() {
    let mut leader = Leader::new();
    leader.limits.session_writes = 3;
    let session = leader.open_session();
    leader.done(write(session, 1, 1));
    leader.done(write(session, 2, 1));
    leader.propose(write(session, 3, 1));
    let refused = leader.refused(write(session, 4, 1));
    assert!(matches!(refused, RequestError::TooLarge { size: 4, limit: 3, .. }));
    leader.answer(retry(write(session, 3, 1)));
    // With one acknowledged there is room for one.
    leader.propose(write(session, 4, 2));
    assert!(matches!(leader.refused(write(session, 5, 2)), RequestError::TooLarge { .. }));
    leader.commit();
    assert!(matches!(leader.refused(write(session, 5, 2)), RequestError::TooLarge { .. }));
}

#[test]
fn an_expired_session_is_refused_and_nothing_of_it_is_left() {
    let mut leader = Leader::new();
    let (idle, active) = (leader.open_session(), leader.open_session());
    leader.done(write(idle, 1, 1));
    leader.physical(2_000);
    let floor = timestamp(&leader.done(write(active, 1, 1)));
    leader.expire_sessions(floor);
    // In flight, then applied, then after a restart.
    for _ in 0..3 {
        for number in [1, 2] {
            let refused = leader.refused(retry(write(idle, number, 1)));
            assert_eq!(refused, RequestError::SessionExpired { session: idle });
        }
        leader.answer(retry(write(active, 1, 1)));
        leader.commit();
        leader.state = load(&leader.engine).unwrap();
    }
    assert_eq!(leader.state.sessions().len(), 1);
    assert_eq!(leader.state.session_floor(), floor);
    assert!(leader.evaluate(|evaluator, clock| evaluator.expire_sessions(floor, clock)).unwrap().is_none());
    leader.accept_body(Body::ExpireSessions { floor: idle });
    leader.commit();
    assert_eq!(leader.state.session_floor(), floor);
    // One that was never opened is not one that has expired.
    let unknown = floor.next();
    assert!(matches!(leader.refused(write(unknown, 1, 1)), RequestError::Invalid { .. }));
}

#[test]
fn a_write_in_flight_keeps_its_session() {
    let mut leader = Leader::new();
    let (idle, active) = (leader.open_session(), leader.open_session());
    leader.physical(2_000);
    leader.propose(write(active, 1, 1));
    let floor = leader.overlay.timestamp();
    leader.expire_sessions(floor);
    leader.propose(write(active, 2, 1));
    assert!(matches!(leader.refused(write(idle, 1, 1)), RequestError::SessionExpired { .. }));
    leader.commit();
    assert_eq!(leader.state.sessions().keys().copied().collect::<Vec<_>>(), [active]);
}

#[test]
fn an_expiry_never_reaches_sessions_to_come() {
    let mut leader = Leader::new();
    leader.open_session();
    leader.put("k", "later");
    leader.expire_sessions(Timestamp::MAX);
    leader.commit();
    assert!(leader.state.session_floor() <= leader.state.applied().timestamp);
    let session = leader.open_session();
    leader.done(write(session, 1, 1));
}

#[test]
fn sessions_are_bounded() {
    let mut leader = Leader::new();
    leader.limits.sessions = 2;
    leader.open_session();
    let proposal = leader.evaluate(|evaluator, clock| evaluator.open_session(clock)).unwrap();
    leader.accept(proposal);
    let full = |leader: &mut Leader| leader.evaluate(|evaluator, clock| evaluator.open_session(clock));
    let busy = crate::range::RangeError::Refused(RequestError::Busy {
        what: "the table of sessions",
        delay_millis: 1_000,
    });
    assert_eq!(full(&mut leader), Err(busy.clone()));
    leader.commit();
    assert_eq!(full(&mut leader), Err(busy));
    leader.physical(2_000);
    leader.put("k", "now");
    leader.expire_sessions(Timestamp::from_millis(2_000));
    assert!(full(&mut leader).is_ok());
}
