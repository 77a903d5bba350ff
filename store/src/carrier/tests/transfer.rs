//! A snapshot from the wish to the install, and what may come in between.

use raft::{LogIndex, NodeId};

use super::fixture::{Side, carry, round, settings};
use crate::carrier::Carrier;
use crate::directory::Directory;
use crate::replica::SnapshotEvent;
use crate::snapshot::tests::fixture::{Log, RANGE, meta};
use crate::store::StoreCall;

const FREE: u64 = 1 << 40;

fn two() -> (Side, Side) {
    (Side::new(1, 150, settings(), FREE), Side::new(3, 40, settings(), FREE))
}

#[test]
fn a_snapshot_replaces_the_data_when_its_intent_is_durable() {
    let (mut sender, mut receiver) = two();
    let offer = sender.offer(receiver.node.id);
    receiver.fetch(sender.node.id, &offer);
    let StoreCall::Offer { id, meta, .. } = offer else { panic!() };
    assert_eq!(carry(&mut sender, &mut receiver).0, StoreCall::Received { range: RANGE, id });
    let before = receiver.node.hash();
    receiver.event(SnapshotEvent::Install { range: RANGE, meta });
    let calls = receiver.calls();
    assert!(matches!(calls[..], [StoreCall::Intend { range: RANGE, .. }]), "{calls:?}");
    assert_eq!(receiver.node.hash(), before, "the intent is not durable");
    receiver.event(SnapshotEvent::IntentDurable { range: RANGE });
    assert_eq!(receiver.carrier.work(1), Ok(true), "removed");
    assert!(receiver.carrier.take_output().is_empty());
    assert_eq!(receiver.calls(), [StoreCall::Ingested { range: RANGE }]);
    assert_eq!(receiver.node.hash(), sender.node.hash());
    assert!(receiver.carrier.status()[0].installing);
    assert!(receiver.carrier.directory.list().unwrap().len() > 5, "the files stay until the log is reset");
    receiver.event(SnapshotEvent::Installed { range: RANGE });
    assert_eq!(receiver.carrier.directory.list(), Ok(Vec::new()));
    assert_eq!((receiver.carrier.counters().installed, sender.carrier.counters().exported), (1, 1));
}

#[test]
fn what_is_not_needed_is_removed_and_never_installed() {
    let (mut sender, mut receiver) = two();
    let offer = sender.offer(receiver.node.id);
    receiver.fetch(sender.node.id, &offer);
    carry(&mut sender, &mut receiver);
    let before = receiver.node.hash();
    receiver.event(SnapshotEvent::Unneeded { range: RANGE });
    receiver.event(SnapshotEvent::IntentDurable { range: RANGE });
    assert!(receiver.run().is_empty());
    assert_eq!(receiver.node.hash(), before);
    assert_eq!(receiver.carrier.directory.list(), Ok(Vec::new()));
}

#[test]
fn an_offer_is_used_again_while_the_log_follows_it() {
    let (mut sender, _) = two();
    let first = sender.offer(NodeId(3));
    let StoreCall::Offer { range, id, meta, .. } = first else { panic!() };
    let (to, index) = (NodeId(4), meta.last.index);
    sender.event(SnapshotEvent::Wanted { range, to, base: index });
    assert_eq!(sender.calls(), [StoreCall::Offer { range, to, id, meta }]);
    sender.event(SnapshotEvent::Wanted { range, to, base: index.next() });
    assert_eq!(sender.calls(), [StoreCall::Cover { range, index }]);
    sender.event(SnapshotEvent::Covers { range, index, meta: None });
    assert!(sender.calls().is_empty(), "the store asks again");
    sender.event(SnapshotEvent::Wanted { range, to, base: index });
    assert!(matches!(sender.calls()[..], [StoreCall::Offer { .. }]));
}

