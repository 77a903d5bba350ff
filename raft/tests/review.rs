//! Schedules that once broke a promise of the core. Each test says what went wrong, and drives one or a few
//! replicas by hand through the public interface.

#![expect(clippy::unwrap_used, reason = "a test, its helpers included")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use raft::{
    Append, AppendAck, AppendReject, Body, Boot, BootStart, CampaignId, Change, ChangeError, ClusterId,
    Configuration, DiskId, Entry, HardState, Header, Heartbeat, HeartbeatAck, Identity, LogIndex,
    LogPosition, LogRead, LogWrite, Member, MemberRole, Message, NodeId, Output, Payload, Peer, Raft,
    RangeId, ReadMode, ReadReply, ReplicaId, Restored, RoleKind, Round, Settings, SnapshotId, SnapshotMeta,
    SnapshotOffer, Target, Term, Time, VoteReply, VoteRequest,
};

const CLUSTER: ClusterId = ClusterId(7);
const RANGE: RangeId = RangeId(1);
const SECOND: Duration = Duration::from_secs(1);

fn disk(node: u64) -> DiskId {
    DiskId(u128::from(node) + 100)
}

fn peer(node: u64, boot: u64) -> Peer {
    Peer { node: NodeId(node), disk: disk(node), boot: Boot { counter: boot, nonce: node * 1000 + boot } }
}

fn at(index: u64, term: u64) -> LogPosition {
    LogPosition::new(LogIndex(index), Term(term))
}

fn entry(index: u64, term: u64) -> Entry {
    let payload = Payload::Command(Bytes::from_static(b"x"));
    Entry { index: LogIndex(index), term: Term(term), payload }
}

/// Node n has replica n.
fn members(voters: &[u64], learners: &[u64], boot: u64) -> Configuration {
    let mut configuration = Configuration::default();
    for (node, role) in voters
        .iter()
        .map(|n| (*n, MemberRole::Voter))
        .chain(learners.iter().map(|n| (*n, MemberRole::Learner)))
    {
        let member = Member { replica: ReplicaId(node), disk: disk(node), boot, role };
        configuration.members.insert(NodeId(node), member);
        configuration.next_node = configuration.next_node.max(NodeId(node + 1));
        configuration.next_replica = configuration.next_replica.max(ReplicaId(node + 1));
    }
    configuration
}

fn first_entry(configuration: Configuration) -> Entry {
    let payload = Payload::Configuration(Arc::new(configuration));
    Entry { index: LogIndex(1), term: Term(1), payload }
}

fn hard_state(term: u64, commit: u64) -> HardState {
    HardState { term: Term(term), commit: LogIndex(commit), ..HardState::default() }
}

fn meta(index: u64, term: u64, configuration: Configuration) -> SnapshotMeta {
    SnapshotMeta { last: at(index, term), configuration: Arc::new(configuration), configuration_at: at(1, 1) }
}

/// One replica, its log on a disk, and what the caller of it would do.
struct Node {
    raft: Raft,
    me: Peer,
    now: Time,
    hard_state: HardState,
    base: SnapshotMeta,
    log: Vec<Entry>,
    applied: LogIndex,
    hung: bool,
    pending: Vec<LogWrite>,
}

impl Node {
    fn start(
        me: u64,
        boot: u64,
        settings: Settings,
        disk: (HardState, SnapshotMeta, Vec<Entry>),
        applied: u64,
    ) -> Self {
        let (hard_state, base, log) = disk;
        let applied = LogIndex(applied);
        let restored = Restored::scan(hard_state, base.clone(), log.clone(), applied).unwrap();
        let identity =
            Identity { cluster: CLUSTER, peer: peer(me, boot), range: RANGE, replica: ReplicaId(me) };
        let raft = Raft::restore(Time::ZERO, me, identity, settings, restored).unwrap();
        Self {
            raft,
            me: peer(me, boot),
            now: Time::ZERO,
            hard_state,
            base,
            log,
            applied,
            hung: false,
            pending: Vec::new(),
        }
    }

    /// A member whose log holds only the first configuration.
    fn new(me: u64, configuration: Configuration) -> Self {
        let disk = (hard_state(1, 1), SnapshotMeta::empty(), vec![first_entry(configuration)]);
        Self::start(me, 1, Settings::default(), disk, 1)
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.raft.tick(self.now);
    }

