//! The codec of effects: round trips, damage, refusals, and bytes that may never change.

use std::fmt::Write;

use bytes::Bytes;
use proptest::prelude::*;
use store::effects::{
    Body, Change, ClusterVersion, ConditionFailed, Damaged, DecodeError, Effects, FORMAT, Malformed, Record,
    Written, decode, encode, verify,
};
use store::request::WriteOutcome;
use store::timestamp::Timestamp;

/// Numbers of every length.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(number, shift)| number >> shift)
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    number().prop_map(Timestamp)
}

fn bytes(longest: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..=longest).prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Option<Bytes>> {
    prop::option::of(bytes(200))
}

prop_compose! {
    fn record()(session in timestamp(), number in number(), acknowledged_below in number()) -> Record {
        Record { session, number, acknowledged_below }
    }
}

prop_compose! {
    fn written()(
        changes in prop::collection::btree_map(bytes(6), value(), 0..6),
        deleted in number(),
        record in prop::option::of(record()),
    ) -> Written {
        let changes = changes.into_iter().map(|(key, value)| Change { key, value }).collect();
        Written { changes, deleted, record }
    }
}

prop_compose! {
    fn condition_failed()(
        record in record(), index in any::<u32>(), version in timestamp(), value in value(),
    ) -> ConditionFailed {
        ConditionFailed { record, index, version, value }
    }
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        Just(Body::Tick),
        written().prop_map(Body::Written),
        written().prop_map(Body::Written),
        condition_failed().prop_map(Body::ConditionFailed),
        Just(Body::OpenSession),
        timestamp().prop_map(|floor| Body::ExpireSessions { floor }),
        timestamp().prop_map(|threshold| Body::GcThreshold { threshold }),
        (number(), timestamp(), timestamp()).prop_map(|(id, timestamp, expires)| Body::Hold {
            id,
            timestamp,
            expires
        }),
        number().prop_map(|id| Body::ReleaseHold { id }),
        any::<u32>().prop_map(|version| Body::SetClusterVersion { version: ClusterVersion(version) }),
    ]
}

prop_compose! {
    fn effects()(epoch in number(), timestamp in timestamp(), body in body()) -> Effects {
        Effects { epoch, timestamp, body }
    }
}

/// `content` with a checksum that matches.
fn sealed(content: &[u8]) -> Bytes {
    let crc = crc32fast::hash(content).to_le_bytes();
    Bytes::from([content, &crc].concat())
}

/// What an encoding holds before its checksum.
fn content(effects: &Effects) -> Vec<u8> {
    let mut bytes = encode(effects).to_vec();
    bytes.truncate(bytes.len() - 4);
    bytes
}

/// Decodes; what is accepted must encode to the same bytes, and damage is what [`verify`] says it is.
fn decoded(bytes: &Bytes) -> Result<Effects, DecodeError> {
    let decoded = decode(bytes);
    let damaged = matches!(decoded, Err(DecodeError::Damaged(_)));
    assert_eq!(damaged, verify(bytes).is_err(), "verify and decode do not agree");
    if let Ok(effects) = &decoded {
        assert_eq!(encode(effects), bytes, "two encodings of {effects:?}");
    }
    decoded
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(effects in effects()) {
        prop_assert_eq!(decoded(&encode(&effects)), Ok(effects));
    }

    #[test]
    fn every_flipped_bit_is_damage(effects in effects()) {
        let bytes = encode(&effects);
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(decoded(&flipped.into()), Err(Damaged { bytes: bytes.len() }.into()));
        }
    }

    #[test]
    fn every_truncation_is_damage(effects in effects()) {
        let bytes = encode(&effects);
        for cut in 0..bytes.len() {
            prop_assert_eq!(decoded(&bytes.slice(..cut)), Err(Damaged { bytes: cut }.into()));
        }
    }

    #[test]
    fn every_truncation_under_a_checksum_is_refused(effects in effects()) {
        let content = content(&effects);
        for cut in 1..content.len() {
            prop_assert_eq!(decoded(&sealed(&content[..cut])), Err(Malformed::Truncated.into()));
        }
    }

    #[test]
    fn changed_bytes_under_a_checksum_are_refused_or_another_encoding(
        effects in effects(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6),
    ) {
        let mut bytes = content(&effects);
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

    #[test]
    fn noise_is_refused_or_an_encoding(kind in 0..12u8, noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decoded(&Bytes::from(noise.clone()));
        let _ = decoded(&sealed(&noise));
        let _ = decoded(&sealed(&[&[FORMAT, kind], &*noise].concat()));
    }

    #[test]
    fn keys_and_values_share_the_memory_of_the_entry(written in written()) {
        let effects = Effects { epoch: 1, timestamp: Timestamp(1), body: Body::Written(written) };
        let bytes = encode(&effects);
        let Ok(Effects { body: Body::Written(written), .. }) = decode(&bytes) else { panic!("not a write") };
        let parts = written.changes.iter().flat_map(|change| [Some(&change.key), change.value.as_ref()]);
        for part in parts.flatten().filter(|part| !part.is_empty()) {
            prop_assert!(bytes.as_ptr_range().contains(&part.as_ptr()));
        }
    }
}

