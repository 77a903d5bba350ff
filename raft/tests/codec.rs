//! The codec: round trips, refusals, limits, and bytes that may never change.

mod generate;

use bytes::Bytes;
use generate::{Draw, LIMIT, Scene};
use proptest::prelude::*;
use raft::codec::{
    DecodeError, FORMAT, MAX_ENTRIES, MAX_MESSAGES, decode_entry, decode_envelope, decode_hard_state,
    decode_snapshot_meta, encode_entry, encode_envelope, encode_hard_state, encode_snapshot_meta,
};
use raft::{
    Append, AppendAck, AppendReject, Body, Boot, BootStart, CampaignId, ClusterId, Commit, Configuration,
    DiskId, Entry, Envelope, HardState, Header, Heartbeat, HeartbeatAck, LogIndex, LogPosition, LostDisk,
    Member, MemberRole, Message, NodeId, Payload, Peer, RangeId, ReadId, ReadReply, ReadRequest, ReplicaId,
    Round, SnapshotId, SnapshotMeta, SnapshotOffer, SnapshotReply, Target, Term, TimeoutNow, VoteReply,
    VoteRequest,
};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn encoded(envelope: &Envelope) -> Bytes {
    let mut out = Vec::new();
    encode_envelope(envelope, &mut out);
    Bytes::from(out)
}

/// Decodes; what is accepted must encode to the same bytes.
fn decoded(bytes: &Bytes) -> Result<Envelope, DecodeError> {
    let envelope = decode_envelope(bytes.clone())?;
    assert_eq!(encoded(&envelope), bytes, "two encodings of {envelope:?}");
    Ok(envelope)
}

fn scene(draw: &mut Draw) -> Scene {
    let members = (1..4).map(|n| (NodeId(n), ReplicaId(n), DiskId(u128::from(n) << 70))).collect();
    let number = |draw: &mut Draw| draw.any() >> (2 + draw.below(62));
    Scene {
        range: RangeId(number(draw)),
        members,
        me: 0,
        my_boot: Boot { counter: number(draw), nonce: draw.any() },
        term: number(draw),
        last: LogPosition::new(LogIndex(number(draw)), Term(number(draw))),
        commit: number(draw),
        counter: number(draw),
        sound: true,
        tame: false,
    }
}

fn envelope(bytes: &[u8]) -> Envelope {
    let mut draw = Draw::from_bytes(bytes);
    let scene = scene(&mut draw);
    let mut header = header();
    header.from.boot = scene.my_boot;
    let mut messages = Vec::new();
    while !draw.is_over() && messages.len() < 50 {
        messages.push(scene.message(&mut draw, 1));
    }
    Envelope { header, messages }
}

