use raft::{LogIndex, LogPosition, Term};

use super::fixture::{Leader, bytes, condition, delete, operations, put, put_if};
use crate::effects::{Body, Effects};
use crate::range::{Overlay, Tick};
use crate::request::Test;
use crate::timestamp::Timestamp;

#[test]
fn it_is_empty_again_when_everything_is_applied() {
    let mut leader = Leader::new();
    leader.propose(operations([put("a", "1"), put("b", "1")]));
    leader.propose(operations([put("a", "2"), delete("b")]));
    let first = leader.state.applied().position.index.next();
    super::fixture::write(&leader.engine, &mut leader.state, &leader.log[1..2]);
    leader.overlay.applied(first);
    // Of the first entry nothing is left, of the second everything.
    let (_, on) = leader.answer(put_if([condition("a", Test::ValueIs(bytes("1")))], "c", "x"));
    assert_eq!(on, first.next());
    leader.commit();
    assert!(leader.overlay.is_empty());
    assert!(leader.overlay.key(b"a").is_none());
    let (_, on) = leader.answer(put_if([condition("b", Test::Exists)], "c", "x"));
    assert_eq!(on, leader.state.applied().position.index);
}

#[test]
fn it_begins_with_the_first_entry_of_the_term() {
    let leader = Leader::new();
    assert!(Overlay::begin(Term(2), &leader.state).is_none());
    assert!(Overlay::begin(Term(1), &leader.state).unwrap().is_empty());
}

#[test]
#[should_panic(expected = "one leadership")]
fn an_entry_of_another_leadership_is_a_broken_invariant() {
    let mut leader = Leader::new();
    let effects = Effects { epoch: 1, timestamp: Timestamp(9), body: Body::Tick };
    leader.overlay.accept(&leader.state, LogPosition::new(LogIndex(2), Term(2)), effects);
}

#[test]
fn timestamps_rise_above_what_is_applied_and_in_flight() {
    let mut leader = Leader::new();
    let first = leader.put("k", "1");
    assert_eq!(first, Timestamp::from_millis(1_000));
    // The clocks go back.
    leader.physical(10);
    leader.propose(operations([put("k", "2")]));
    assert_eq!(leader.overlay.timestamp(), first.next());
    leader.propose(operations([put("k", "3")]));
    assert_eq!(leader.overlay.timestamp(), first.next().next());
    leader.commit();
    // A new leader whose clock is behind.
    leader.overlay = Overlay::begin(Term(1), &leader.state).unwrap();
    assert_eq!(leader.put("k", "4"), first.next().next().next());
}

#[test]
fn a_tick_reaches_its_timestamp_once() {
    let mut leader = Leader::new();
    leader.put("k", "1");
    let wanted = Timestamp::from_millis(3_000);
    let tick = |leader: &mut Leader, wanted| {
        leader.evaluate(|evaluator, clock| evaluator.tick(wanted, clock)).unwrap()
    };
    let Tick::Propose(proposal) = tick(&mut leader, wanted) else { panic!("nothing proposed") };
    assert_eq!(proposal.effects.timestamp, wanted);
    let at = leader.accept(proposal);
    let Tick::InFlight(depends) = tick(&mut leader, wanted) else { panic!("proposed again") };
    assert_eq!(depends.on, at.index);
    // What follows need not be waited for.
    leader.propose(operations([put("k", "2")]));
    let Tick::InFlight(depends) = tick(&mut leader, wanted) else { panic!("proposed again") };
    assert_eq!(depends.on, at.index);
    assert!(leader.put("k", "3") > wanted);
    // The clocks are beyond it.
    leader.physical(9_000);
    let Tick::Propose(proposal) = tick(&mut leader, Timestamp::from_millis(8_000)) else { panic!() };
    assert_eq!(proposal.effects.timestamp, Timestamp::from_millis(9_000));
}