    fn from(&mut self, from: Peer, term: u64, body: Body) {
        let to = Target { node: self.me.node, disk: self.me.disk };
        let header = Header { cluster: CLUSTER, from, to };
        let (sender, receiver) = (ReplicaId(from.node.0), ReplicaId(self.me.node.0));
        let message = Message { range: RANGE, from: sender, to: receiver, term: Term(term), body };
        self.raft.step(self.now, &header, message);
    }

    /// What the replica wants done; writes are done at once unless the disk hangs, and what is to be applied is.
    fn output(&mut self) -> Output {
        let mut all = Output::default();
        loop {
            let output = self.raft.take_output(self.now);
            if output.is_empty() {
                return all;
            }
            self.pending.extend(output.write.clone());
            if !self.hung {
                for write in std::mem::take(&mut self.pending) {
                    self.write(write);
                }
            }
            for entry in &output.apply {
                self.applied = entry.index;
                self.raft.applied(self.now, entry.index);
            }
            all.messages.extend(output.messages);
            all.apply.extend(output.apply);
            all.reads.extend(output.reads);
            all.failed_reads.extend(output.failed_reads);
            all.log_reads.extend(output.log_reads);
            all.snapshots_wanted.extend(output.snapshots_wanted);
            all.fetch = output.fetch.or(all.fetch);
            all.install = output.install.or(all.install);
            all.changes.extend(output.changes);
        }
    }

    fn write(&mut self, write: LogWrite) {
        self.hard_state = write.hard_state.unwrap_or(self.hard_state);
        if let Some(base) = write.base {
            let reset = base.reset;
            self.log.retain(|entry| !reset && entry.index > base.meta.last.index);
            self.base = base.meta;
        }
        if let Some(from) = write.truncate_from {
            self.log.retain(|entry| entry.index < from);
        }
        self.log.extend(write.entries);
        self.raft.log_persisted(self.now, write.seq);
    }

    fn role(&self) -> RoleKind {
        self.raft.status(self.now).role
    }

    /// Elected by the votes of `voters`; gives the term.
    fn elect(&mut self, voters: &[u64]) -> u64 {
        self.raft.campaign(self.now);
        self.answer_votes(voters);
        self.answer_votes(voters);
        self.output();
        assert_eq!(self.role(), RoleKind::Leader);
        self.raft.status(self.now).term.0
    }

    fn answer_votes(&mut self, voters: &[u64]) {
        for outgoing in self.output().messages {
            let (node, term, to_boot) = (outgoing.to.node.0, outgoing.message.term.0, self.me.boot);
            let reply = |campaign| VoteReply { to_boot, campaign, granted: true };
            let body = match outgoing.message.body {
                Body::PreVote(request) => Body::PreVoteReply(reply(request.campaign)),
                Body::Vote(request) => Body::VoteReply(reply(request.campaign)),
                _ => continue,
            };
            if voters.contains(&node) {
                self.from(peer(node, 1), term, body);
            }
        }
    }

    /// The latest heartbeat round that it sent: acked by `from`, with a promise.
    fn ack_heartbeat(
        &mut self,
        from: Peer,
        term: u64,
        promised: Duration,
        start: Option<BootStart>,
    ) -> Output {
        self.pass(Duration::from_millis(100));
        let output = self.output();
        let round = output.messages.iter().find_map(|outgoing| match &outgoing.message.body {
            Body::Heartbeat(heartbeat) => Some(heartbeat.round),
            _ => None,
        });
        let ack = HeartbeatAck { to_boot: self.me.boot, round: round.unwrap(), promised, start };
        self.from(from, term, Body::HeartbeatAck(ack));
        self.output()
    }
}

/// Three replicas that talk to each other.
struct Group {
    nodes: Vec<Node>,
    /// Links that lose everything, from and to.
    cut: BTreeSet<(u64, u64)>,
    /// What is lost on every link to this node.
    loses: fn(u64, &Body) -> bool,
    reads: Vec<(u64, u64)>,
}

impl Group {
    fn new(settings: &Settings) -> Self {
        let start = |n| {
            let disk =
                (hard_state(1, 1), SnapshotMeta::empty(), vec![first_entry(members(&[1, 2, 3], &[], 0))]);
            Node::start(n, 1, settings.clone(), disk, 1)
        };
        Self {
            nodes: [1, 2, 3].map(start).into(),
            cut: BTreeSet::new(),
            loses: |_, _| false,
            reads: Vec::new(),
        }
    }

