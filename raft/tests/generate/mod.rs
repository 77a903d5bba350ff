//! Arbitrary messages, from random numbers or from a fuzzer's bytes: every kind, with numbers that are
//! plausible for a given replica, and with absurd ones.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft::{
    Append, AppendAck, AppendReject, Body, Boot, BootStart, CampaignId, Commit, Configuration, DiskId, Entry,
    Heartbeat, HeartbeatAck, LogIndex, LogPosition, LostDisk, Member, MemberRole, Message, NodeId, Payload,
    RangeId, ReadId, ReadReply, ReadRequest, ReplicaId, Round, SnapshotId, SnapshotMeta, SnapshotOffer,
    SnapshotReply, Term, TimeoutNow, VoteReply, VoteRequest,
};

/// Numbers from here on are refused everywhere.
pub const LIMIT: u64 = 1 << 62;

/// Choices: random ones without end, or a fuzzer's bytes and then zeros.
pub struct Draw<'a> {
    bytes: Option<&'a [u8]>,
    state: u64,
}

impl<'a> Draw<'a> {
    #[allow(dead_code, reason = "not every test binary draws at random")]
    pub fn from_seed(seed: u64) -> Self {
        Self { bytes: None, state: seed }
    }

    #[allow(dead_code, reason = "not every test binary draws from bytes")]
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        Self { bytes: Some(bytes), state: 0 }
    }

    /// Whether the bytes are used up.
    #[allow(dead_code, reason = "not every test binary draws from bytes")]
    pub fn is_over(&self) -> bool {
        self.bytes.is_some_and(<[u8]>::is_empty)
    }

    /// Up to eight bytes; a fuzzer's input should not be spent on more than is needed.
    fn take(&mut self, bytes: usize) -> u64 {
        if let Some(rest) = &mut self.bytes {
            let (taken, left) = rest.split_at(bytes.min(rest.len()));
            *rest = left;
            return taken.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        }
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) >> (64 - 8 * bytes)
    }

    pub fn any(&mut self) -> u64 {
        self.take(8)
    }

    /// Below `end`, which is above zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.take(if end <= 1 << 8 { 1 } else { 4 }) % end
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == n - 1
    }

    fn random(&mut self) -> u128 {
        u128::from(self.any()) << 64 | u128::from(self.any())
    }

    /// `near` or thereabouts, and sometimes anything.
    fn number(&mut self, scene: &Scene, near: u64) -> u64 {
        let value = match self.below(if scene.tame { 12 } else { 16 }) {
            0..=5 => near,
            6 => near.saturating_add(1),
            7 => near.saturating_sub(1),
            8 => near.saturating_add(self.below(5)),
            9 => near.saturating_sub(self.below(5)),
            10 => self.below(4),
            11 => self.below(300),
            12 => LIMIT - 1 - self.below(3),
            13 => LIMIT + self.below(3),
            14 => 1 << self.below(64),
            _ => self.any(),
        };
        if scene.sound { value.min(LIMIT - 1) } else { value }
    }
}

/// What the receiver is like, so that what it gets may be plausible.
#[derive(Clone, Debug)]
pub struct Scene {
    pub range: RangeId,
    /// Node, replica and disk of each member.
    pub members: Vec<(NodeId, ReplicaId, DiskId)>,
    /// The receiver, among the members.
    pub me: usize,
    pub my_boot: Boot,
    pub term: u64,
    pub last: LogPosition,
    pub commit: u64,
    /// The campaigns, rounds, reads and snapshots under way have about this number.
    pub counter: u64,
    /// Only what a sender may send, in itself.
    pub sound: bool,
    /// No absurd numbers.
    pub tame: bool,
}

impl Scene {
    fn index(&self, draw: &mut Draw) -> LogIndex {
        let near = if draw.one_in(3) { self.commit } else { self.last.index.0 };
        LogIndex(draw.number(self, near))
    }

    fn term(&self, draw: &mut Draw) -> Term {
        // A higher term ends everything that the receiver was doing: not too often.
        if draw.below(if self.tame { 64 } else { 8 }) > 0 {
            Term(self.term)
        } else {
            Term(draw.number(self, self.term))
        }
    }