// ---- refusals -----------------------------------------------------------------------------------------

fn effects_of(body: Body) -> Effects {
    Effects { epoch: 2, timestamp: Timestamp::from_millis(1_700_000_000_000), body }
}

/// The bytes of a body in an entry whose checksum matches.
fn decoded_body(kind: u8, body: &[u8]) -> Result<Body, DecodeError> {
    let header = [&[FORMAT, kind, 2], &[7u8; 8][..]].concat();
    decoded(&sealed(&[&*header, body].concat())).map(|effects| effects.body)
}

#[test]
fn a_newer_version_is_told_from_damage() {
    let mut bytes = content(&effects_of(Body::Tick));
    bytes[1] = 200;
    assert_eq!(decoded(&sealed(&bytes)), Err(DecodeError::NewerKind { found: 200 }));
    bytes[0] = FORMAT + 1;
    let newer = sealed(&bytes);
    assert_eq!(verify(&newer), Ok(()));
    assert_eq!(decoded(&newer), Err(DecodeError::NewerFormat { found: FORMAT + 1 }));
    for error in [DecodeError::NewerKind { found: 200 }, DecodeError::NewerFormat { found: 2 }] {
        assert!(error.to_string().contains("written by a newer version"), "{error}");
    }
}

#[test]
fn what_was_never_written_is_damage() {
    for length in 0..64 {
        let zeros = Bytes::from(vec![0; length]);
        assert_eq!(decoded(&zeros), Err(Damaged { bytes: length }.into()));
    }
}

#[test]
fn there_is_one_encoding_of_each_value() {
    const RELEASE_HOLD: u8 = 8;
    const WRITTEN: u8 = 2;
    let not_canonical = |result: Result<Body, DecodeError>| {
        assert!(matches!(result, Err(DecodeError::Malformed(Malformed::NotCanonical { .. }))), "{result:?}");
    };
    assert_eq!(decoded_body(RELEASE_HOLD, &[5]), Ok(Body::ReleaseHold { id: 5 }));
    not_canonical(decoded_body(RELEASE_HOLD, &[0x85, 0]));
    assert_eq!(decoded_body(RELEASE_HOLD, &[5, 0]), Err(Malformed::Trailing { bytes: 1 }.into()));
    let most = [[0xff; 9].as_slice(), &[1]].concat();
    assert_eq!(decoded_body(RELEASE_HOLD, &most), Ok(Body::ReleaseHold { id: u64::MAX }));
    for tenth in [2, 0x81] {
        let more = [[0xff; 9].as_slice(), &[tenth, 0]].concat();
        assert_eq!(decoded_body(RELEASE_HOLD, &more), Err(Malformed::TooLarge { bits: 64 }.into()));
    }
    // Two removals, of keys that rise, are the same, and fall.
    assert!(decoded_body(WRITTEN, &[0, 0, 2, 1, b'a', 0, 1, b'b', 0]).is_ok());
    not_canonical(decoded_body(WRITTEN, &[0, 0, 2, 1, b'a', 0, 1, b'a', 0]));
    not_canonical(decoded_body(WRITTEN, &[0, 0, 2, 1, b'b', 0, 1, b'a', 0]));
    assert_eq!(decoded_body(WRITTEN, &[0, 2, 0]), Err(Malformed::UnknownFlag { found: 2 }.into()));
}

