//! Keys of the engine: round trips, order, spans, refusals, and bytes that may never change.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use proptest::prelude::*;
use raft::RangeId;
use store::engine::Span;
use store::key::{
    DecodeError, Local, Tag, after_versions, decode_local, decode_value, decode_version, encode_value,
    holds_span, local, local_span, seek_version, session_writes_span, sessions_span, split_version, user_key,
    user_span, version, version_prefix, versions_span,
};
use store::timestamp::Timestamp;

/// User keys out of the bytes that escaping is about, often one the beginning of another.
fn user_key_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => Just(0u8), 3 => 1..=2u8, 2 => 0xfe..=0xffu8, 1 => any::<u8>()];
    prop::collection::vec(byte, 0..6)
}

/// Timestamps that are often equal or neighbours.
fn timestamp() -> impl Strategy<Value = Timestamp> {
    let number = prop_oneof![4 => 0..4u64, 1 => u64::MAX - 1..=u64::MAX, 1 => 254..258u64, 1 => any::<u64>()];
    number.prop_map(Timestamp)
}

fn some_local() -> impl Strategy<Value = Local> {
    prop_oneof![
        Just(Local::Applied),
        Just(Local::Descriptor),
        Just(Local::ClusterVersion),
        Just(Local::GcThreshold),
        Just(Local::SessionFloor),
        timestamp().prop_map(Local::Session),
        (timestamp(), timestamp()).prop_map(|(session, number)| Local::SessionWrite(session, number.0)),
        timestamp().prop_map(|id| Local::Hold(id.0)),
    ]
}

fn range() -> impl Strategy<Value = RangeId> {
    timestamp().prop_map(|number| RangeId(number.0))
}

fn contains(span: &Span, key: &[u8]) -> bool {
    *span.start <= *key && *key < *span.end
}

/// For all pairs, the encoded ones are ordered as what they stand for.
fn ordered_alike<T: Ord + Debug>(items: &[T], encode: impl Fn(&T) -> Vec<u8>) -> Result<(), TestCaseError> {
    let encoded: Vec<Vec<u8>> = items.iter().map(encode).collect();
    for (a, key_a) in items.iter().zip(&encoded) {
        for (b, key_b) in items.iter().zip(&encoded) {
            prop_assert_eq!(key_a.cmp(key_b), a.cmp(b), "{:?} and {:?}", a, b);
        }
    }
    Ok(())
}

/// What is accepted must encode to the same bytes.
fn accepts_only_what_it_encodes(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok((key, timestamp)) = decode_version(bytes, &mut Vec::new()) {
        prop_assert_eq!(version(key, timestamp), bytes);
    }
    if let Ok(key) = user_key(bytes, &mut Vec::new()) {
        prop_assert_eq!(version_prefix(key), bytes);
    }
    if let Ok((range, what)) = decode_local(bytes) {
        prop_assert_eq!(local(range, what), bytes);
    }
    if let Ok(value) = decode_value(bytes) {
        prop_assert_eq!(encode_value(value), bytes);
    }
    Ok(())
}