#[test]
fn who_finds_it_gone_is_offered_another() {
    let (mut sender, mut receiver) = two();
    let to = receiver.node.id;
    let offer = sender.offer(to);
    receiver.fetch(sender.node.id, &offer);
    // The only copy rots, the engine still has it.
    for (name, _) in sender.carrier.directory.list().unwrap() {
        if name.ends_with(".table") {
            sender.carrier.directory.flip_bit(&name, 20, 1);
        }
    }
    let StoreCall::Offer { id, .. } = offer else { panic!() };
    let index = sender.node.applied();
    let wanted = (0..200).find_map(|_| round(&mut sender, &mut receiver)[0].pop());
    assert_eq!(wanted, Some(StoreCall::Cover { range: RANGE, index }));
    assert_eq!(receiver.calls(), [StoreCall::Failed { range: RANGE, id }]);
    sender.event(SnapshotEvent::Covers { range: RANGE, index, meta: Some(meta(index)) });
    let [offer] = <[_; 1]>::try_from(sender.calls()).unwrap();
    receiver.fetch(NodeId(1), &offer);
    assert!(matches!(carry(&mut sender, &mut receiver).0, StoreCall::Received { .. }));
}

#[test]
fn a_restart_of_either_side_costs_nothing_that_was_there() {
    let (mut sender, mut receiver) = two();
    let offer = sender.offer(receiver.node.id);
    receiver.fetch(sender.node.id, &offer);
    let mut other = Side::new(5, 40, settings(), FREE);
    other.fetch(sender.node.id, &offer);
    let rounds = (0..1_000).position(|_| !round(&mut sender, &mut other)[1].is_empty()).unwrap();
    let whole = other.carrier.counters().received_bytes;
    for _ in 0..rounds - 1 {
        assert!(round(&mut sender, &mut receiver)[1].is_empty());
    }
    for side in [&mut sender, &mut receiver] {
        let (engine, directory) = (side.node.engine.clone(), side.carrier.directory.clone());
        directory.crash(&mut |bound| bound - 1);
        side.carrier = Carrier::open(engine, directory, settings(), FREE).unwrap();
    }
    receiver.fetch(sender.node.id, &offer);
    assert!(matches!(carry(&mut sender, &mut receiver).0, StoreCall::Received { .. }));
    let again = receiver.carrier.counters().received_bytes;
    assert!(rounds > 20 && again < whole / 2, "{again} of {whole} bytes again");
}

#[test]
fn what_arrived_stays_until_entries_come_that_are_newer() {
    let (mut sender, mut receiver) = two();
    let offer = sender.offer(receiver.node.id);
    receiver.fetch(sender.node.id, &offer);
    let (engine, directory) = (receiver.node.engine.clone(), receiver.carrier.directory.clone());
    while directory.list().unwrap().is_empty() {
        assert!(round(&mut sender, &mut receiver)[1].is_empty());
    }
    receiver.carrier = Carrier::open(engine, directory.clone(), settings(), FREE).unwrap();
    let there = directory.list().unwrap();
    let mut cut = |base, last| {
        receiver.event(SnapshotEvent::LogCut { range: RANGE, base: LogIndex(base), last: LogIndex(last) });
        directory.list().unwrap()
    };
    assert_eq!(cut(30, 40), there, "the log was too long before it was behind");
    assert_eq!(cut(39, 50), there);
    assert_eq!(cut(40, 60), [], "it is sent entries");
}

#[test]
fn a_log_that_outgrows_the_export_makes_it_begin_anew() {
    let (mut sender, _) = two();
    let (to, index) = (NodeId(3), sender.node.applied());
    sender.event(SnapshotEvent::Wanted { range: RANGE, to, base: LogIndex::ZERO });
    sender.calls();
    sender.event(SnapshotEvent::Covers { range: RANGE, index, meta: Some(meta(index)) });
    assert_eq!(sender.carrier.work(1), Ok(true));
    sender.node.apply(&Log::with(180, 1), LogIndex(180));
    sender.event(SnapshotEvent::LogCut { range: RANGE, base: index.next(), last: LogIndex(180) });
    assert_eq!(sender.calls(), [StoreCall::Cover { range: RANGE, index: LogIndex(180) }]);
    let covers =
        SnapshotEvent::Covers { range: RANGE, index: LogIndex(180), meta: Some(meta(LogIndex(180))) };
    sender.event(covers);
    assert!(matches!(sender.calls()[..], [StoreCall::Offer { .. }]));
}
