use std::time::Duration;

use raft::Time;

use super::fixture::{Leader, RANGE, bytes, delete, load, operations, put};
use crate::effects::Body;
use crate::engine::{Cursor, Engine, View};
use crate::key::{split_version, user_span};
use crate::memory::MemoryEngine;
use crate::range::gc::{Ages, droppable, flushed_threshold, gc_batch, wanted_threshold};
use crate::range::{RangeError, state_hash};
use crate::request::RequestError;
use crate::timestamp::Timestamp;

#[test]
fn what_is_droppable() {
    let threshold = Timestamp(50);
    let case = |newer: Option<u64>, version, tombstone, older| {
        droppable(newer.map(Timestamp), Timestamp(version), tombstone, threshold, older)
    };
    // The newest at or below the threshold stays; what it shadows goes.
    assert!(!case(None, 50, false, false));
    assert!(!case(Some(51), 50, false, false));
    assert!(case(Some(50), 40, false, true));
    assert!(case(Some(50), 40, true, true));
    // Above the threshold nothing goes, shadowed or not.
    assert!(!case(Some(60), 55, false, false));
    assert!(!case(Some(60), 51, true, false));
    assert!(!case(None, 51, true, false));
    // A tombstone goes only with everything that it hides.
    assert!(!case(None, 50, true, true));
    assert!(case(None, 50, true, false));
    assert!(case(Some(51), 50, true, false));
}

#[test]
fn the_threshold_only_rises_and_stays_below_now() {
    let mut leader = Leader::new();
    let old = leader.put("k", "1");
    let now = leader.put("k", "2");
    assert!(leader.raise_gc_threshold(Timestamp::MAX));
    // In flight it counts already.
    assert!(!leader.raise_gc_threshold(now));
    leader.commit();
    assert_eq!(leader.state.gc_threshold(), now);
    assert!(!leader.raise_gc_threshold(old));
    leader.accept_body(Body::GcThreshold { threshold: old });
    leader.commit();
    assert_eq!(leader.state.gc_threshold(), now);
    assert_eq!(load(&leader.engine).unwrap(), leader.state);
}

#[test]
fn an_idle_range_adds_no_entries() {
    let mut leader = Leader::new();
    leader.put("k", "1");
    assert!(leader.raise_gc_threshold(Timestamp::MAX));
    leader.commit();
    leader.open_session();
    assert!(!leader.raise_gc_threshold(Timestamp::MAX));
    leader.put("k", "2");
    assert!(leader.raise_gc_threshold(Timestamp::MAX));
}

#[test]
fn holds_keep_the_threshold_until_they_expire() {
    let mut leader = Leader::new();
    let held = leader.put("k", "1");
    let hold = |leader: &mut Leader, at| {
        let hold = leader.evaluate(|evaluator, clock| evaluator.hold(at, Duration::from_secs(1), clock));
        hold.map(|proposal| leader.accept(proposal))
    };
    hold(&mut leader, held).unwrap();
    let id = leader.overlay.timestamp().0;
    // In flight, then applied.
    for _ in 0..2 {
        leader.put("k", "2");
        leader.raise_gc_threshold(Timestamp::MAX);
        leader.commit();
        assert_eq!(leader.state.gc_threshold(), held);
    }
    let late = hold(&mut leader, Timestamp(held.0 - 1)).unwrap_err();
    assert!(matches!(late, RangeError::Refused(RequestError::TooOld { .. })));
    let early = hold(&mut leader, Timestamp::MAX).unwrap_err();
    assert!(matches!(early, RangeError::Refused(RequestError::InTheFuture { .. })));
    assert!(leader.state.holds().contains_key(&id));
    leader.physical(1_000 + 1_000);
    leader.put("k", "3");
    assert!(leader.raise_gc_threshold(Timestamp::MAX));
    leader.commit();
    assert!(leader.state.gc_threshold() > held);
    assert!(leader.state.holds().is_empty());
    assert_eq!(load(&leader.engine).unwrap(), leader.state);
}

#[test]
fn holds_end_when_released_and_are_bounded() {
    let mut leader = Leader::new();
    leader.limits.holds = 1;
    let held = leader.put("k", "1");
    let hold = |leader: &mut Leader, millis| {
        leader.evaluate(|evaluator, clock| evaluator.hold(held, Duration::from_millis(millis), clock))
    };
    let limit = leader.limits.hold_millis;
    let long = hold(&mut leader, limit + 1).unwrap_err();
    assert!(matches!(long, RangeError::Refused(RequestError::TooLarge { .. })));
    let proposal = hold(&mut leader, limit).unwrap();
    leader.accept(proposal);
    let id = leader.commit()[0].timestamp.0;
    let full = hold(&mut leader, 1).unwrap_err();
    assert!(matches!(full, RangeError::Refused(RequestError::Busy { .. })));
    let release = |leader: &mut Leader| leader.evaluate(|evaluator, clock| evaluator.release_hold(id, clock));
    let proposal = release(&mut leader).unwrap().unwrap();
    leader.accept(proposal);
    assert_eq!(release(&mut leader), Ok(None));
    leader.commit();
    assert!(leader.state.holds().is_empty());
    assert_eq!(load(&leader.engine).unwrap(), leader.state);
}