proptest! {
    #[test]
    fn versions_decode_to_the_same(keys in prop::collection::vec((user_key_bytes(), timestamp()), 1..8)) {
        let mut buffer = Vec::new();
        for (key, timestamp) in keys {
            let encoded = version(&key, timestamp);
            prop_assert_eq!(decode_version(&encoded, &mut buffer), Ok((&*key, timestamp)));
            prop_assert_eq!(split_version(&encoded), Ok((&*version_prefix(&key), timestamp)));
        }
    }

    #[test]
    fn versions_sort_by_user_key_and_then_the_newest_first(
        keys in prop::collection::vec(user_key_bytes(), 1..6),
        picks in prop::collection::vec((any::<prop::sample::Index>(), user_key_bytes(), timestamp()), 2..20),
    ) {
        let mut items = Vec::new();
        for (pick, suffix, timestamp) in picks {
            let mut key = pick.get(&keys).clone();
            items.push((key.clone(), std::cmp::Reverse(timestamp)));
            key.extend(suffix);
            items.push((key, std::cmp::Reverse(timestamp)));
        }
        ordered_alike(&items, |(key, timestamp)| version(key, timestamp.0))?;
    }

    #[test]
    fn a_seek_finds_the_newest_version_at_or_below(
        versions in prop::collection::vec((user_key_bytes(), timestamp()), 1..40),
        (key, at) in (user_key_bytes(), timestamp()),
        own in prop::collection::vec(timestamp(), 0..4),
    ) {
        let versions = versions.into_iter().chain(own.into_iter().map(|timestamp| (key.clone(), timestamp)));
        let versions: Vec<_> = versions.collect();
        let engine: BTreeMap<_, _> = versions.iter().map(|(key, at)| (version(key, *at), (key, *at))).collect();
        let of_key = || versions.iter().filter(|(other, _)| *other == key).map(|(_, timestamp)| *timestamp);

        let mut seek = Vec::new();
        seek_version(&version_prefix(&key), at, &mut seek);
        prop_assert_eq!(&seek, &version(&key, at));
        let found = engine.range(seek..versions_span(&key).end).next().map(|(_, (_, found))| *found);
        prop_assert_eq!(found, of_key().filter(|timestamp| *timestamp <= at).max());

        let span = versions_span(&key);
        let mut in_span: Vec<_> = engine.range(span.start..span.end).map(|(_, (_, found))| *found).collect();
        let mut all: Vec<_> = of_key().collect();
        all.sort();
        all.dedup();
        in_span.reverse();
        prop_assert_eq!(in_span, all);
    }

    #[test]
    fn a_jump_passes_one_key_and_nothing_else(
        keys in prop::collection::vec(user_key_bytes(), 1..12), key in user_key_bytes(), suffix in user_key_bytes(),
    ) {
        let longer = [&*key, &*suffix].concat();
        let prefix = version_prefix(&key);
        let mut after = Vec::new();
        after_versions(&prefix, &mut after);
        prop_assert_eq!(&after, &versions_span(&key).end);
        for other in keys.iter().chain([&key, &longer]) {
            for timestamp in [Timestamp::ZERO, Timestamp::MAX] {
                let encoded = version(other, timestamp);
                prop_assert_eq!(encoded > after, *other > key, "{:?} after {:?}", other, key);
                prop_assert_eq!(encoded > prefix, *other >= key, "{:?} and {:?}", other, key);
                prop_assert_eq!(encoded.starts_with(&prefix), *other == key, "{:?} and {:?}", other, key);
            }
        }
    }

    #[test]
    fn a_span_of_user_keys_holds_their_versions(
        keys in prop::collection::vec((user_key_bytes(), timestamp()), 1..20),
        (start, end) in (user_key_bytes(), user_key_bytes()),
        others in prop::collection::vec((range(), some_local()), 1..4),
    ) {
        let span = user_span(&start, &end);
        prop_assert!(span.start <= span.end);
        let bounds = keys.iter().cloned().chain([(start.clone(), Timestamp::MAX), (end.clone(), Timestamp::ZERO)]);
        for (key, timestamp) in bounds {
            let inside = start <= key && (end.is_empty() || key < end);
            prop_assert_eq!(contains(&span, &version(&key, timestamp)), inside, "{:?}", key);
        }
        let everything = user_span(b"", b"");
        for (range, what) in others {
            let key = local(range, what);
            prop_assert!(key < everything.start);
            prop_assert!(everything.end < vec![Tag::Index as u8]);
        }
    }

    #[test]
    fn range_local_keys_decode_to_the_same_in_order(
        items in prop::collection::vec((range(), some_local()), 2..20),
    ) {
        for (range, what) in &items {
            prop_assert_eq!(decode_local(&local(*range, *what)), Ok((*range, *what)));
        }
        ordered_alike(&items, |(range, what)| local(*range, *what))?;
    }

    #[test]
    fn spans_of_range_local_keys_hold_their_kind(
        items in prop::collection::vec((range(), some_local()), 1..20),
        (own, session) in (range(), timestamp()),
        what in some_local(),
    ) {
        let writes = [(own, Local::SessionWrite(session, 1)), (own, Local::SessionWrite(session, u64::MAX))];
        for (range, what) in items.into_iter().chain([(own, what)]).chain(writes) {
            let key = local(range, what);
            let of_session = matches!(what, Local::SessionWrite(of, _) if of == session);
            prop_assert_eq!(contains(&local_span(own), &key), range == own);
            let inside = |kind: bool| range == own && kind;
            prop_assert_eq!(contains(&sessions_span(own), &key), inside(matches!(what, Local::Session(_))));
            prop_assert_eq!(contains(&session_writes_span(own, session), &key), inside(of_session));
            prop_assert_eq!(contains(&holds_span(own), &key), inside(matches!(what, Local::Hold(_))));
        }
    }

    #[test]
    fn damaged_keys_are_refused_or_another_key(
        (key, timestamp) in (user_key_bytes(), timestamp()),
        (range, what) in (range(), some_local()),
        (at, byte, how) in (any::<prop::sample::Index>(), 0..4u8, 0..3u8),
    ) {
        for mut bytes in [version(&key, timestamp), version_prefix(&key), local(range, what)] {
            let at = at.index(bytes.len());
            let byte = [0, 1, 2, 0xff][usize::from(byte)];
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
            accepts_only_what_it_encodes(&bytes)?;
        }
    }

    #[test]
    fn noise_is_refused_or_a_key(mut noise in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(0..3u8, 0..20),
    ]) {
        accepts_only_what_it_encodes(&noise)?;
        noise.insert(0, Tag::User as u8);
        accepts_only_what_it_encodes(&noise)?;
        noise[0] = Tag::Local as u8;
        accepts_only_what_it_encodes(&noise)?;
    }

    #[test]
    fn values_decode_to_the_same(value in prop::option::of(prop::collection::vec(any::<u8>(), 0..20))) {
        let stored = encode_value(value.as_deref());
        prop_assert_eq!(decode_value(&stored), Ok(value.as_deref()));
    }
}

