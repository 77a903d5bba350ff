//! Exports, what is kept of them, and what is served.

use raft::{LogIndex, NodeId, RangeId};

use super::fixture::{ENOUGH, Log, Node, RANGE, Random, SETTINGS, SUPPORTED, meta};
use crate::directory::Directory;
use crate::engine::{Engine, EngineError};
use crate::range::StateError;
use crate::snapshot::manifest::snapshot_id;
use crate::snapshot::{ChunkContent, ChunkReply, ChunkRequest, Manifest, Piece};

const OTHER: NodeId = NodeId(2);

fn serve(node: &mut Node, id: raft::SnapshotId, piece: Piece) -> ChunkContent {
    let reply = node.snapshots.serve(OTHER, ChunkRequest { range: RANGE, id, piece }).unwrap();
    let ChunkReply { range, id: of, piece: also, content } = reply;
    assert_eq!((range, of, also), (RANGE, id, piece));
    content
}

/// The manifest, as it is served.
fn manifest(node: &mut Node, id: raft::SnapshotId) -> Manifest {
    let mut bytes = Vec::new();
    loop {
        let offset = bytes.len() as u64;
        match serve(node, id, Piece::Manifest { offset }) {
            ChunkContent::Chunk { data, crc, total } => {
                assert_eq!(crc32fast::hash(&data), crc);
                assert!(data.len() <= SETTINGS.block_bytes as usize);
                bytes.extend_from_slice(&data);
                if bytes.len() as u64 == total {
                    assert_eq!(snapshot_id(&bytes), id);
                    return Manifest::decode(&bytes.into()).unwrap();
                }
            }
            ChunkContent::Gone => panic!("it is gone"),
        }
    }
}

fn is_gone(node: &mut Node, id: raft::SnapshotId) -> bool {
    serve(node, id, Piece::Manifest { offset: 0 }) == ChunkContent::Gone
}

#[test]
fn an_export_shows_nothing_of_the_writes_that_go_on() {
    let (mut log, mut random) = (Log::with(150, 1), Random(2));
    let mut node = Node::at(1, &log);
    node.begin_export();
    assert_eq!(node.snapshots.exporting(), Some(LogIndex(150)));
    let mut steps = 0;
    let (id, covered) = loop {
        log.grow(&mut random);
        node.apply(&log, log.last());
        steps += 1;
        if let Some(offer) = node.snapshots.export_step(1).unwrap() {
            break offer;
        }
    };
    assert!(steps > 10, "one table at a time: {steps}");
    assert_eq!((covered, node.snapshots.exporting()), (meta(LogIndex(150)), None));
    let mut undisturbed = Node::at(1, &Log::with(150, 1));
    let (same, _) = undisturbed.export();
    assert_eq!(id, same);
    assert_eq!(manifest(&mut node, id), manifest(&mut undisturbed, same));
}

#[test]
fn a_manifest_says_what_the_snapshot_is() {
    let mut node = Node::at(1, &Log::with(150, 1));
    let (id, covered) = node.export();
    let manifest = manifest(&mut node, id);
    assert_eq!((manifest.range, &manifest.meta, manifest.epoch), (RANGE, &covered, 1));
    assert_eq!(manifest.timestamp, node.state.applied().timestamp);
    assert!(manifest.local.len() > 1 && manifest.user.len() > 5);
    let blocks: Vec<_> = manifest.tables().map(|of| of.blocks.len()).collect();
    assert!(blocks.iter().any(|blocks| *blocks > 3), "{blocks:?}");
    let length =
        |of: &crate::snapshot::manifest::SnapshotTable| node.directory.length(&of.table.name()).unwrap();
    assert!(manifest.tables().all(|of| length(of) == Some(of.table.bytes)));
    assert_eq!(manifest.total_bytes(), manifest.tables().map(|of| of.table.bytes).sum::<u64>());
}

#[test]
fn a_view_that_is_elsewhere_is_refused() {
    let mut node = Node::at(1, &Log::with(20, 1));
    let wrong = node.snapshots.export(node.engine.view(), meta(LogIndex(19)), SUPPORTED);
    assert!(matches!(wrong, Err(StateError::Engine(EngineError::Refused { .. }))), "{wrong:?}");
}

#[test]
fn an_export_is_whole_or_not_there_after_a_crash() {
    let log = Log::with(60, 3);
    for steps in 0..40 {
        for seed in 0..4 {
            let mut node = Node::at(1, &log);
            node.engine.flush().unwrap();
            node.begin_export();
            let offer = (0..steps).find_map(|_| node.snapshots.export_step(1).unwrap());
            let mut random = Random(seed);
            node.crash(&mut |bound| if seed == 0 { 0 } else { random.below(bound) });
            assert_eq!(node.snapshots.reusable(LogIndex(1)), offer, "after {steps} steps");
            let (id, _) = node.export();
            assert_eq!(manifest(&mut node, id).meta, meta(LogIndex(60)));
        }
    }
}