    fn node(&mut self, node: u64) -> &mut Node {
        self.nodes.iter_mut().find(|n| n.me.node.0 == node).unwrap()
    }

    /// Delivers until nothing moves.
    fn settle(&mut self) {
        loop {
            let mut sent = Vec::new();
            for node in &mut self.nodes {
                let output = node.output();
                self.reads.extend(output.reads.iter().map(|read| (node.me.node.0, read.token)));
                sent.extend(output.messages.into_iter().map(|outgoing| (node.me, outgoing)));
            }
            if sent.is_empty() {
                return;
            }
            for (from, outgoing) in sent {
                let to = outgoing.to.node.0;
                let lost = self.cut.contains(&(from.node.0, to)) || (self.loses)(to, &outgoing.message.body);
                if !lost {
                    let header = Header { cluster: CLUSTER, from, to: outgoing.to };
                    let node = self.node(to);
                    node.raft.step(node.now, &header, outgoing.message);
                }
            }
        }
    }

    /// Lets time pass; a replica is ticked only when it asked to be.
    fn pass(&mut self, time: Duration) {
        let step = Duration::from_millis(10);
        for _ in 0..time.as_millis() / step.as_millis() {
            for node in &mut self.nodes {
                node.now = node.now + step;
                if node.raft.next_deadline() <= node.now {
                    node.raft.tick(node.now);
                }
            }
            self.settle();
        }
    }

    fn elect(&mut self, node: u64) {
        let now = self.node(node).now;
        self.node(node).raft.campaign(now);
        self.settle();
        assert_eq!(self.node(node).role(), RoleKind::Leader);
    }

    fn propose(&mut self, node: u64) {
        let node = self.node(node);
        node.raft.propose(node.now, Bytes::from_static(b"x")).unwrap();
    }

    fn applied(&mut self, node: u64) -> LogIndex {
        self.node(node).applied
    }
}

// ---- commit and reads ---------------------------------------------------------------------------------

/// A follower acks an entry, misses that it is committed, asks for pre-votes, is refused and follows the same
/// leader again. It must still know that its log equals the leader's, or nothing tells it of the commit until
/// somebody writes again, and a read on it hangs for as long.
#[test]
fn a_follower_that_was_refused_pre_votes_still_learns_what_is_committed() {
    let mut group = Group::new(&Settings::default());
    group.elect(1);
    group.pass(SECOND);
    group.loses = |to, body| to == 3 && matches!(body, Body::Commit(_) | Body::Heartbeat(_));
    group.propose(1);
    group.settle();
    let leader = group.applied(1);
    assert!(group.applied(3) < leader, "the commit was lost");
    group.pass(SECOND * 4);
    assert_eq!(group.node(3).role(), RoleKind::PreCandidate);
    assert_eq!(group.node(1).role(), RoleKind::Leader);

    group.loses = |_, _| false;
    group.pass(SECOND);
    let now = group.node(3).now;
    group.node(3).raft.read_index(now, 9).unwrap();
    group.pass(SECOND);
    assert_eq!(group.applied(3), leader);
    assert!(group.reads.contains(&(3, 9)));
}

/// A leader whose disk hangs must step down although reads keep it busy: their rounds of heartbeats must not
/// put off the tick that looks at the disk (and at the quorum, and that repeats `TimeoutNow`).
#[test]
fn reads_do_not_put_off_the_look_at_the_disk() {
    let mut group = Group::new(&Settings { read_mode: ReadMode::ReadIndex, ..Settings::default() });
    group.elect(1);
    group.node(1).hung = true;
    group.propose(1);
    for token in 0..60 {
        group.pass(Duration::from_millis(50));
        let node = group.node(1);
        if node.role() != RoleKind::Leader {
            return;
        }
        node.raft.read_index(node.now, token).unwrap();
        group.settle();
    }
    panic!("a leader led for three seconds with a disk that hangs");
}

// ---- who is who ---------------------------------------------------------------------------------------