    fn position(&self, draw: &mut Draw) -> LogPosition {
        if draw.below(4) < 2 {
            return self.last;
        }
        LogPosition::new(self.index(draw), self.term(draw))
    }

    fn counter(&self, draw: &mut Draw) -> u64 {
        draw.number(self, self.counter)
    }

    fn to_boot(&self, draw: &mut Draw) -> Boot {
        if draw.below(8) < 7 { self.my_boot } else { self.any_boot(draw) }
    }

    fn any_boot(&self, draw: &mut Draw) -> Boot {
        Boot { counter: draw.number(self, self.my_boot.counter).min(LIMIT - 1), nonce: draw.any() }
    }

    fn duration(&self, draw: &mut Draw) -> Duration {
        match draw.below(if self.tame { 4 } else { 8 }) {
            0 => Duration::ZERO,
            1 | 2 => Duration::from_secs(1),
            3 => Duration::from_millis(draw.below(3_000)),
            4 if self.sound => Duration::new(u64::from(u32::MAX), 999_999_999),
            4 => Duration::MAX,
            5 if !self.sound => Duration::from_secs(draw.any()),
            _ => Duration::from_nanos(draw.any()),
        }
    }

    fn disk(&self, draw: &mut Draw) -> DiskId {
        if draw.one_in(4) { DiskId(draw.random()) } else { self.members[self.me].2 }
    }

    /// Sometimes like the group's, sometimes large, sometimes nonsense.
    pub fn configuration(&self, draw: &mut Draw) -> Configuration {
        let mut configuration = Configuration::bootstrap(self.members.iter().map(|(n, _, d)| (*n, *d)));
        let strangers = if draw.one_in(16) { draw.below(61) } else { draw.below(3) };
        for _ in 0..strangers {
            let node = configuration.next_node;
            let role = if draw.one_in(3) { MemberRole::Voter } else { MemberRole::Learner };
            let (replica, boot) = (configuration.next_replica, self.any_boot(draw).counter);
            configuration.members.insert(node, Member { replica, disk: DiskId(draw.random()), boot, role });
            configuration.next_node = NodeId(node.0 + 1);
            configuration.next_replica = ReplicaId(replica.0 + 1);
        }
        if draw.one_in(4) {
            configuration.reserved = Some(configuration.next_node);
            configuration.next_node = NodeId(configuration.next_node.0 + 1);
        }
        match draw.below(if self.tame { 8 } else { 14 }) {
            8 => configuration.next_node = NodeId(draw.number(self, 9)),
            9 => configuration.next_replica = ReplicaId(draw.number(self, 9)),
            10 => configuration.members.clear(),
            11 => configuration.reserved = Some(NodeId(draw.number(self, 2))),
            12 => configuration.members.values_mut().for_each(|m| m.role = MemberRole::Learner),
            13 => configuration.members.values_mut().for_each(|m| m.disk = DiskId(1)),
            _ => {}
        }
        configuration
    }

    fn payload(&self, draw: &mut Draw) -> Payload {
        match draw.below(16) {
            0 | 1 => Payload::Noop,
            2 => Payload::Configuration(Arc::new(self.configuration(draw))),
            _ => {
                let length = if draw.one_in(32) { draw.below(40_000) } else { draw.below(200) };
                let fill = u8::try_from(draw.below(256)).unwrap_or_default();
                Payload::Command(Bytes::from(vec![fill; usize::try_from(length).unwrap_or_default()]))
            }
        }
    }

    fn append(&self, draw: &mut Draw, term: Term) -> Append {
        let prev = self.position(draw);
        let mut previous = prev;
        let mut entries = Vec::new();
        let most = if draw.one_in(64) { 200 } else { 4 };
        for _ in 0..draw.below(most) {
            let mut entry = Entry {
                index: LogIndex(previous.index.0.saturating_add(1)),
                term: if draw.one_in(4) { term.max(previous.term) } else { previous.term },
                payload: self.payload(draw),
            };
            if !self.sound && draw.one_in(32) {
                entry.index = self.index(draw);
                entry.term = self.term(draw);
            }
            if self.sound && entry.index.0 >= LIMIT {
                break;
            }
            previous = entry.position();
            entries.push(entry);
        }
        Append { prev, entries, commit: self.index(draw) }
    }