#[test]
fn counts_and_lengths_beyond_the_input_are_refused() {
    const WRITTEN: u8 = 2;
    for announced in [&[0x40][..], &[0xff, 0xff, 0xff, 0x7f], &[[0xff; 9].as_slice(), &[1]].concat()] {
        let changes = [&[0, 0], announced, &[0; 32]].concat();
        assert_eq!(decoded_body(WRITTEN, &changes), Err(Malformed::Truncated.into()));
        let key = [&[0, 0, 1], announced, &[0; 32]].concat();
        assert_eq!(decoded_body(WRITTEN, &key), Err(Malformed::Truncated.into()));
        let value = [&[0, 0, 1, 0], announced, &[0; 32]].concat();
        assert_eq!(decoded_body(WRITTEN, &value), Err(Malformed::Truncated.into()));
    }
}

#[test]
#[should_panic(expected = "keys that rise")]
fn a_key_changes_once_in_a_write() {
    let change = Change { key: Bytes::from_static(b"k"), value: None };
    let changes = vec![change.clone(), change];
    let _ = encode(&effects_of(Body::Written(Written { changes, deleted: 0, record: None })));
}

// ---- answers ------------------------------------------------------------------------------------------

#[test]
fn the_outcome_of_a_write_is_in_its_effects() {
    for (name, effects) in samples() {
        let timestamp = effects.timestamp;
        let failed = |version, value| {
            let outcome = WriteOutcome::ConditionFailed { timestamp, index: 4, version, value };
            (Some(outcome), Some(301))
        };
        let (outcome, number) = match name {
            "written" => (Some(WriteOutcome::Written { timestamp, deleted: 1 }), Some(300)),
            "written-without-session" => (Some(WriteOutcome::Written { timestamp, deleted: 0 }), None),
            "condition-failed" => failed(Timestamp(77), Some(Bytes::from_static(b"other"))),
            "condition-failed-absent" => failed(Timestamp::ZERO, None),
            _ => (None, None),
        };
        assert_eq!(effects.outcome(), outcome, "{name}");
        assert_eq!(effects.record().map(|record| record.number), number, "{name}");
    }
}

#[test]
fn the_first_cluster_version_has_every_kind() {
    for (name, effects) in samples() {
        assert_eq!(effects.needed_version(), ClusterVersion::FIRST, "{name}");
    }
}

// ---- golden bytes -------------------------------------------------------------------------------------

fn samples() -> Vec<(&'static str, Effects)> {
    let session = Timestamp::from_millis(1_699_999_000_000);
    let record = |number| Record { session, number, acknowledged_below: 299 };
    let put = Change { key: Bytes::from_static(b"apple"), value: Some(Bytes::from_static(b"red")) };
    let put_empty = Change { key: Bytes::from_static(b"b"), value: Some(Bytes::new()) };
    let removal = Change { key: Bytes::from_static(b"b\0"), value: None };
    let written =
        Written { changes: vec![put.clone(), put_empty, removal], deleted: 1, record: Some(record(300)) };
    let failed = ConditionFailed {
        record: record(301),
        index: 4,
        version: Timestamp(77),
        value: Some(Bytes::from_static(b"other")),
    };
    let version = ClusterVersion(2);
    let bodies = [
        ("tick", Body::Tick),
        ("written", Body::Written(written)),
        ("written-without-session", Body::Written(Written { changes: vec![put], deleted: 0, record: None })),
        ("condition-failed", Body::ConditionFailed(failed.clone())),
        (
            "condition-failed-absent",
            Body::ConditionFailed(ConditionFailed { version: Timestamp::ZERO, value: None, ..failed }),
        ),
        ("open-session", Body::OpenSession),
        ("expire-sessions", Body::ExpireSessions { floor: session }),
        ("gc-threshold", Body::GcThreshold { threshold: session }),
        ("hold", Body::Hold { id: 9, timestamp: session, expires: session.next() }),
        ("release-hold", Body::ReleaseHold { id: 9 }),
        ("set-cluster-version", Body::SetClusterVersion { version }),
    ];
    bodies.into_iter().map(|(name, body)| (name, effects_of(body))).collect()
}

#[test]
fn the_bytes_never_change() {
    let mut text = String::new();
    for (name, effects) in samples() {
        write!(text, "{name} ").unwrap();
        for byte in encode(&effects) {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    let same = text == include_str!("golden/effects.txt");
    assert!(same, "golden/effects.txt differs, and a new layout needs a new FORMAT:\n{text}");
}

#[test]
fn the_samples_are_of_every_kind() {
    let mut kinds = Vec::new();
    for (name, effects) in samples() {
        let bytes = encode(&effects);
        kinds.push(bytes[1]);
        assert_eq!(decoded(&bytes), Ok(effects), "{name}");
    }
    kinds.dedup();
    assert_eq!(kinds, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}