/// The log says that node 2 had boot 5 when it was added. Boot 4 is its disk rolled back: its vote is void.
#[test]
fn a_boot_below_the_one_in_the_log_does_not_vote() {
    let mut node = Node::new(1, members(&[1, 2, 3], &[], 5));
    node.raft.campaign(node.now);
    let asked = node.output().messages;
    let Some(Body::PreVote(request)) = asked.first().map(|outgoing| outgoing.message.body.clone()) else {
        panic!("no pre-vote");
    };
    let reply = VoteReply { to_boot: node.me.boot, campaign: request.campaign, granted: true };
    node.from(peer(2, 4), 2, Body::PreVoteReply(reply));
    assert_eq!(node.role(), RoleKind::PreCandidate);
    assert_eq!(node.raft.counters().identity_drops, 1);
    node.from(peer(2, 5), 2, Body::PreVoteReply(reply));
    assert_eq!(node.role(), RoleKind::Candidate);
}

/// A leader whose change was lost had added node 7 with a disk that was replaced before the change was
/// repeated. Node 7 leads now; a follower with the lost change in its log must listen to it, or it keeps that
/// log for as long as node 7 leads.
#[test]
fn an_uncommitted_configuration_does_not_shut_out_the_leader() {
    let mut stale = members(&[1, 2, 3], &[7], 0);
    stale.members.get_mut(&NodeId(7)).unwrap().disk = DiskId(1);
    let payload = Payload::Configuration(Arc::new(stale));
    let log =
        vec![first_entry(members(&[1, 2, 3], &[], 0)), Entry { index: LogIndex(2), term: Term(2), payload }];
    let mut node = Node::start(1, 1, Settings::default(), (hard_state(2, 1), SnapshotMeta::empty(), log), 1);
    // It has tried to be elected meanwhile.
    node.pass(SECOND * 3);
    assert_eq!(node.role(), RoleKind::PreCandidate);
    let entries = vec![entry(2, 3)];
    node.from(peer(7, 1), 3, Body::Append(Append { prev: at(1, 1), entries, commit: LogIndex(1) }));
    node.output();
    assert_eq!(node.raft.last_position(), at(2, 3));
}

/// A snapshot ack counts like an append ack: a disk that loses the snapshot afterwards is a lost disk.
#[test]
fn a_disk_that_loses_an_installed_snapshot_is_lost() {
    let mut node = Node::new(1, members(&[1, 2, 3], &[], 0));
    let term = node.elect(&[2]);
    let to_boot = node.me.boot;
    node.from(peer(2, 1), term, Body::AppendAck(AppendAck { to_boot, matched: LogIndex(2) }));
    node.output();
    node.raft.compact(LogIndex(2)).unwrap();
    // Node 3 has nothing, and gets a snapshot.
    let reject = AppendReject { to_boot, rejected: LogIndex(1), hint: at(0, 0) };
    node.from(peer(3, 1), term, Body::AppendReject(reject));
    assert_eq!(node.output().snapshots_wanted, [NodeId(3)]);
    let id = SnapshotId(1);
    let offer = node.raft.snapshot_meta(LogIndex(2)).unwrap();
    node.raft.offer_snapshot(node.now, NodeId(3), id, offer);
    node.output();
    let reply = raft::SnapshotReply { to_boot, id, index: LogIndex(2), installed: true };
    node.from(peer(3, 1), term, Body::SnapshotReply(reply));
    assert!(node.raft.status(node.now).followers.iter().all(|follower| follower.matched == LogIndex(2)));

    // Its next boot begins with an empty log, and with the term.
    let start = BootStart { term: Term(term), last: at(0, 0) };
    let output = node.ack_heartbeat(peer(3, 2), term, Duration::ZERO, Some(start));
    assert!(output.messages.iter().any(|outgoing| matches!(outgoing.message.body, Body::LostDisk(_))));
}

/// A disk that lost what it acknowledged lost its promise too: the lease does not count on it any longer.
#[test]
fn a_lost_disk_promises_nothing() {
    let mut node = Node::new(1, members(&[1, 2, 3], &[], 0));
    let term = node.elect(&[2]);
    let to_boot = node.me.boot;
    node.from(peer(2, 1), term, Body::AppendAck(AppendAck { to_boot, matched: LogIndex(2) }));
    node.ack_heartbeat(peer(2, 1), term, SECOND, None);
    assert!(node.raft.status(node.now).lease);
    let start = BootStart { term: Term(term), last: at(1, 1) };
    node.ack_heartbeat(peer(2, 2), term, SECOND, Some(start));
    assert_eq!(node.raft.counters().lost_disks, 1);
    assert!(!node.raft.status(node.now).lease);
}