fn source() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..1500)
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(source in source()) {
        let envelope = envelope(&source);
        prop_assert_eq!(decoded(&encoded(&envelope)), Ok(envelope));
    }

    #[test]
    fn every_truncation_is_refused(source in source()) {
        let bytes = encoded(&envelope(&source[..source.len().min(200)]));
        let step = 1 + bytes.len() / 2000;
        for cut in (0..bytes.len()).step_by(step) {
            prop_assert!(decoded(&bytes.slice(..cut)).is_err(), "{cut} of {} bytes", bytes.len());
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_another_encoding(
        source in source(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
    ) {
        let mut bytes = encoded(&envelope(&source)).to_vec();
        for (at, byte, how) in damage {
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
            let _ = decoded(&Bytes::from(bytes.clone()));
        }
    }

    #[test]
    fn noise_is_refused_or_an_encoding(mut noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decoded(&Bytes::from(noise.clone()));
        noise.insert(0, FORMAT);
        let noise = Bytes::from(noise);
        let _ = decoded(&noise);
        if let Ok(entry) = decode_entry(&noise) {
            let mut again = Vec::new();
            encode_entry(&entry, &mut again);
            prop_assert_eq!(&again, &noise);
        }
        if let Ok(meta) = decode_snapshot_meta(&noise) {
            let mut again = Vec::new();
            encode_snapshot_meta(&meta, &mut again);
            prop_assert_eq!(&again, &noise);
        }
        if let Ok(hard_state) = decode_hard_state(&noise) {
            let mut again = Vec::new();
            encode_hard_state(&hard_state, &mut again);
            prop_assert_eq!(&again, &noise);
        }
    }

    #[test]
    fn what_goes_to_disk_decodes_to_the_same(
        source in source(),
        (term, vote, commit) in (0..LIMIT, prop::option::of(0..LIMIT), 0..LIMIT),
        (nanos, lost_disk) in (any::<u64>(), any::<bool>()),
    ) {
        let promise = Duration::from_nanos(nanos);
        let (term, vote, commit) = (Term(term), vote.map(NodeId), LogIndex(commit));
        let hard_state = HardState { term, vote, promise, commit, lost_disk };
        let mut bytes = Vec::new();
        encode_hard_state(&hard_state, &mut bytes);
        prop_assert_eq!(decode_hard_state(&bytes), Ok(hard_state));
        for cut in 0..bytes.len() {
            prop_assert!(decode_hard_state(&bytes[..cut]).is_err());
        }
        for message in envelope(&source).messages {
            match message.body {
                Body::Append(append) => for entry in append.entries {
                    let mut bytes = Vec::new();
                    encode_entry(&entry, &mut bytes);
                    let bytes = Bytes::from(bytes);
                    prop_assert_eq!(decode_entry(&bytes), Ok(entry));
                    for cut in 0..bytes.len().min(100) {
                        prop_assert!(decode_entry(&bytes.slice(..cut)).is_err());
                    }
                },
                Body::SnapshotOffer(offer) => {
                    let mut bytes = Vec::new();
                    encode_snapshot_meta(&offer.meta, &mut bytes);
                    prop_assert_eq!(decode_snapshot_meta(&bytes), Ok(offer.meta));
                    for cut in 0..bytes.len().min(100) {
                        prop_assert!(decode_snapshot_meta(&bytes[..cut]).is_err());
                    }
                }
                _ => {}
            }
        }
    }
}

// ---- sizes and memory ---------------------------------------------------------------------------------

fn header() -> Header {
    Header {
        cluster: ClusterId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        from: Peer {
            node: NodeId(2),
            disk: DiskId(0xd2d2_0000_0000_0000_0000_0000_0000_d2d2),
            boot: Boot { counter: 7, nonce: 0x7777_0000_0000_7777 },
        },
        to: Target { node: NodeId(1), disk: DiskId(0xd1d1_0000_0000_0000_0000_0000_0000_d1d1) },
    }
}

fn of(bodies: impl IntoIterator<Item = Body>) -> Envelope {
    let messages = bodies.into_iter().map(|body| Message {
        range: RangeId(9_000),
        from: ReplicaId(2),
        to: ReplicaId(1),
        term: Term(300),
        body,
    });
    Envelope { header: header(), messages: messages.collect() }
}

fn boot() -> Boot {
    Boot { counter: 5, nonce: 0x5555_0000_0000_5555 }
}

fn heartbeat() -> Body {
    let (round, commit) = (Round(1_000_000), LogIndex(10_000_000));
    Body::Heartbeat(Heartbeat { round, commit, promise: SECOND, ask_start: false, behind: false })
}

fn heartbeat_ack() -> Body {
    let (to_boot, round) = (boot(), Round(1_000_000));
    Body::HeartbeatAck(HeartbeatAck { to_boot, round, promised: SECOND, start: None })
}

#[test]
fn an_idle_group_costs_a_few_bytes() {
    for body in [heartbeat(), heartbeat_ack()] {
        let of_some = |n: usize| encoded(&of(std::iter::repeat_n(body.clone(), n))).len();
        let each = of_some(101) - of_some(100);
        println!("{} bytes in an envelope, {each} more for each further one", of_some(1));
        assert!(each <= 20, "{body:?} takes {each} bytes");
    }
}

fn append_of(lengths: &[usize]) -> Append {
    let prev = LogPosition::new(LogIndex(10), Term(3));
    let entry = |(at, length): (usize, &usize)| Entry {
        index: LogIndex(11 + at as u64),
        term: Term(3),
        payload: Payload::Command(Bytes::from(vec![at as u8; *length])),
    };
    Append { prev, entries: lengths.iter().enumerate().map(entry).collect(), commit: LogIndex(10) }
}

fn commands(envelope: &Envelope) -> Vec<Bytes> {
    let appends = envelope.messages.iter().filter_map(|message| match &message.body {
        Body::Append(append) => Some(append),
        _ => None,
    });
    appends
        .flat_map(|append| &append.entries)
        .filter_map(|entry| match &entry.payload {
            Payload::Command(command) => Some(command.clone()),
            _ => None,
        })
        .collect()
}

fn shares(whole: &Bytes, part: &Bytes) -> bool {
    whole.as_ptr_range().contains(&part.as_ptr())
}

#[test]
fn commands_share_the_envelope() {
    let bytes = encoded(&of([Body::Append(append_of(&[100, 1, 5_000]))]));
    let commands = commands(&decode_envelope(bytes.clone()).unwrap());
    assert!(commands.iter().all(|command| shares(&bytes, command)));
}

#[test]
fn a_small_command_keeps_no_large_envelope_alive() {
    let heartbeats = std::iter::repeat_n(heartbeat(), 1_000);
    let small = of(heartbeats.chain([Body::Append(append_of(&[100, 0, 5]))]));
    let bytes = encoded(&small);
    let decoded = decode_envelope(bytes.clone()).unwrap();
    assert_eq!(decoded, small);
    assert!(!commands(&decoded).iter().any(|command| shares(&bytes, command)));
}

#[test]
fn a_command_on_disk_shares_its_record() {
    let entry = append_of(&[10]).entries.remove(0);
    let mut bytes = Vec::new();
    encode_entry(&entry, &mut bytes);
    let bytes = Bytes::from(bytes);
    let Payload::Command(command) = decode_entry(&bytes).unwrap().payload else { panic!("a command") };
    assert!(shares(&bytes, &command));
}

// ---- what is refused ------------------------------------------------------------------------------------

/// The envelope's bytes with `body` in place of everything after the messages' count.
fn raw(count: &[u8], body: &[u8]) -> Result<Envelope, DecodeError> {
    let empty = encoded(&of([]));
    let mut bytes = empty[..empty.len() - 1].to_vec();
    bytes.extend_from_slice(count);
    bytes.extend_from_slice(body);
    decoded(&Bytes::from(bytes))
}

/// A message of replicas 2 to 1 of range 1 in term 3.
fn raw_message(head: u8, body: &[u8]) -> Result<Envelope, DecodeError> {
    raw(&[1], &[&[head, 1, 2, 1, 3], body].concat())
}

const NINE_BYTES: [u8; 9] = [0xff; 9];

#[test]
fn every_refusal_says_why() {
    use DecodeError::{
        NotCanonical, Overlong, TooLarge, TooMany, Trailing, Truncated, UnknownFlag, UnknownFormat,
        UnknownKind, UnknownTag,
    };
    assert_eq!(decoded(&Bytes::new()), Err(Truncated));
    assert_eq!(decoded(&Bytes::from_static(&[9, 0])), Err(UnknownFormat { found: 9 }));
    assert_eq!(raw(&[0], &[1, 2]), Err(Trailing { bytes: 2 }));
    assert_eq!(raw(&[1], &[]), Err(Truncated));
    // Heads: no kind, a flag or a boot where none can be, a bit too many.
    for head in [0x00, 0x0a, 0x06 | 0x20, 0x06 | 0x40, 0x06 | 0x80, 0x13 | 0x20, 0x1f] {
        assert_eq!(raw_message(head, &[]), Err(UnknownKind { head }), "{head:#x}");
    }
    // Numbers: too long by a zero, beyond 64 bits, beyond the limit.
    let padded = NotCanonical { what: "a number in more bytes than it needs" };
    assert_eq!(raw_message(0x05, &[0x81, 0x00]), Err(padded));
    assert_eq!(raw_message(0x05, &[&NINE_BYTES[..], &[0x02]].concat()), Err(Overlong));
    let limit = LIMIT;
    let most = raw_message(0x05, &[&NINE_BYTES[..], &[0x01]].concat());
    assert_eq!(most, Err(TooLarge { value: u64::MAX, limit }));
    let first = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40];
    assert_eq!(raw_message(0x05, &first), Err(TooLarge { value: limit, limit }));
    // A read's id may be anything.
    assert!(raw_message(0x08, &[&NINE_BYTES[..], &[0x01]].concat()).is_ok());
    // A heartbeat of 1 s and as many nanoseconds.
    let second = [0x80, 0x94, 0xeb, 0xdc, 0x03];
    let too_many_nanos = raw_message(0x04, &[&[1, 1, 0][..], &second].concat());
    assert_eq!(too_many_nanos, Err(TooLarge { value: 1_000_000_000, limit: 1_000_000_000 }));
    // Counts.
    let (million, limit) = ([0x81, 0x80, 0x40], MAX_MESSAGES);
    assert_eq!(raw(&million, &[]), Err(TooMany { what: "messages", count: (1 << 20) + 1, limit }));
    assert_eq!(raw(&[0x80, 0x80, 0x40], &[]), Err(Truncated));
    let entries = raw_message(0x03, &[&[1, 1, 1][..], &million].concat());
    assert_eq!(entries, Err(TooMany { what: "entries", count: (1 << 20) + 1, limit: MAX_ENTRIES }));
    let members = raw_message(0x03, &[1, 1, 1, 1, 1, 65]);
    assert_eq!(members, Err(TooMany { what: "members", count: 65, limit: 64 }));
    // Entries: an unknown tag, a term that is not new.
    assert_eq!(raw_message(0x03, &[1, 1, 1, 1, 3]), Err(UnknownTag { tag: 3 }));
    assert_eq!(raw_message(0x03, &[1, 1, 1, 1, 8]), Err(UnknownTag { tag: 8 }));
    let same_term = NotCanonical { what: "a new term that is the old one" };
    assert_eq!(raw_message(0x03, &[1, 1, 1, 1, 4, 0]), Err(same_term));
    // A configuration with members out of order, or of an unknown role.
    let member = |node: u8, role: u8| [&[node, 1][..], &[0; 16], &[0, role]].concat();
    let two =
        |a: Vec<u8>, b: Vec<u8>| raw_message(0x03, &[&[1, 1, 1, 1, 1, 2][..], &a, &b, &[9, 9, 0]].concat());
    assert!(two(member(1, 0), member(2, 1)).is_ok());
    assert_eq!(two(member(2, 0), member(1, 0)), Err(NotCanonical { what: "members out of order" }));
    assert_eq!(two(member(1, 0), member(1, 0)), Err(NotCanonical { what: "members out of order" }));
    assert_eq!(two(member(1, 0), member(2, 2)), Err(UnknownFlag { found: 2 }));
    // A boot that is said again.
    let again = raw_message(0x13, &[&[0][..], &[0; 8], &[7]].concat());
    assert_eq!(again, Err(NotCanonical { what: "the boot of the reply before, again" }));
    assert!(raw_message(0x13 | 0x40, &[7]).is_ok());
    assert_eq!(decode_hard_state(&[FORMAT, 4, 1, 1, 0, 1]), Err(UnknownFlag { found: 4 }));
}

#[test]
fn numbers_of_every_width_pass() {
    let powers = (0..64).map(|bits| 1u64 << bits);
    let numbers: Vec<u64> = powers.flat_map(|power| [power - 1, power, power | power >> 1]).collect();
    for number in numbers.into_iter().chain([u64::MAX, u64::MAX / 3]) {
        let read = || Body::ReadRequest(ReadRequest { id: ReadId(number) });
        // At the end of the bytes, and with more behind it.
        let envelope = of([read(), read(), read()]);
        assert_eq!(decoded(&encoded(&envelope)), Ok(envelope), "{number}");
    }
    for zeros in 1..9 {
        let padded = [vec![0x81], vec![0x80; zeros - 1], vec![0], vec![0; 9]].concat();
        let what = "a number in more bytes than it needs";
        assert_eq!(raw_message(0x08, &padded), Err(DecodeError::NotCanonical { what }), "{zeros}");
    }
}

#[test]
fn an_append_cannot_reach_the_limit_of_indexes() {
    let last = LIMIT - 3;
    let prev = LogPosition::new(LogIndex(last), Term(1));
    let noop = |index| Entry { index: LogIndex(index), term: Term(1), payload: Payload::Noop };
    let append = |n| {
        of([Body::Append(Append {
            prev,
            commit: prev.index,
            entries: (1..=n).map(|i| noop(last + i)).collect(),
        })])
    };
    assert!(decoded(&encoded(&append(2))).is_ok());
    assert!(decoded(&encoded(&append(3))).is_err());
}

#[test]
#[should_panic(expected = "consecutive")]
fn a_gap_in_an_append_is_a_bug() {
    let mut append = append_of(&[1, 1, 1]);
    append.entries.remove(1);
    encoded(&of([Body::Append(append)]));
}

// ---- the format as it is ----------------------------------------------------------------------------------

fn configuration() -> Arc<Configuration> {
    let voters = [1u64, 2, 3].map(|n| (NodeId(n), DiskId(u128::from(n))));
    let mut configuration = Configuration::bootstrap(voters);
    let learner = Member { replica: ReplicaId(4), disk: DiskId(4), boot: 200, role: MemberRole::Learner };
    configuration.members.insert(NodeId(4), learner);
    configuration.next_node = NodeId(6);
    configuration.next_replica = ReplicaId(5);
    configuration.reserved = Some(NodeId(5));
    Arc::new(configuration)
}

fn snapshot_meta() -> SnapshotMeta {
    let (last, configuration_at) =
        (LogPosition::new(LogIndex(500), Term(9)), LogPosition::new(LogIndex(4), Term(2)));
    SnapshotMeta { last, configuration: configuration(), configuration_at }
}

fn entries() -> Vec<Entry> {
    let payloads = [
        Payload::Noop,
        Payload::Command(Bytes::from_static(b"put a")),
        Payload::Configuration(configuration()),
    ];
    let places = [(41, 6), (42, 6), (43, 300)];
    let made = payloads.into_iter().zip(places);
    made.map(|(payload, (i, t))| Entry { index: LogIndex(i), term: Term(t), payload }).collect()
}

/// One of each kind, and a few of several.
fn samples() -> Vec<(&'static str, Envelope)> {
    let (to_boot, last) = (boot(), LogPosition::new(LogIndex(40), Term(6)));
    let campaign = CampaignId(11);
    let asked = |forced| VoteRequest { campaign, last, forced };
    let answer = |granted| VoteReply { to_boot, campaign, granted };
    let id = SnapshotId(77);
    let start = Some(BootStart { term: Term(6), last });
    let ask = Heartbeat {
        round: Round(12),
        commit: LogIndex(40),
        promise: Duration::from_millis(1_500),
        ask_start: true,
        behind: false,
    };
    let append = Append { prev: last, entries: entries(), commit: LogIndex(39) };
    vec![
        ("empty", of([])),
        ("pre-vote", of([Body::PreVote(asked(false))])),
        ("pre-vote-reply", of([Body::PreVoteReply(answer(true))])),
        ("vote", of([Body::Vote(asked(true))])),
        ("vote-reply", of([Body::VoteReply(answer(false))])),
        ("append", of([Body::Append(append)])),
        ("append-ack", of([Body::AppendAck(AppendAck { to_boot, matched: LogIndex(43) })])),
        (
            "append-reject",
            of([Body::AppendReject(AppendReject { to_boot, rejected: LogIndex(40), hint: last })]),
        ),
        ("heartbeat", of([heartbeat(), Body::Heartbeat(ask)])),
        (
            "heartbeat-ack",
            of([
                heartbeat_ack(),
                Body::HeartbeatAck(HeartbeatAck { to_boot, round: Round(12), promised: SECOND, start }),
            ]),
        ),
        ("commit", of([Body::Commit(Commit { commit: LogIndex(128) })])),
        ("timeout-now", of([Body::TimeoutNow(TimeoutNow)])),
        ("snapshot-offer", of([Body::SnapshotOffer(SnapshotOffer { id, meta: snapshot_meta() })])),
        (
            "snapshot-reply",
            of([Body::SnapshotReply(SnapshotReply { to_boot, id, index: LogIndex(500), installed: true })]),
        ),
        ("read-request", of([Body::ReadRequest(ReadRequest { id: ReadId(8) })])),
        (
            "read-reply",
            of([
                Body::ReadReply(ReadReply { to_boot, id: ReadId(8), index: Some(LogIndex(43)) }),
                Body::ReadReply(ReadReply { to_boot, id: ReadId(9), index: None }),
            ]),
        ),
        ("lost-disk", of([Body::LostDisk(LostDisk { disk: DiskId(1), boot: boot() })])),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn the_format_is_as_it_was() {
    let mut lines: Vec<(String, Vec<u8>)> =
        samples().iter().map(|(name, envelope)| ((*name).to_owned(), encoded(envelope).to_vec())).collect();
    for (name, entry) in ["entry-noop", "entry-command", "entry-configuration"].iter().zip(entries()) {
        let mut bytes = Vec::new();
        encode_entry(&entry, &mut bytes);
        lines.push(((*name).to_owned(), bytes));
    }
    let mut bytes = Vec::new();
    encode_snapshot_meta(&snapshot_meta(), &mut bytes);
    lines.push(("snapshot-meta".to_owned(), bytes));
    let (term, commit) = (Term(300), LogIndex(39));
    let voted = HardState { term, vote: Some(NodeId(2)), promise: SECOND, commit, lost_disk: false };
    let lost = HardState { vote: None, lost_disk: true, ..voted };
    for (name, hard_state) in [("hard-state", voted), ("hard-state-lost", lost)] {
        let mut bytes = Vec::new();
        encode_hard_state(&hard_state, &mut bytes);
        lines.push((name.to_owned(), bytes));
    }
    let text: String = lines.iter().map(|(name, bytes)| format!("{name} {}\n", hex(bytes))).collect();
    let same = text == include_str!("golden/format-1.txt");
    assert!(same, "golden/format-1.txt differs, and a new layout needs a new FORMAT:\n{text}");
}

#[test]
fn the_samples_are_of_every_kind() {
    let samples = samples();
    let kinds: BTreeSet<String> = samples
        .iter()
        .flat_map(|(_, envelope)| &envelope.messages)
        .map(|message| format!("{:?}", message.body).split('(').next().unwrap().to_owned())
        .collect();
    assert_eq!(kinds.len(), 16, "{kinds:?}");
    for (name, envelope) in samples {
        assert_eq!(decoded(&encoded(&envelope)), Ok(envelope), "{name}");
    }
}
