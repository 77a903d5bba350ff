//! The codec of snapshots' manifests: round trips, damage, refusals, and bytes that may never change.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use raft::{Configuration, DiskId, LogIndex, LogPosition, NodeId, RangeId, SnapshotMeta, Term};
use store::effects::Malformed;
use store::key::{Local, local, version};
use store::snapshot::Manifest;
use store::snapshot::manifest::{FORMAT, ManifestError, SnapshotTable, snapshot_id};
use store::table::Table;
use store::timestamp::Timestamp;

const RANGE: RangeId = RangeId(7);

fn meta(index: u64, term: u64) -> SnapshotMeta {
    let configuration = Configuration::bootstrap((1..4).map(|node| (NodeId(node), DiskId(node.into()))));
    SnapshotMeta {
        last: LogPosition::new(LogIndex(index), Term(term)),
        configuration: Arc::new(configuration),
        configuration_at: LogPosition::new(LogIndex(1), Term(1)),
    }
}

/// Tables over these keys, which rise: each takes two of them, or the last one.
fn tables(keys: &[Vec<u8>], block_bytes: u32, lengths: &[u64]) -> Vec<SnapshotTable> {
    let table = |(keys, bytes): (&[Vec<u8>], &u64)| {
        let (first, last) = (keys[0].clone(), keys[keys.len() - 1].clone());
        let blocks = (0..bytes.div_ceil(u64::from(block_bytes))).map(|block| block as u32 * 77).collect();
        let table =
            Table { first, last, entries: keys.len() as u64, bytes: *bytes, hash: [*bytes as u8; 32] };
        SnapshotTable { table, blocks }
    };
    keys.chunks(2).zip(lengths).map(table).collect()
}

prop_compose! {
    fn manifest()(
        index in 1..1_000_000u64,
        epoch in any::<u64>(),
        timestamp in any::<u64>(),
        block_bytes in 1..300u32,
        sessions in prop::collection::btree_set(any::<u64>(), 0..6),
        users in prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..6), 0..9),
        lengths in prop::collection::vec(1..2_000u64, 10),
    ) -> Manifest {
        let local_keys: Vec<_> =
            sessions.into_iter().map(|id| local(RANGE, Local::Session(Timestamp(id)))).collect();
        let user_keys: Vec<_> = users.iter().map(|key| version(key, Timestamp(9))).collect();
        Manifest {
            range: RANGE,
            meta: meta(index, 3),
            epoch,
            start: Bytes::new(),
            end: Bytes::new(),
            timestamp: Timestamp(timestamp),
            block_bytes,
            local: tables(&local_keys, block_bytes, &lengths),
            user: tables(&user_keys, block_bytes, &lengths[5..]),
        }
    }
}

fn sample() -> Manifest {
    let keys = [b"apple", b"berry", b"lemon"].map(|key| version(key, Timestamp(5)));
    Manifest {
        range: RANGE,
        meta: meta(300, 4),
        epoch: 2,
        start: Bytes::from_static(b"a"),
        end: Bytes::from_static(b"m"),
        timestamp: Timestamp::from_millis(1_700_000_000_000),
        block_bytes: 64,
        local: tables(&[local(RANGE, Local::Applied)], 64, &[40]),
        user: tables(&keys, 64, &[129, 64]),
    }
}

/// `content` with a checksum that matches.
fn sealed(content: &[u8]) -> Bytes {
    Bytes::from([content, &crc32fast::hash(content).to_le_bytes()].concat())
}

/// What an encoding holds before its checksum.
fn content(manifest: &Manifest) -> Vec<u8> {
    let mut bytes = manifest.encode().to_vec();
    bytes.truncate(bytes.len() - 4);
    bytes
}