/// The verdict is about the disk: the next boot may have got back from the leader what was lost, and is lost
/// nevertheless, for nobody knows what else it forgot.
#[test]
fn a_lost_disk_stays_lost() {
    let mut node = Node::new(1, members(&[1, 2, 3], &[], 0));
    let term = node.elect(&[2]);
    let to_boot = node.me.boot;
    node.from(peer(2, 1), term, Body::AppendAck(AppendAck { to_boot, matched: LogIndex(2) }));
    node.ack_heartbeat(peer(2, 1), term, SECOND, None);
    let short = BootStart { term: Term(term), last: at(1, 1) };
    node.ack_heartbeat(peer(2, 2), term, SECOND, Some(short));
    let refilled = BootStart { term: Term(term), last: at(2, term) };
    let output = node.ack_heartbeat(peer(2, 3), term, SECOND, Some(refilled));
    assert!(output.messages.iter().any(|outgoing| matches!(outgoing.message.body, Body::LostDisk(_))));
}

// ---- snapshots ----------------------------------------------------------------------------------------

/// A follower with ten entries, the last nine not applied and no longer in memory, and its leader, node 2 of
/// term 2.
fn lagging() -> (Node, Output) {
    let mut log = vec![first_entry(members(&[1, 2, 3], &[], 0))];
    log.extend((2..=10).map(|index| entry(index, 1)));
    let mut node = Node::start(1, 1, Settings::default(), (hard_state(2, 10), SnapshotMeta::empty(), log), 1);
    let append = Append { prev: at(10, 1), entries: Vec::new(), commit: LogIndex(10) };
    node.from(peer(2, 1), 2, Body::Append(append));
    let output = node.output();
    (node, output)
}

fn offer(id: u64, index: u64, term: u64) -> Body {
    let meta = meta(index, term, members(&[1, 2, 3], &[], 0));
    Body::SnapshotOffer(SnapshotOffer { id: SnapshotId(id), meta })
}

/// While the state machine is being replaced, entries that come back from the disk must not be applied to it.
#[test]
fn nothing_is_applied_during_an_install() {
    let (mut node, output) = lagging();
    let read: LogRead = output.log_reads[0];
    node.from(peer(2, 1), 2, offer(1, 20, 2));
    assert!(node.output().fetch.is_some());
    node.raft.snapshot_received(node.now, SnapshotId(1));
    assert!(node.output().install.is_some());
    let entries = node.log[1..].to_vec();
    node.raft.log_read(node.now, read, entries);
    assert!(node.output().apply.is_empty());
    node.raft.snapshot_ingested(node.now);
    assert!(node.output().apply.is_empty());
    assert_eq!(node.raft.status(node.now).applied, LogIndex(20));
}

/// From the intent to the end of an install the replica serves no read, not even one that it could have served
/// before.
#[test]
fn no_read_is_served_during_an_install() {
    let (mut node, _) = lagging();
    node.raft.read_index(node.now, 9).unwrap();
    let request = node.output().messages.into_iter().find_map(|outgoing| match outgoing.message.body {
        Body::ReadRequest(request) => Some(request.id),
        _ => None,
    });
    node.from(peer(2, 1), 2, offer(1, 20, 2));
    node.raft.snapshot_received(node.now, SnapshotId(1));
    assert!(node.output().install.is_some());
    let reply = ReadReply { to_boot: node.me.boot, id: request.unwrap(), index: Some(LogIndex(1)) };
    node.from(peer(2, 1), 2, Body::ReadReply(reply));
    assert!(node.output().reads.is_empty());
    node.hung = true;
    node.raft.snapshot_ingested(node.now);
    assert!(node.output().reads.is_empty());
    node.hung = false;
    for write in std::mem::take(&mut node.pending) {
        node.write(write);
    }
    assert_eq!(node.output().reads.len(), 1);
}