#[test]
fn a_user_key_without_zeros_is_not_copied() {
    let encoded = version(b"plain", Timestamp(7));
    let mut buffer = Vec::new();
    let (key, _) = decode_version(&encoded, &mut buffer).unwrap();
    assert!(encoded.as_ptr_range().contains(&key.as_ptr()));
    assert!(buffer.is_empty());
}

#[test]
fn the_bytes_never_change() {
    assert_eq!(version(b"a\0b", Timestamp(1)), b"\x40a\x00\xffb\x00\x01\xff\xff\xff\xff\xff\xff\xff\xfe");
    assert_eq!(version(b"", Timestamp::MAX), b"\x40\x00\x01\0\0\0\0\0\0\0\0");
    let of = |what| {
        let key = local(RangeId(0x0102), what);
        assert!(key.starts_with(b"\x01\0\0\0\0\0\0\x01\x02"));
        key[9..].to_vec()
    };
    assert_eq!(of(Local::Applied), [0x01]);
    assert_eq!(of(Local::Descriptor), [0x02]);
    assert_eq!(of(Local::ClusterVersion), [0x03]);
    assert_eq!(of(Local::GcThreshold), [0x04]);
    assert_eq!(of(Local::SessionFloor), [0x05]);
    assert_eq!(of(Local::Session(Timestamp(3))), b"\x10\0\0\0\0\0\0\0\x03");
    assert_eq!(of(Local::SessionWrite(Timestamp(3), 4)), b"\x11\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04");
    assert_eq!(of(Local::Hold(5)), b"\x20\0\0\0\0\0\0\0\x05");
    let tags = [Tag::Meta1, Tag::Meta2, Tag::Transaction, Tag::Intent, Tag::Index, Tag::Etcd];
    assert_eq!(tags.map(|tag| tag as u8), [0x10, 0x11, 0x20, 0x21, 0x50, 0x60]);
    assert_eq!(encode_value(Some(b"v")), Bytes::from_static(b"\x01v"));
    assert_eq!(encode_value(None), Bytes::from_static(b"\x02"));
}

#[test]
fn what_is_wrong_is_said() {
    let decode = |bytes: &[u8]| decode_version(bytes, &mut Vec::new()).map(|(key, _)| key.to_vec());
    let wrong_tag = |found| DecodeError::WrongTag { found, expected: Tag::User };
    assert_eq!(decode(b""), Err(DecodeError::Truncated));
    assert_eq!(decode(b"\x01"), Err(wrong_tag(0x01)));
    assert_eq!(decode(b"\x40\x00\x01\0\0\0"), Err(DecodeError::Truncated));
    assert_eq!(decode(b"\x40key\x00\x02\0\0\0\0\0\0\0\0"), Err(DecodeError::NoEnd));
    assert_eq!(decode(b"\x40\x00\x01\x00\x01\0\0\0\0\0\0\0\0"), Err(DecodeError::WrongEscape { found: 1 }));
    assert_eq!(decode(b"\x40\x00\x00\x01\0\0\0\0\0\0\0\0"), Err(DecodeError::WrongEscape { found: 0 }));
    let mut key = local(RangeId(1), Local::Applied);
    assert_eq!(decode_local(&key[..9]), Err(DecodeError::Truncated));
    key.push(0);
    assert_eq!(decode_local(&key), Err(DecodeError::Trailing { bytes: 1 }));
    key[9] = 0xee;
    assert_eq!(decode_local(&key), Err(DecodeError::UnknownLocal { kind: 0xee }));
    assert_eq!(decode_value(b""), Err(DecodeError::Truncated));
    assert_eq!(decode_value(b"\x02."), Err(DecodeError::Trailing { bytes: 1 }));
    assert_eq!(decode_value(b"\x03"), Err(DecodeError::UnknownValue { kind: 3 }));
    assert_eq!(wrong_tag(0x50).to_string(), "a key begins with 0x50, not with 0x40 (User)");
}