#[test]
fn a_torn_manifest_or_one_without_its_tables_is_removed_at_the_start() {
    let mut node = Node::at(1, &Log::with(60, 3));
    node.engine.flush().unwrap();
    let (id, _) = node.export();
    let name = format!("{:016x}.snapshot", id.0);
    let whole = node.directory.read(&name, 0, 1 << 20).unwrap();
    let table = manifest(&mut node, id).user[0].table.name();
    let tear: [&dyn Fn(&Node); 4] = [
        &|node| node.directory.truncate(&name, 40).unwrap(),
        &|node| assert!(node.directory.flip_bit(&name, 30, 2)),
        &|node| node.directory.remove(&table).unwrap(),
        &|node| {
            // Sound, under the name of another one.
            node.directory.remove(&name).unwrap();
            node.directory.append("0000000000000001.snapshot", &whole).unwrap();
        },
    ];
    for tear in tear {
        tear(&node);
        node.crash(&mut |bound| bound - 1);
        assert_eq!(node.snapshots.reusable(LogIndex(1)), None);
        assert!(node.directory.list().unwrap().iter().all(|(name, _)| !name.ends_with(".snapshot")));
        assert_eq!(node.export().0, id);
    }
}

#[test]
fn the_newest_is_reused_where_the_log_follows_it() {
    let log = Log::with(60, 3);
    let mut node = Node::at(1, &log);
    assert_eq!(node.snapshots.reusable(LogIndex(0)), None);
    let offer = node.export();
    assert_eq!(node.snapshots.reusable(LogIndex(60)), Some(offer));
    assert_eq!(node.snapshots.reusable(LogIndex(61)), None);
    node.snapshots.log_compacted(LogIndex(60)).unwrap();
    assert!(node.snapshots.reusable(LogIndex(60)).is_some());
    node.snapshots.log_compacted(LogIndex(61)).unwrap();
    assert_eq!(node.snapshots.reusable(LogIndex(0)), None);
    assert_eq!(node.directory.list(), Ok(Vec::new()));
}

#[test]
fn what_is_offered_is_kept_until_it_is_not_or_there_are_too_many() {
    let (mut log, mut random) = (Log::with(60, 3), Random(9));
    let mut node = Node::at(1, &log);
    let mut next = |node: &mut Node| {
        for _ in 0..5 {
            log.grow(&mut random);
        }
        node.apply(&log, log.last());
        node.export().0
    };
    let first = next(&mut node);
    node.snapshots.offered(OTHER, first);
    let second = next(&mut node);
    assert!(!is_gone(&mut node, first) && !is_gone(&mut node, second));
    // Asked for last, so that this is what it is offered now.
    node.snapshots.withdraw(OTHER).unwrap();
    assert!(is_gone(&mut node, first) && !is_gone(&mut node, second));
    node.snapshots.offered(OTHER, second);
    node.snapshots.offered(NodeId(3), second);
    let third = next(&mut node);
    assert!(!is_gone(&mut node, third));
    node.snapshots.offered(OTHER, third);
    let fourth = next(&mut node);
    // Two at the most: the oldest goes, though it is offered.
    assert!(is_gone(&mut node, second) && !is_gone(&mut node, third) && !is_gone(&mut node, fourth));
    node.snapshots.withdraw(OTHER).unwrap();
    let kept = manifest(&mut node, fourth);
    node.snapshots.withdraw(OTHER).unwrap();
    let files = node.directory.list().unwrap().len();
    assert_eq!(files, kept.tables().count() + 1, "the manifest and its tables, and nothing else");
}

#[test]
fn an_offer_ends_when_nothing_is_asked_for() {
    let (mut log, mut random) = (Log::with(60, 3), Random(9));
    let mut node = Node::at(1, &log);
    let (first, _) = node.export();
    node.snapshots.offered(OTHER, first);
    log.grow(&mut random);
    node.apply(&log, log.last());
    node.export();
    for _ in 0..3 {
        for _ in 0..SETTINGS.offer_ticks - 1 {
            node.snapshots.tick().unwrap();
        }
        assert!(!is_gone(&mut node, first), "asked for in time");
    }
    for _ in 0..SETTINGS.offer_ticks {
        node.snapshots.tick().unwrap();
    }
    assert!(is_gone(&mut node, first));
}

#[test]
fn what_is_not_there_is_gone() {
    let mut node = Node::at(1, &Log::with(60, 3));
    let (id, _) = node.export();
    let tables = manifest(&mut node, id).tables().count() as u32;
    for piece in [
        Piece::Block { table: tables, block: 0 },
        Piece::Block { table: 0, block: u32::MAX },
        Piece::Block { table: u32::MAX, block: 0 },
    ] {
        assert_eq!(serve(&mut node, id, piece), ChunkContent::Gone);
    }
    let behind = serve(&mut node, id, Piece::Manifest { offset: u64::MAX });
    assert!(matches!(behind, ChunkContent::Chunk { data, .. } if data.is_empty()));
    let piece = Piece::Manifest { offset: 0 };
    let elsewhere = ChunkRequest { range: RangeId(8), id, piece };
    assert_eq!(node.snapshots.serve(OTHER, elsewhere).unwrap().content, ChunkContent::Gone);
}

#[test]
fn a_table_that_the_disk_lost_is_noticed_and_exported_again() {
    let mut node = Node::at(1, &Log::with(150, 3));
    let (id, _) = node.export();
    let damaged = &manifest(&mut node, id).user[2];
    assert!(node.directory.flip_bit(&damaged.table.name(), 3, 1));
    let table = manifest(&mut node, id).local.len() as u32 + 2;
    assert_eq!(serve(&mut node, id, Piece::Block { table, block: 0 }), ChunkContent::Gone);
    assert_eq!(node.snapshots.reusable(LogIndex(0)), None);
    assert_eq!(node.export().0, id);
    assert!(matches!(serve(&mut node, id, Piece::Block { table, block: 0 }), ChunkContent::Chunk { .. }));
    assert_eq!(node.snapshots.export_step(ENOUGH), Ok(None));
}