/// A replica is elected while it fetches a snapshot, then follows again. Ids belong to their sender: the end
/// of the first transfer, which the caller was never told to stop, must not be taken for the end of another
/// with the same id.
#[test]
fn office_does_not_forget_a_transfer_under_way() {
    let (mut node, _) = lagging();
    node.from(peer(2, 1), 2, offer(1, 20, 2));
    assert!(node.output().fetch.is_some());
    // The next leader's log reaches it.
    let entries = (11..=20).map(|index| entry(index, 2)).collect();
    node.from(peer(3, 1), 3, Body::Append(Append { prev: at(10, 1), entries, commit: LogIndex(10) }));
    node.pass(SECOND * 3);
    let term = node.elect(&[2]);
    // Node 3 leads again, and offers a snapshot of its own.
    node.from(peer(3, 1), term + 1, offer(1, 40, term + 1));
    assert!(node.output().fetch.is_none(), "one transfer at a time");
    node.raft.snapshot_received(node.now, SnapshotId(1));
    assert!(node.output().install.is_none(), "what was received is the first one");
    node.from(peer(3, 1), term + 1, offer(1, 40, term + 1));
    assert!(node.output().fetch.is_some(), "now it is free");
}

// ---- membership ---------------------------------------------------------------------------------------

/// A learner was caught up, then silent while the log went on; its first answer is a reject. It is not caught
/// up now, whatever it was before.
#[test]
fn a_learner_that_fell_behind_in_silence_is_not_promoted() {
    let mut node = Node::new(1, members(&[1], &[2], 0));
    let term = node.elect(&[]);
    let to_boot = node.me.boot;
    node.from(peer(2, 1), term, Body::AppendAck(AppendAck { to_boot, matched: LogIndex(2) }));
    for _ in 0..3_000 {
        node.raft.propose(node.now, Bytes::from_static(b"x")).unwrap();
        node.output();
    }
    node.pass(SECOND * 5);
    let reject = AppendReject { to_boot, rejected: LogIndex(2_000), hint: at(2, term) };
    node.from(peer(2, 1), term, Body::AppendReject(reject));
    let promoted = node.raft.propose_change(node.now, at(1, 1), vec![Change::Promote { node: NodeId(2) }], 1);
    let window = SECOND;
    assert_eq!(promoted, Err(ChangeError::NotCaughtUp { node: NodeId(2), window }));
}

// ---- bounds -------------------------------------------------------------------------------------------

/// A slow state machine is not handed the whole log: what waits for it in the caller's memory is bounded.
#[test]
fn a_slow_state_machine_is_not_handed_everything() {
    let mut node = Node::new(1, members(&[1], &[], 0));
    node.elect(&[]);
    let mut handed = 0;
    let command = Bytes::from(vec![0; 1 << 20]);
    for _ in 0..64 {
        node.raft.propose(node.now, command.clone()).unwrap();
        let output = node.raft.take_output(node.now);
        if let Some(write) = output.write {
            node.write(write);
        }
        handed += output.apply.iter().map(Entry::size).sum::<usize>();
    }
    assert!(handed <= 2 * Settings::default().apply_bytes, "{handed} bytes wait to be applied");
}

/// Remote input never panics, be it ever so wrong.
#[test]
fn absurd_messages_are_dropped() {
    // A promise for ever.
    let mut node = Node::new(1, members(&[1, 2, 3], &[], 0));
    let term = node.elect(&[2]);
    node.ack_heartbeat(peer(2, 1), term, Duration::MAX, None);
    node.pass(SECOND * 5);
    assert!(!node.raft.status(node.now).lease);

    // Entries that conflict with the base of the log and go beyond it.
    let base = meta(10, 5, members(&[1, 2, 3], &[], 0));
    let mut node = Node::start(1, 1, Settings::default(), (hard_state(5, 10), base, Vec::new()), 10);
    let entries = (6..=12).map(|index| entry(index, 1)).collect();
    node.from(peer(2, 1), 6, Body::Append(Append { prev: at(5, 1), entries, commit: LogIndex(12) }));
    assert_eq!(node.raft.last_position(), at(10, 5));

    // A configuration after which no id can be minted.
    let mut node = Node::new(1, members(&[1, 2], &[], 0));
    let last = Configuration { next_node: NodeId(u64::MAX), ..members(&[1, 2], &[], 0) };
    let payload = Payload::Configuration(Arc::new(last));
    let entries = vec![Entry { index: LogIndex(2), term: Term(2), payload }];
    node.from(peer(2, 1), 2, Body::Append(Append { prev: at(1, 1), entries, commit: LogIndex(1) }));
    assert_eq!(node.raft.last_position(), at(1, 1));
}

