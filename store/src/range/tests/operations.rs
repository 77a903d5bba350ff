use super::fixture::{Leader, bytes, delete, delete_range, operations, put, put_if};
use crate::effects::{Body, Change};
use crate::range::Evaluated;
use crate::request::{Limits, Operation, RequestError, Write, WriteOutcome};

fn changes(leader: &mut Leader, write: Write) -> (Vec<Change>, u64) {
    match leader.try_write(write).unwrap() {
        Evaluated::Propose(proposal) => {
            assert_eq!(crate::effects::decode(&proposal.entry).as_ref(), Ok(&proposal.effects));
            let Body::Written(written) = proposal.effects.body else { panic!("no write") };
            (written.changes, written.deleted)
        }
        answer => panic!("not proposed: {answer:?}"),
    }
}

fn tombstones(keys: &[&str]) -> Vec<Change> {
    keys.iter().map(|key| Change { key: bytes(key), value: None }).collect()
}

fn is_invalid(leader: &mut Leader, operations: impl Into<Vec<Operation>>) -> bool {
    let write = Write { operations: operations.into(), ..Write::default() };
    match leader.try_write(write) {
        Err(crate::range::RangeError::Refused(RequestError::Invalid { .. })) => true,
        Ok(_) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn delete_range_is_a_tombstone_for_each_key_that_is_there() {
    let mut leader = Leader::new();
    for key in ["a", "b", "c", "d", "f"] {
        leader.put(key, "v");
    }
    leader.done(operations([delete("c")]));
    // In flight: b is removed, bb and cc are new, c is back.
    leader.propose(operations([delete("b"), put("bb", "v"), put("c", "v"), put("cc", "v"), put("e", "v")]));
    let all = changes(&mut leader, operations([delete_range("b", "f")]));
    assert_eq!(all, (tombstones(&["bb", "c", "cc", "d", "e"]), 5));
    let tail = changes(&mut leader, operations([delete_range("d", "")]));
    assert_eq!(tail, (tombstones(&["d", "e", "f"]), 3));
    let none = changes(&mut leader, operations([delete_range("x", "")]));
    assert_eq!(none, (vec![], 0));
    let empty = changes(&mut leader, operations([delete_range("b", "b")]));
    assert_eq!(empty, (vec![], 0));
}

#[test]
fn changes_are_sorted_and_count_what_is_removed() {
    let mut leader = Leader::new();
    leader.put("b", "v");
    leader.put("m", "v");
    let mixed = operations([put("z", "1"), delete("x"), delete_range("m", "n"), put("a", "2"), delete("b")]);
    let (found, deleted) = changes(&mut leader, mixed.clone());
    let keys: Vec<_> = found.iter().map(|change| (&change.key[..], change.value.is_some())).collect();
    assert_eq!(keys, [(&b"a"[..], true), (b"b", false), (b"m", false), (b"z", true)]);
    assert_eq!(deleted, 2);
    assert!(matches!(leader.done(mixed), WriteOutcome::Written { deleted: 2, .. }));
    assert_eq!((leader.value("a"), leader.value("b")), (Some(bytes("2")), None));
}

#[test]
fn operations_on_the_same_key_are_invalid() {
    let mut leader = Leader::new();
    assert!(is_invalid(&mut leader, [put("a", "1"), put("b", "1"), put("a", "2")]));
    assert!(is_invalid(&mut leader, [put("a", "1"), delete("a")]));
    assert!(is_invalid(&mut leader, [put("b", "1"), delete_range("a", "c")]));
    assert!(is_invalid(&mut leader, [delete("b"), delete_range("b", "")]));
    assert!(is_invalid(&mut leader, [delete_range("b", "d"), delete_range("a", "c")]));
    assert!(is_invalid(&mut leader, [delete_range("b", ""), delete_range("x", "y")]));
    // Next to each other is distinct.
    assert!(!is_invalid(&mut leader, [delete_range("a", "b"), delete_range("b", "c"), put("c", "1")]));
}

#[test]
fn what_can_never_be_right_is_invalid() {
    let mut leader = Leader::new();
    assert!(is_invalid(&mut leader, []));
    assert!(is_invalid(&mut leader, [put("", "1")]));
    assert!(is_invalid(&mut leader, [delete("")]));
    assert!(is_invalid(&mut leader, [delete_range("b", "a")]));
    let test = crate::request::Test::Exists;
    let refused = leader.refused(put_if([super::fixture::condition("", test)], "a", "1"));
    assert!(matches!(refused, RequestError::Invalid { .. }));
}

#[test]
fn what_is_too_large_names_its_size_and_the_limit() {
    let mut leader = Leader::new();
    leader.limits = Limits {
        key_bytes: 3,
        value_bytes: 5,
        request_bytes: 12,
        batch_operations: 3,
        delete_range_keys: 2,
        entry_bytes: 40,
        ..Limits::default()
    };
    let too_large = |leader: &mut Leader, write| match leader.refused(write) {
        RequestError::TooLarge { size, limit, .. } => (size, limit),
        other => panic!("{other:?}"),
    };
    assert_eq!(too_large(&mut leader, operations([put("abcd", "1")])), (4, 3));
    assert_eq!(too_large(&mut leader, operations([put("abc", "123456")])), (6, 5));
    assert_eq!(too_large(&mut leader, operations([put("abc", "12345"), put("abd", "12345")])), (16, 12));
    let many = ["a", "b", "c", "d"].map(|key| put(key, "1"));
    assert_eq!(too_large(&mut leader, operations(many)), (4, 3));
    for key in ["a", "b"] {
        leader.put(key, "1");
    }
    assert_eq!(changes(&mut leader, operations([delete_range("a", "")])).1, 2);
    leader.propose(operations([put("c", "1")]));
    assert_eq!(too_large(&mut leader, operations([delete_range("a", "")])), (3, 2));
    // Over several ranges, too: the write is one entry.
    assert_eq!(too_large(&mut leader, operations([delete_range("a", "b"), delete_range("b", "")])), (3, 2));
    leader.limits.entry_bytes = 20;
    let (size, limit) = too_large(&mut leader, operations([put("abc", "12345")]));
    assert!(size > 20 && limit == 20);
    // Nothing of all that was proposed.
    assert_eq!(leader.commit().len(), 1);
}

#[test]
fn a_delete_range_passes_so_many_keys_whatever_it_finds() {
    let mut leader = Leader::new();
    for key in ["a", "b", "c", "d", "e"] {
        leader.put(key, "1");
    }
    leader.done(operations([delete_range("a", "d")]));
    leader.limits.looked_at = 4;
    let refused = leader.refused(operations([delete_range("a", "")]));
    assert!(matches!(refused, RequestError::TooLarge { size: 5, limit: 4, .. }), "{refused:?}");
    // Over several ranges, too.
    let refused = leader.refused(operations([delete_range("a", "d"), delete_range("d", "")]));
    assert!(matches!(refused, RequestError::TooLarge { .. }), "{refused:?}");
    assert_eq!(changes(&mut leader, operations([delete_range("b", "")])).1, 2);
}

#[test]
fn the_bound_behind_the_longest_key_is_a_bound() {
    let mut leader = Leader::new();
    leader.limits.key_bytes = 3;
    assert!(!is_invalid(&mut leader, [delete_range("abc\0", "abd\0")]));
    let refused = leader.refused(operations([delete_range("abc\0\0", "")]));
    assert!(matches!(refused, RequestError::TooLarge { size: 5, limit: 4, .. }));
}

#[test]
fn a_write_of_conditions_alone_is_a_check() {
    let mut leader = Leader::new();
    let condition = super::fixture::condition("k", crate::request::Test::Absent);
    let write = Write { conditions: vec![condition], ..Write::default() };
    assert!(matches!(leader.done(write.clone()), WriteOutcome::Written { deleted: 0, .. }));
    leader.put("k", "v");
    leader.answer(write);
}