/// Decodes; what is accepted must encode to the same bytes.
fn decoded(bytes: &Bytes) -> Result<Manifest, ManifestError> {
    let decoded = Manifest::decode(bytes);
    if let Ok(manifest) = &decoded {
        assert_eq!(manifest.encode(), bytes, "two encodings of {manifest:?}");
    }
    decoded
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(manifest in manifest()) {
        prop_assert_eq!(decoded(&manifest.encode()), Ok(manifest));
    }

    #[test]
    fn flipped_bits_and_truncations_are_damage(manifest in manifest(), at in any::<prop::sample::Index>()) {
        let bytes = manifest.encode();
        let bit = at.index(8 * bytes.len());
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(decoded(&flipped.into()), Err(ManifestError::Damaged { bytes: bytes.len() }));
        let cut = at.index(bytes.len());
        prop_assert_eq!(decoded(&bytes.slice(..cut)), Err(ManifestError::Damaged { bytes: cut }));
    }

    #[test]
    fn changed_bytes_under_a_checksum_are_refused_or_another_encoding(
        manifest in manifest(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6),
    ) {
        let mut bytes = content(&manifest);
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.insert(at, byte),
                _ => drop(bytes.drain(at..bytes.len().min(at + usize::from(byte % 8) + 1))),
            }
            if bytes.is_empty() {
                break;
            }
            let _ = decoded(&sealed(&bytes));
        }
    }
}

#[test]
fn every_truncation_under_a_checksum_is_refused() {
    let content = content(&sample());
    for cut in 1..content.len() {
        let refused = decoded(&sealed(&content[..cut]));
        assert!(matches!(refused, Err(ManifestError::Malformed(_))), "{cut}: {refused:?}");
    }
    let more = decoded(&sealed(&[&content[..], &[0]].concat()));
    assert_eq!(more, Err(Malformed::Trailing { bytes: 1 }.into()));
}

#[test]
fn a_newer_version_is_told_from_damage() {
    let mut bytes = content(&sample());
    // Behind the format, the range, and the length of what the snapshot covers.
    bytes[3] += 1;
    assert_eq!(decoded(&sealed(&bytes)), Err(ManifestError::NewerMeta { found: 2 }));
    bytes[0] = FORMAT + 1;
    assert_eq!(decoded(&sealed(&bytes)), Err(ManifestError::NewerFormat { found: FORMAT + 1 }));
    assert_eq!(decoded(&Bytes::from(vec![0; 64])), Err(ManifestError::Damaged { bytes: 64 }));
}

#[test]
fn what_no_sender_makes_is_refused() {
    type Change = fn(&mut Manifest);
    let changes: [(&str, Change); 11] = [
        ("no blocks", |m| m.block_bytes = 0),
        ("a block less", |m| m.user[0].blocks.truncate(2)),
        ("a block more", |m| m.user[0].blocks.push(1)),
        ("an empty table", |m| (m.user[0].table.bytes, m.user[0].blocks) = (0, Vec::new())),
        ("no entries", |m| m.user[0].table.entries = 0),
        ("one entry with two keys", |m| m.user[0].table.entries = 1),
        ("two entries with one key", |m| m.user[1].table.entries = 2),
        ("tables that do not rise", |m| m.user.swap(0, 1)),
        ("a table twice", |m| m.user[1] = m.user[0].clone()),
        ("user keys as local state", |m| m.local = m.user.clone()),
        ("a key outside of the range", |m| m.end = Bytes::from_static(b"lemon")),
    ];
    for (what, change) in changes {
        let mut manifest = sample();
        change(&mut manifest);
        let refused = decoded(&manifest.encode());
        let malformed = matches!(refused, Err(ManifestError::Malformed(Malformed::NotCanonical { .. })));
        assert!(malformed, "{what}: {refused:?}");
    }
}

#[test]
fn counts_beyond_the_input_allocate_nothing() {
    let mut bare = sample();
    (bare.local, bare.user) = (Vec::new(), Vec::new());
    let mut bytes = content(&bare);
    bytes.truncate(bytes.len() - 2);
    for announced in [&[0x40][..], &[0xff, 0xff, 0xff, 0x7f], &[[0xff; 9].as_slice(), &[1]].concat()] {
        let announced = sealed(&[&bytes[..], announced, &[0; 64]].concat());
        assert_eq!(decoded(&announced), Err(Malformed::Truncated.into()));
    }
}

#[test]
fn the_bytes_and_ids_never_change() {
    let mut text = String::new();
    for (name, manifest) in [("tables", sample()), ("empty", Manifest { user: Vec::new(), ..sample() })] {
        let bytes = manifest.encode();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        text += &format!("{name} {:016x} {hex}\n", snapshot_id(&bytes).0);
    }
    let same = text == include_str!("golden/manifest.txt");
    assert!(same, "golden/manifest.txt differs, and a new layout needs a new FORMAT:\n{text}");
}
