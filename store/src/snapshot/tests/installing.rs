//! The install, interrupted at every step.

use bytes::Bytes;
use raft::LogIndex;

use super::fixture::{Log, Node, RANGE, Random, SUPPORTED, applied_value, carry, fetch_of};
use crate::directory::Directory;
use crate::effects::ClusterVersion;
use crate::engine::{Batch, Engine, EngineError};
use crate::key::{Local, local, version};
use crate::range::StateError;
use crate::snapshot::manifest::ManifestError;
use crate::snapshot::{InstallError, Receiving, Stage, finish_intent};
use crate::timestamp::Timestamp;

/// A sender, and a receiver that has its snapshot and something else in its engine.
fn received(seed: u64) -> (Node, Node) {
    let mut sender = Node::at(1, &Log::with(150, seed));
    let mut receiver = Node::at(3, &Log::with(40, seed));
    let mut batch = Batch::default();
    batch.put(version(b"not in the snapshot", Timestamp(5)), vec![1]);
    batch.put(local(RANGE, Local::SessionWrite(Timestamp(1), 2)), vec![1]);
    receiver.engine.write(batch).unwrap();
    let (id, meta) = sender.export();
    receiver.snapshots.fetch(fetch_of(sender.id, id, meta));
    assert_eq!(carry(&mut sender, &mut receiver).0, Receiving::Received(id));
    (sender, receiver)
}

#[test]
fn the_stages_follow_each_other_and_wait_for_what_is_durable() {
    let (sender, mut receiver) = received(1);
    let before = receiver.hash();
    let engine = receiver.engine.clone();
    let (install, directory) = receiver.snapshots.install().unwrap();
    assert_eq!((install.stage(), install.manifest().meta.last.index), (Stage::Received, LogIndex(150)));
    assert_eq!(install.step(&engine, directory, SUPPORTED), Ok(None));
    install.log_reset_persisted();
    assert_eq!(install.stage(), Stage::Received);
    assert_eq!(crate::range::state_hash(&engine.view(), RANGE), Ok(before), "the intent is not durable");
    install.intent_persisted();
    assert_eq!(install.stage(), Stage::Remove);
    assert_eq!(install.step(&engine, directory, SUPPORTED), Ok(None));
    assert_eq!(install.stage(), Stage::Ingest);
    assert_eq!(applied_value(&engine), None, "removed, durably");
    install.intent_persisted();
    assert_eq!(install.stage(), Stage::Ingest);
    assert_eq!(install.step(&engine, directory, SUPPORTED), Ok(Some(sender.state.clone())));
    assert_eq!(install.stage(), Stage::ResetLog);
    assert_eq!(install.step(&engine, directory, SUPPORTED), Ok(None));
    assert!(directory.list().unwrap().len() > 5, "the files stay until the log is reset");
    install.log_reset_persisted();
    assert_eq!(install.stage(), Stage::Done);
    receiver.snapshots.end_install().unwrap();
    assert_eq!(receiver.directory.list(), Ok(Vec::new()));
    assert_eq!(receiver.hash(), sender.hash());
}

#[test]
fn a_crash_between_any_two_steps_is_made_good_by_the_intent() {
    for steps in 0..3 {
        for seed in 0..20 {
            let (sender, mut receiver) = received(seed);
            let mut random = Random(seed);
            let (install, directory) = receiver.snapshots.install().unwrap();
            let intent = install.intent();
            install.intent_persisted();
            for _ in 0..steps {
                install.step(&receiver.engine, directory, SUPPORTED).unwrap();
            }
            for _ in 0..2 {
                // A start may get no further than the one before.
                receiver.engine.crash(&mut |bound| random.below(bound));
                receiver.directory.crash(&mut |bound| random.below(bound));
                let finished = finish_intent(&receiver.engine, &receiver.directory, &intent, SUPPORTED);
                let (manifest, state) = finished.unwrap();
                assert_eq!((manifest.meta.last, &state), (sender.state.applied().position, &sender.state));
                assert_eq!(receiver.hash(), sender.hash());
            }
            receiver.crash(&mut |_| 0);
            assert_eq!((receiver.hash(), &receiver.state), (sender.hash(), &sender.state));
            receiver.snapshots.clear_leftovers().unwrap();
            assert_eq!(receiver.directory.list(), Ok(Vec::new()));
        }
    }
}

#[test]
fn what_follows_is_applied_to_what_was_installed() {
    let (mut log, mut random) = (Log::with(150, 1), Random(3));
    let (mut sender, mut receiver) = received(1);
    receiver.install();
    for _ in 0..60 {
        log.grow(&mut random);
    }
    for node in [&mut sender, &mut receiver] {
        node.apply(&log, log.last());
    }
    assert_eq!((receiver.hash(), receiver.state), (sender.hash(), sender.state));
}

#[test]
fn a_damaged_table_is_not_taken_in() {
    let (_, mut receiver) = received(1);
    let (install, directory) = receiver.snapshots.install().unwrap();
    let name = install.manifest().user[3].table.name();
    assert!(directory.flip_bit(&name, 99, 5));
    let finished = finish_intent(&receiver.engine, directory, &install.intent(), SUPPORTED);
    assert!(matches!(finished, Err(InstallError::State(StateError::Engine(EngineError::Corruption { .. })))));
    assert_eq!(applied_value(&receiver.engine), None);
}

#[test]
fn a_snapshot_that_does_not_hold_what_it_says_is_corruption() {
    let (_, mut receiver) = received(1);
    let (install, directory) = receiver.snapshots.install().unwrap();
    let mut wrong = [install.manifest().clone(), install.manifest().clone(), install.manifest().clone()];
    wrong[0].timestamp = wrong[0].timestamp.next();
    wrong[1].meta.last.index = wrong[1].meta.last.index.next();
    wrong[2].epoch += 1;
    for manifest in wrong {
        let finished = finish_intent(&receiver.engine, directory, &manifest.encode(), SUPPORTED);
        let corrupt =
            matches!(finished, Err(InstallError::State(StateError::Engine(EngineError::Corruption { .. }))));
        assert!(corrupt, "{finished:?}");
    }
}

#[test]
fn what_cannot_be_read_stops_the_process() {
    let (mut engine, directory) = (Node::new(3), crate::memory::MemoryDirectory::default());
    let torn = Bytes::from_static(b"torn");
    let refused = finish_intent(&engine.engine, &directory, &torn, SUPPORTED);
    assert_eq!(refused, Err(InstallError::Intent(ManifestError::Damaged { bytes: 4 })));
    assert!(engine.snapshots.install().is_none());
    let (_, mut receiver) = received(1);
    let (install, directory) = receiver.snapshots.install().unwrap();
    let newer = finish_intent(&receiver.engine, directory, &install.intent(), ClusterVersion(0));
    let newer = matches!(newer, Err(InstallError::State(StateError::NewerClusterVersion { .. })));
    assert!(newer, "the cluster is ahead of this program");
}