    fn snapshot_meta(&self, draw: &mut Draw) -> SnapshotMeta {
        let last = self.position(draw);
        let configuration = Arc::new(self.configuration(draw));
        let configuration_at = if draw.one_in(2) { last } else { self.position(draw) };
        SnapshotMeta { last, configuration, configuration_at }
    }

    fn body(&self, draw: &mut Draw, term: Term) -> Body {
        // Appends do the most, LostDisk ends everything.
        let kinds = if !self.tame && draw.one_in(64) { 25 } else { 24 };
        match draw.below(kinds) {
            0 => Body::PreVote(self.vote_request(draw)),
            1 => Body::PreVoteReply(self.vote_reply(draw)),
            2 => Body::Vote(self.vote_request(draw)),
            3 => Body::VoteReply(self.vote_reply(draw)),
            4..=10 => Body::Append(self.append(draw, term)),
            11 | 12 => Body::AppendAck(AppendAck { to_boot: self.to_boot(draw), matched: self.index(draw) }),
            13 | 14 => {
                let (to_boot, rejected) = (self.to_boot(draw), self.index(draw));
                Body::AppendReject(AppendReject { to_boot, rejected, hint: self.position(draw) })
            }
            15 => Body::Heartbeat(Heartbeat {
                round: Round(self.counter(draw)),
                commit: self.index(draw),
                promise: self.duration(draw),
                ask_start: draw.one_in(2),
                behind: draw.one_in(2),
            }),
            16 => {
                let (to_boot, round) = (self.to_boot(draw), Round(self.counter(draw)));
                let promised = self.duration(draw);
                let start =
                    draw.one_in(3).then(|| BootStart { term: self.term(draw), last: self.position(draw) });
                Body::HeartbeatAck(HeartbeatAck { to_boot, round, promised, start })
            }
            17 => Body::Commit(Commit { commit: self.index(draw) }),
            18 if draw.one_in(4) => Body::TimeoutNow(TimeoutNow),
            18 | 19 => Body::SnapshotOffer(SnapshotOffer {
                id: SnapshotId(self.counter(draw)),
                meta: self.snapshot_meta(draw),
            }),
            20 | 21 => Body::SnapshotReply(SnapshotReply {
                to_boot: self.to_boot(draw),
                id: SnapshotId(self.counter(draw)),
                index: self.index(draw),
                installed: draw.one_in(2),
            }),
            22 => Body::ReadRequest(ReadRequest { id: ReadId(self.counter(draw)) }),
            23 => {
                let index = draw.one_in(2).then(|| self.index(draw));
                let (to_boot, id) = (self.to_boot(draw), ReadId(self.counter(draw)));
                Body::ReadReply(ReadReply { to_boot, id, index })
            }
            _ => Body::LostDisk(LostDisk { disk: self.disk(draw), boot: self.to_boot(draw) }),
        }
    }

    fn vote_request(&self, draw: &mut Draw) -> VoteRequest {
        let campaign = CampaignId(self.counter(draw));
        VoteRequest { campaign, last: self.position(draw), forced: draw.one_in(8) }
    }

    fn vote_reply(&self, draw: &mut Draw) -> VoteReply {
        let (to_boot, campaign) = (self.to_boot(draw), CampaignId(self.counter(draw)));
        VoteReply { to_boot, campaign, granted: draw.below(4) < 3 }
    }

    /// A message to the receiver, from the member `from` as far as that is known.
    pub fn message(&self, draw: &mut Draw, from: usize) -> Message {
        let term = self.term(draw);
        let address = |draw: &mut Draw, replica: ReplicaId| {
            if draw.one_in(64) { ReplicaId(draw.number(self, replica.0)) } else { replica }
        };
        let from = address(draw, self.members.get(from).map_or(ReplicaId(99), |member| member.1));
        let to = address(draw, self.members[self.me].1);
        let range = if draw.one_in(128) { RangeId(draw.any()) } else { self.range };
        Message { range, from, to, term, body: self.body(draw, term) }
    }
}
