//! Arbitrary messages of peers never panic, and cost no more memory than the budgets allow.

mod generate;
#[path = "generate/host.rs"]
mod host;
#[path = "generate/world.rs"]
mod world;

use bytes::Bytes;
use generate::{Draw, LIMIT};
use host::{CLUSTER, Host, RANGE, disk_of, peer};
use peak_alloc::PeakAlloc;
use raft::{
    Append, Body, CampaignId, Commit, Configuration, Entry, Header, Heartbeat, HeartbeatAck, LogIndex,
    LogPosition, Message, NodeId, Payload, Peer, ReadId, ReadRequest, ReplicaId, RoleKind, Round, Settings,
    Target, Term, Time, VoteReply,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use world::{Diligence, SITUATIONS, Situation, World, tiny_settings};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What a replica may use beside its budgets.
const SLACK: usize = 16 << 20;
const MESSAGES: u64 = 1_000_000;

/// The heap belongs to the whole process: tests that measure it run one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the budgets of one replica add up to; a read that waits takes at most so many bytes.
fn budgets(settings: &Settings) -> usize {
    const READ: usize = 256;
    settings.uncommitted_bytes
        + settings.unpersisted_bytes
        + settings.cache_bytes
        + settings.pending_reads * READ
}

/// One way to be attacked.
#[derive(Clone, Debug)]
struct Case {
    situation: Situation,
    settings: Settings,
    diligence: Diligence,
    absurd: bool,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for situation in SITUATIONS {
        for settings in [tiny_settings(), Settings::default()] {
            for diligence in [Diligence::Prompt, Diligence::Lazy, Diligence::Hung] {
                for absurd in [false, true] {
                    cases.push(Case { situation, settings: settings.clone(), diligence, absurd });
                }
            }
        }
    }
    // A lost disk takes no part, in whatever way.
    let first_lost = cases.iter().position(|case| case.situation == Situation::LostDisk);
    cases.truncate(first_lost.unwrap_or_default() + 1);
    cases
}

#[derive(Default)]
struct Seen {
    messages: u64,
    worlds: u64,
    most_heap: usize,
    roles: BTreeMap<RoleKind, u64>,
    dropped: u64,
}

/// Attacks one world until it is ruined or `messages` were sent.
fn attack(case: &Case, messages: u64, seen: &mut Seen) {
    let before = HEAP.current_usage();
    let seed = seen.worlds;
    let mut draw = Draw::from_seed(seed);
    let mut world = World::new(case.situation, &case.settings, case.diligence, case.absurd);
    let allowed = world.replicas() * budgets(&case.settings) + SLACK;
    let mut ruined = 0;
    while world.attacks < messages && ruined < 20 {
        world.attack(&mut draw);
        ruined += u64::from(world.is_ruined() && case.situation != Situation::LostDisk);
        *seen.roles.entry(world.role()).or_insert(0) += 1;
        if world.attacks.is_multiple_of(200) {
            world.clear_network();
            let used = HEAP.current_usage().saturating_sub(before + world.disk_heap());
            assert!(used <= allowed, "{used} bytes used, {allowed} allowed, seed {seed}, {case:?}");
            seen.most_heap = seen.most_heap.max(used);
        }
    }
    let counters = world.counters();
    seen.dropped += counters.identity_drops + counters.bad_messages;
    seen.messages += world.attacks;
    seen.worlds += 1;
}

#[test]
fn a_million_random_messages_neither_panic_nor_fill_the_memory() {
    let _alone = alone();
    let cases = cases();
    let each = MESSAGES.div_ceil(cases.len() as u64);
    let mut seen = Seen::default();
    for case in &cases {
        // Many short attacks, because the situation does not last; then as long a one as possible.
        let end = seen.messages + each;
        while seen.messages < end {
            let left = end - seen.messages;
            let messages = if left > each / 2 { left.min(200) } else { left };
            attack(case, messages, &mut seen);
        }
    }
    let Seen { messages, worlds, most_heap, roles, dropped } = seen;
    println!(
        "{messages} messages ({dropped} dropped) in {worlds} worlds, heap at most {most_heap} bytes, {roles:?}"
    );
    assert!(messages >= MESSAGES && dropped < MESSAGES / 2);
    for role in [RoleKind::Follower, RoleKind::PreCandidate, RoleKind::Candidate, RoleKind::Leader] {
        let messages = roles.get(&role).copied().unwrap_or_default();
        assert!(messages > MESSAGES / 500, "{role:?} is rare: {roles:?}");
    }
}

// ---- floods: what a peer could make grow, one thing at a time --------------------------------------------

const SECOND: Duration = Duration::from_secs(1);

/// A follower of node 2 in a group of three. Messages come one by one and each output is taken; nothing else
/// is done unless the test does it.
struct Flooded {
    host: Host,
    now: Time,
    term: u64,
    last: LogPosition,
    messages: u64,
    heap_before: usize,
    heap_allowed: usize,
}

impl Flooded {
    fn new(settings: Settings) -> Self {
        let heap_before = HEAP.current_usage();
        let heap_allowed = budgets(&settings) + SLACK;
        let host = Host::new(NodeId(1), &[1, 2, 3].map(NodeId), settings);
        let last = host.raft.last_position();
        Self { host, now: Time::from_nanos(1), term: 1, last, messages: 0, heap_before, heap_allowed }
    }

    fn send_from(&mut self, from: Peer, replica: ReplicaId, body: Body) {
        let to = Target { node: NodeId(1), disk: disk_of(NodeId(1)) };
        let header = Header { cluster: CLUSTER, from, to };
        let message = Message { range: RANGE, from: replica, to: ReplicaId(1), term: Term(self.term), body };
        self.host.raft.step(self.now, &header, message);
        self.host.take_output(self.now);
        self.messages += 1;
        if self.messages.is_multiple_of(256) {
            let used = HEAP.current_usage().saturating_sub(self.heap_before + self.host.disk_heap());
            assert!(used <= self.heap_allowed, "{used} bytes after {} messages", self.messages);
        }
    }

    fn send(&mut self, body: Body) {
        self.send_from(peer(NodeId(2)), ReplicaId(2), body);
    }

    /// Entries with these payloads, after the last that was taken.
    fn append(&mut self, payloads: impl IntoIterator<Item = Payload>) {
        let (prev, term) = (self.last, Term(self.term));
        let entry = |(index, payload)| Entry { index: LogIndex(index), term, payload };
        let entries = (prev.index.0 + 1..).zip(payloads).map(entry).collect();
        self.send(Body::Append(Append { prev, entries, commit: LogIndex::ZERO }));
        self.last = self.host.raft.last_position();
    }

    fn heartbeat(&mut self) {
        let (round, commit) = (Round(self.messages), LogIndex::ZERO);
        self.send(Body::Heartbeat(Heartbeat {
            round,
            commit,
            promise: SECOND,
            ask_start: false,
            behind: false,
        }));
    }

    /// Commits, applies and compacts everything.
    fn compact(&mut self) {
        self.host.persist_all(self.now);
        self.send(Body::Commit(Commit { commit: self.last.index }));
        while self.host.raft.compact(self.last.index).is_err() {
            self.host.do_all(self.now);
            self.host.take_output(self.now);
        }
    }
}

#[test]
fn rising_terms_before_a_hung_disk() {
    let _alone = alone();
    let mut flooded = Flooded::new(tiny_settings());
    for _ in 0..500_000 {
        flooded.term += 1;
        flooded.heartbeat();
    }
    // It gets well as soon as the disk does.
    while flooded.host.raft.status(flooded.now).persisted < LogIndex(2) {
        flooded.host.persist_all(flooded.now);
        flooded.append([Payload::Noop]);
    }
}

#[test]
fn the_smallest_entries_before_a_hung_disk() {
    let _alone = alone();
    let mut flooded = Flooded::new(Settings::default());
    for _ in 0..20_000 {
        flooded.append((0..100).map(|n| Payload::Command(Bytes::from(vec![n]))));
    }
    assert!(flooded.host.raft.counters().overload_drops > 0);
}

#[test]
fn a_term_for_every_entry_of_a_log_that_is_never_compacted() {
    let _alone = alone();
    let mut flooded = Flooded::new(tiny_settings());
    for _ in 0..1_000_000 {
        flooded.term += 1;
        flooded.append([Payload::Noop]);
        flooded.host.persist_all(flooded.now);
    }
    // Where it looks for a common entry, it does not look at every term.
    let prev = LogPosition::new(LogIndex(LIMIT - 1), Term(0));
    for _ in 0..1_000 {
        flooded.send(Body::Append(Append { prev, entries: Vec::new(), commit: LogIndex::ZERO }));
    }
}

#[test]
fn members_that_change_all_the_time() {
    let _alone = alone();
    let mut flooded = Flooded::new(tiny_settings());
    for n in 10..500_010 {
        let members = [1, 2, 3, n].map(|n| (NodeId(n), disk_of(NodeId(n))));
        flooded.append([Payload::Configuration(Arc::new(Configuration::bootstrap(members)))]);
        flooded.compact();
        flooded.send_from(peer(NodeId(n)), ReplicaId(4), Body::ReadRequest(ReadRequest { id: ReadId(n) }));
    }
}

#[test]
fn votes_of_strangers() {
    let _alone = alone();
    let mut flooded = Flooded::new(tiny_settings());
    flooded.now = flooded.now + 3 * SECOND;
    flooded.host.raft.campaign(flooded.now);
    for n in 0..500_000 {
        let to_boot = peer(NodeId(1)).boot;
        let reply = VoteReply { to_boot, campaign: CampaignId(1), granted: true };
        flooded.send_from(peer(NodeId(1_000 + n)), ReplicaId(99), Body::PreVoteReply(reply));
    }
    assert_eq!(flooded.host.raft.status(flooded.now).role, RoleKind::PreCandidate);
}

// ---- what once went wrong --------------------------------------------------------------------------------

#[test]
fn a_promise_without_end() {
    let mut leader = Flooded::new(Settings::default());
    leader.now = leader.now + 3 * SECOND;
    leader.host.raft.campaign(leader.now);
    let to_boot = peer(NodeId(1)).boot;
    let vote = |campaign| VoteReply { to_boot, campaign: CampaignId(campaign), granted: true };
    leader.term = 2;
    leader.send(Body::PreVoteReply(vote(1)));
    leader.host.persist_all(leader.now);
    leader.send(Body::VoteReply(vote(2)));
    assert_eq!(leader.host.raft.status(leader.now).role, RoleKind::Leader);
    let ack = HeartbeatAck { to_boot, round: Round(1), promised: Duration::MAX, start: None };
    leader.send(Body::HeartbeatAck(ack));
    leader.host.do_all(leader.now);
    // It counts for no longer than was asked for.
    assert!(!leader.host.raft.status(leader.now + SECOND).lease);
}

#[test]
fn an_append_that_contradicts_what_was_compacted() {
    let mut follower = Flooded::new(Settings::default());
    follower.term = 5;
    follower.append([Payload::Noop, Payload::Noop]);
    follower.compact();
    let prev = LogPosition::new(LogIndex(1), Term(1));
    let older = |index| Entry { index: LogIndex(index), term: Term(2), payload: Payload::Noop };
    let entries = (2..6).map(older).collect();
    follower.send(Body::Append(Append { prev, entries, commit: LogIndex::ZERO }));
    assert_eq!(follower.host.raft.last_position(), LogPosition::new(LogIndex(3), Term(5)));
}

#[test]
fn a_configuration_that_uses_up_the_ids() {
    let mut follower = Flooded::new(Settings::default());
    let last = follower.last;
    let first = Configuration::bootstrap([1, 2, 3].map(|n| (NodeId(n), disk_of(NodeId(n)))));
    for greedy in [
        Configuration { next_node: NodeId(u64::MAX), ..first.clone() },
        Configuration { next_replica: ReplicaId(u64::MAX), ..first },
    ] {
        follower.append([Payload::Configuration(Arc::new(greedy))]);
        assert_eq!(follower.last, last);
    }
}