/// Ids of reads and campaigns begin anew with each boot. A late answer to the boot before must not answer this
/// one's question: its index may be from before what is committed now.
#[test]
fn an_answer_to_an_earlier_boot_answers_nothing() {
    let disk = (hard_state(2, 1), SnapshotMeta::empty(), vec![first_entry(members(&[1, 2, 3], &[], 0))]);
    let mut node = Node::start(1, 2, Settings::default(), disk, 1);
    let heartbeat = Heartbeat {
        round: Round(1),
        commit: LogIndex(1),
        promise: Duration::ZERO,
        ask_start: false,
        behind: false,
    };
    node.from(peer(2, 1), 2, Body::Heartbeat(heartbeat));
    node.raft.read_index(node.now, 9).unwrap();
    let id = node.output().messages.into_iter().find_map(|outgoing| match outgoing.message.body {
        Body::ReadRequest(request) => Some(request.id),
        _ => None,
    });
    let reply = |boot| {
        let to_boot = peer(1, boot).boot;
        Body::ReadReply(ReadReply { to_boot, id: id.unwrap(), index: Some(LogIndex(1)) })
    };
    node.from(peer(2, 1), 2, reply(1));
    assert!(node.output().reads.is_empty(), "answered by what the boot before was told");
    node.from(peer(2, 1), 2, reply(2));
    assert_eq!(node.output().reads.len(), 1);
}

/// What an earlier boot may have promised stays on the disk until it is waited out: the next boot may follow
/// at once, and has nothing else to know it from.
#[test]
fn a_promise_stays_on_the_disk_until_it_is_waited_out() {
    let first = vec![first_entry(members(&[1, 2, 3], &[], 0))];
    let promised = HardState { promise: SECOND, ..hard_state(2, 1) };
    let mut node = Node::start(1, 2, Settings::default(), (promised, SnapshotMeta::empty(), first), 1);
    node.pass(SECOND - Duration::from_millis(1));
    node.output();
    assert_eq!(node.hard_state.promise, SECOND);
    node.pass(Duration::from_millis(1));
    node.output();
    assert_eq!(node.hard_state.promise, Duration::ZERO);
}

/// That the log equalled the last leader's says nothing about the next one's: another leader's heartbeat
/// commits nothing before an append of its own showed that the logs are equal.
#[test]
fn what_an_earlier_leader_showed_equal_is_forgotten() {
    let mut node = Node::new(1, members(&[1, 2, 3], &[], 0));
    let append = Append { prev: at(1, 1), entries: vec![entry(2, 2)], commit: LogIndex(1) };
    node.from(peer(2, 1), 2, Body::Append(append));
    let heartbeat = Heartbeat {
        round: Round(1),
        commit: LogIndex(2),
        promise: Duration::ZERO,
        ask_start: false,
        behind: false,
    };
    node.from(peer(3, 1), 3, Body::Heartbeat(heartbeat));
    node.output();
    assert_eq!(node.applied, LogIndex(1));
}

/// A learner that led for a moment handed over what it held: it has no reason any more to campaign.
#[test]
fn a_learner_leads_once() {
    let configuration = members(&[1, 2, 3], &[4], 0);
    let mut node = Node::new(4, configuration);
    let append = Append { prev: at(1, 1), entries: vec![entry(2, 2)], commit: LogIndex(1) };
    node.from(peer(2, 1), 2, Body::Append(append));
    node.output();
    node.pass(SECOND * 3);
    node.output();
    let request = VoteRequest { campaign: CampaignId(1), last: at(1, 1), forced: false };
    node.from(peer(1, 1), 3, Body::PreVote(request));
    node.output();
    let term = node.elect(&[1, 3]);
    for voter in [1, 3] {
        let ack = AppendAck { to_boot: node.me.boot, matched: LogIndex(3) };
        node.from(peer(voter, 1), term, Body::AppendAck(ack));
    }
    let told = node.output().messages.iter().any(|o| matches!(o.message.body, Body::TimeoutNow(_)));
    assert!(told && node.role() == RoleKind::Follower);
    node.pass(SECOND * 10);
    let asks = node.output().messages.iter().any(|o| matches!(o.message.body, Body::PreVote(_)));
    assert!(!asks, "it campaigns again, against those that hold the same by now");
}