#[test]
fn age_is_elapsed_time_whatever_the_timestamps_say() {
    let mut ages = Ages::new(Duration::from_secs(600));
    let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
    // The clocks leap ahead by an hour in the first minute.
    ages.observe(at(0), Timestamp::from_millis(0));
    ages.observe(at(60), Timestamp::from_millis(3_600_000));
    let age = Duration::from_secs(600);
    assert_eq!(ages.older_than(at(599), age), None);
    assert_eq!(ages.older_than(at(600), age), Some(Timestamp::from_millis(0)));
    assert_eq!(ages.older_than(at(660), age), Some(Timestamp::from_millis(3_600_000)));
    // The shortest retention is answered as well.
    assert_eq!(ages.older_than(at(120), Duration::from_secs(60)), Some(Timestamp::from_millis(3_600_000)));
    assert_eq!(wanted_threshold(&ages, at(120), Duration::ZERO), Some(Timestamp::from_millis(3_600_000)));
    assert_eq!(wanted_threshold(&ages, at(59), Duration::ZERO), None);
    // For ever, in bounded memory: what is old enough stays known, and lags by a sample at most.
    for second in 61..10_000 {
        ages.observe(at(second), Timestamp(second));
        if second > 700 {
            let found = ages.older_than(at(second), age).unwrap().0;
            assert!((second - 600 - 20..=second - 600).contains(&found), "{found} at {second}");
        }
    }
}

#[test]
fn only_the_flushed_threshold_lets_drop() {
    let mut leader = Leader::new();
    leader.put("k", "1");
    let now = leader.put("k", "2");
    leader.raise_gc_threshold(now);
    leader.commit();
    assert_eq!(flushed_threshold(&leader.engine, RANGE), Ok(Timestamp::ZERO));
    leader.engine.flush().unwrap();
    assert_eq!(flushed_threshold(&leader.engine, RANGE), Ok(now));
}

fn versions(engine: &MemoryEngine) -> Vec<(Vec<u8>, Timestamp)> {
    let view = engine.view();
    let span = user_span(b"", b"");
    let mut cursor = view.cursor(&span);
    cursor.seek(&span.start).unwrap();
    let mut found = Vec::new();
    while let Some((key, _)) = cursor.entry() {
        let (prefix, version) = split_version(key).unwrap();
        found.push((prefix[1..prefix.len() - 2].to_vec(), version));
        cursor.next().unwrap();
    }
    found
}

#[test]
fn a_sweep_leaves_what_can_be_read_whatever_its_steps() {
    for budget in [0, 1, 2, 3, 5, 100] {
        let mut leader = Leader::new();
        for _ in 0..12 {
            leader.put("many", "old");
        }
        leader.put("gone", "1");
        leader.put("gone", "2");
        leader.done(operations([delete("gone")]));
        leader.put("back", "1");
        leader.done(operations([delete("back")]));
        let threshold = leader.put("many", "at");
        let (back, gone) = (leader.put("back", "2"), leader.put("gone", "3"));
        let newer: Vec<Timestamp> = (0..12).map(|_| leader.put("many", "new")).collect();
        let (mut reference, engine) = (None, &leader.engine);
        leader.state = load(engine).unwrap();
        assert!(leader.raise_gc_threshold(threshold));
        leader.commit();
        let span = user_span(b"", b"");
        let mut from = Some(span.start.clone());
        let mut steps = 0;
        while let Some(start) = from {
            let hash = state_hash(&leader.engine.view(), RANGE).unwrap();
            assert_eq!(*reference.get_or_insert(hash), hash, "what can be read has changed");
            let sweep = gc_batch(&leader.engine.view(), &span, &start, threshold, budget).unwrap();
            assert!(sweep.batch.changes.len() <= budget.max(1) + 1);
            leader.engine.write(sweep.batch).unwrap();
            // Whatever is hidden stays hidden, between any two steps.
            let at = |key: &[u8]| {
                let view = leader.engine.view();
                crate::range::read::Reader::new(&view, threshold, || threshold).get(key).unwrap()
            };
            assert_eq!((at(b"gone"), at(b"back")), (None, None));
            assert_eq!(at(b"many").unwrap().value, "at");
            from = sweep.next;
            steps += 1;
            assert!(steps < 100, "it goes on");
        }
        assert!(budget > 3 || steps > 3, "it is paged");
        let mut expected = vec![(b"back".to_vec(), back), (b"gone".to_vec(), gone)];
        expected.extend(newer.iter().rev().map(|version| (b"many".to_vec(), *version)));
        expected.push((b"many".to_vec(), threshold));
        assert_eq!(versions(&leader.engine), expected, "budget {budget}");
    }
}

#[test]
fn the_hash_shows_every_difference_that_can_be_read() {
    let with = |write: fn(&mut Leader)| {
        let mut leader = Leader::new();
        leader.put("a", "1");
        leader.done(operations([put("b", "1"), put("c", "1")]));
        write(&mut leader);
        state_hash(&leader.engine.view(), RANGE).unwrap()
    };
    let variants: [fn(&mut Leader); 5] = [
        |leader| _ = leader.put("a", "2"),
        |leader| _ = leader.put("a", "3"),
        |leader| _ = leader.done(operations([delete("a")])),
        |leader| _ = leader.done(operations([delete("b")])),
        |leader| _ = leader.open_session(),
    ];
    let hashes = variants.map(with);
    for (at, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..at].contains(hash), "variant {at}");
    }
    assert_eq!(with(variants[0]), hashes[0]);
    // A version that only an old reader would see counts as long as it may be read.
    let mut leader = Leader::new();
    leader.put("a", "1");
    leader.put("a", "2");
    let before = state_hash(&leader.engine.view(), RANGE).unwrap();
    let sweep = gc_batch(&leader.engine.view(), &user_span(b"", b""), &[], Timestamp::MAX, 10).unwrap();
    leader.engine.write(sweep.batch).unwrap();
    assert_ne!(state_hash(&leader.engine.view(), RANGE).unwrap(), before);
    assert_eq!(leader.value("a"), Some(bytes("2")));
}
