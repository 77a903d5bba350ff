//! A small group, brought honestly into a situation; then its first member is attacked with arbitrary
//! messages while its own caller goes on and the others answer as they do.

#![allow(dead_code, reason = "not every test binary uses all of it")]
#![allow(clippy::unwrap_used, reason = "an honest preparation that fails is a failed test")]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use raft::{
    Body, Boot, Change, Counters, DiskId, Header, LogIndex, LogPosition, Message, NodeId, Peer, ReplicaId,
    RoleKind, Settings, Target, Time,
};

use crate::generate::{Draw, LIMIT, Scene};
use crate::host::{CLUSTER, Host, RANGE, disk_of, peer};

/// Where the attack begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Situation {
    Follower,
    Candidate,
    LeaderOfThree,
    LeaderOfFive,
    LeaderWithLearner,
    FetchingSnapshot,
    InstallingSnapshot,
    Transferring,
    ChangingMembers,
    SingleVoter,
    LostDisk,
}

pub const SITUATIONS: [Situation; 11] = [
    Situation::Follower,
    Situation::Candidate,
    Situation::LeaderOfThree,
    Situation::LeaderOfFive,
    Situation::LeaderWithLearner,
    Situation::FetchingSnapshot,
    Situation::InstallingSnapshot,
    Situation::Transferring,
    Situation::ChangingMembers,
    Situation::SingleVoter,
    Situation::LostDisk,
];

/// How the attacked replica's disk and state machine behave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Diligence {
    /// Everything is done at once.
    Prompt,
    /// Everything is done sooner or later.
    Lazy,
    /// Output is taken, and nothing ever gets done.
    Hung,
}

/// Budgets so small that each is used up all the time.
pub fn tiny_settings() -> Settings {
    Settings {
        append_bytes: 512,
        window_messages: 3,
        window_bytes: 2 << 10,
        entry_bytes: 4 << 10,
        uncommitted_bytes: 16 << 10,
        unpersisted_bytes: 16 << 10,
        cache_bytes: 4 << 10,
        apply_bytes: 1 << 10,
        pending_reads: 16,
        caught_up_entries: 8,
        transfer_log_bytes: 8 << 10,
        ..Settings::default()
    }
}

/// Messages on their way at most.
const MAX_IN_TRANSIT: usize = 200;

#[derive(Clone, Debug)]
pub struct World {
    pub now: Time,
    hosts: Vec<Host>,
    transit: VecDeque<(Header, Message)>,
    diligence: Diligence,
    scene: Scene,
    /// Whether some messages have absurd numbers.
    absurd: bool,
    /// Newer boots that members were made out to have.
    boots: BTreeMap<NodeId, Boot>,
    reads: u64,
    /// How many messages were made up.
    pub attacks: u64,
}

impl World {
    pub fn new(situation: Situation, settings: &Settings, diligence: Diligence, absurd: bool) -> Self {
        let voters = match situation {
            Situation::LeaderOfFive => 5,
            Situation::SingleVoter => 1,
            _ => 3,
        };
        let voters: Vec<NodeId> = (1..=voters).map(NodeId).collect();
        let learner = NodeId(voters.len() as u64 + 1);
        let mut hosts: Vec<Host> =
            voters.iter().map(|node| Host::new(*node, &voters, settings.clone())).collect();
        hosts.push(Host::new(learner, &[], settings.clone()));
        let member = |node: NodeId| (node, ReplicaId(node.0), disk_of(node));
        let scene = Scene {
            range: RANGE,
            members: hosts.iter().map(|host| member(host.node)).collect(),
            me: 0,
            my_boot: peer(NodeId(1)).boot,
            term: 0,
            last: LogPosition::default(),
            commit: 0,
            counter: 0,
            sound: false,
            tame: true,
        };
        let mut world = Self {
            now: Time::from_nanos(1),
            hosts,
            transit: VecDeque::new(),
            diligence: Diligence::Prompt,
            scene,
            absurd,
            boots: BTreeMap::new(),
            reads: 0,
            attacks: 0,
        };
        world.prepare(situation, learner);
        world.diligence = diligence;
        world.look();
        world
    }

    // ---- honest preparation -------------------------------------------------------------------------

    fn prepare(&mut self, situation: Situation, learner: NodeId) {
        match situation {
            Situation::Follower => self.elect(1),
            Situation::Candidate => {
                self.elect(1);
                self.now = self.now + Duration::from_secs(3);
                self.victim_at(|raft, now| raft.campaign(now));
                self.take_output();
                self.transit.clear();
            }
            Situation::LeaderOfThree | Situation::LeaderOfFive | Situation::SingleVoter => self.elect(0),
            Situation::LeaderWithLearner => {
                self.elect(0);
                self.change(vec![Change::Reserve { abandon: None }, add(learner)]);
                self.settle();
            }
            Situation::FetchingSnapshot | Situation::InstallingSnapshot => {
                self.leave_behind();
                assert!(self.hosts[0].fetch.is_some(), "the victim needs a snapshot");
                if situation == Situation::InstallingSnapshot {
                    self.hosts[0].finish_fetch(self.now, true);
                    self.take_output();
                    assert!(self.hosts[0].install.is_some(), "the snapshot can be installed");
                }
            }
            Situation::Transferring => {
                self.elect(0);
                // Not replicated yet, so the transfer has to wait.
                self.victim_at(|raft, now| raft.propose(now, Bytes::from_static(b"last words"))).unwrap();
                self.victim_at(|raft, now| raft.transfer_leadership(now, NodeId(2))).unwrap();
            }
            Situation::ChangingMembers => {
                self.elect(0);
                self.change(vec![Change::Reserve { abandon: None }, add(learner)]);
                self.take_output();
                self.transit.clear();
            }
            Situation::LostDisk => {
                self.elect(1);
                let body =
                    Body::LostDisk(raft::LostDisk { disk: disk_of(NodeId(1)), boot: self.scene.my_boot });
                let term = self.hosts[0].raft.status(self.now).term;
                let (range, from, to) = (RANGE, ReplicaId(2), ReplicaId(1));
                let header = header(peer(NodeId(2)));
                let message = Message { range, from, to, term, body };
                self.victim_at(|raft, now| raft.step(now, &header, message));
                assert_eq!(self.role(), RoleKind::LostDisk);
            }
        }
    }

    fn change(&mut self, changes: Vec<Change>) {
        let planned_on = self.hosts[0].raft.status(self.now).configuration_at;
        self.victim_at(|raft, now| raft.propose_change(now, planned_on, changes, 0)).unwrap();
    }

    fn elect(&mut self, host: usize) {
        self.now = self.now + Duration::from_secs(3);
        self.hosts[host].raft.campaign(self.now);
        self.settle();
        let status = self.hosts[host].raft.status(self.now);
        assert!(status.role == RoleKind::Leader && status.applied == status.last.index, "{status:?}");
    }

    /// Delivers everything and does everything until nothing is left.
    fn settle(&mut self) {
        loop {
            self.take_output();
            if self.transit.is_empty() && self.hosts.iter().all(Host::is_idle) {
                break;
            }
            self.hosts.iter_mut().for_each(|host| host.do_all(self.now));
            self.deliver(usize::MAX);
        }
    }

    /// The others go on without the first until their logs no longer reach it.
    fn leave_behind(&mut self) {
        self.elect(1);
        let victim = self.hosts.remove(0);
        for _ in 0..3 {
            self.hosts[0].raft.propose(self.now, Bytes::from_static(b"unheard")).unwrap();
            self.settle();
        }
        for host in &mut self.hosts[..2] {
            let applied = host.raft.status(self.now).applied;
            host.raft.compact(applied).unwrap();
        }
        self.settle();
        self.hosts.insert(0, victim);
        for _ in 0..20 {
            self.now = self.now + Duration::from_millis(100);
            self.hosts[1].raft.tick(self.now);
            self.take_output();
            self.deliver(usize::MAX);
            self.take_output();
            if self.hosts[0].fetch.is_some() {
                break;
            }
            self.hosts[1..].iter_mut().for_each(|host| host.do_all(self.now));
            self.hosts[0].persist_all(self.now);
        }
        self.transit.clear();
    }

    // ---- the group goes on --------------------------------------------------------------------------

    fn take_output(&mut self) {
        for host in &mut self.hosts {
            let messages = host.take_output(self.now);
            if host.node == NodeId(1) {
                for (_, message) in &messages {
                    self.scene.counter = counter_of(&message.body).unwrap_or(self.scene.counter);
                }
            }
            self.transit.extend(messages);
        }
        let excess = self.transit.len().saturating_sub(MAX_IN_TRANSIT);
        self.transit.drain(..excess);
    }

    fn deliver(&mut self, most: usize) {
        for _ in 0..most.min(self.transit.len()) {
            let Some((header, message)) = self.transit.pop_front() else { break };
            if let Some(host) = self.hosts.iter_mut().find(|host| host.node == header.to.node) {
                host.raft.step(self.now, &header, message);
            }
        }
    }

    /// Lets the others do everything, and the attacked replica's caller what its diligence allows.
    fn work(&mut self, draw: &mut Draw) {
        let now = self.now;
        self.hosts[1..].iter_mut().for_each(|host| host.do_all(now));
        let host = &mut self.hosts[0];
        match self.diligence {
            Diligence::Prompt => host.do_all(now),
            Diligence::Lazy => match draw.below(10) {
                0..=2 => host.persist_one(now),
                3 => host.persist_all(now),
                4 => host.apply(now),
                5 => host.read_log(now),
                6 => host.offer(now),
                7 => host.finish_fetch(now, !draw.one_in(4)),
                8 => host.finish_install(now),
                _ => {}
            },
            Diligence::Hung => {}
        }
    }

    // ---- the attack ---------------------------------------------------------------------------------

    pub fn role(&self) -> RoleKind {
        self.hosts[0].raft.status(self.now).role
    }

    pub fn counters(&self) -> &Counters {
        self.hosts[0].raft.counters()
    }

    /// Whether hardly anything can happen any more: the disk is lost, or numbers are at their limit.
    pub fn is_ruined(&self) -> bool {
        let status = self.hosts[0].raft.status(self.now);
        status.role == RoleKind::LostDisk || status.term.0 > LIMIT / 2 || status.last.index.0 > LIMIT / 2
    }

    /// Looks at the attacked replica, to make up plausible messages.
    fn look(&mut self) {
        let status = self.hosts[0].raft.status(self.now);
        let (base, last) = (status.base.index, status.last.index);
        assert!(
            base <= status.commit && status.applied <= status.commit && status.commit <= last,
            "{status:?}"
        );
        assert!(status.persisted <= last, "{status:?}");
        self.scene.term = status.term.0;
        self.scene.last = status.last;
        self.scene.commit = status.commit.0;
    }

    /// One made-up message, and whatever else happens around it.
    pub fn attack(&mut self, draw: &mut Draw) {
        if draw.below(4) == 0 {
            self.local_call(draw);
        }
        self.look();
        self.scene.tame = !(self.absurd && draw.one_in(32));
        let from = usize::try_from(1 + draw.below(self.scene.members.len() as u64)).unwrap_or(1);
        let header = self.header(draw, from);
        let message = self.scene.message(draw, from);
        self.victim_at(|raft, now| raft.step(now, &header, message));
        self.attacks += 1;
        if draw.below(4) > 0 {
            self.take_output();
            self.work(draw);
            let most = draw.below(8);
            self.deliver(usize::try_from(most).unwrap_or_default());
        }
    }

    /// A sender among the members, rarely one that is not who it says, or a stranger.
    fn header(&mut self, draw: &mut Draw, from: usize) -> Header {
        let stranger = (NodeId(draw.below(1 << 20)), ReplicaId(99), DiskId(u128::from(draw.below(4))));
        let (node, _, disk) = self.scene.members.get(from).copied().unwrap_or(stranger);
        let boot = self.boots.get(&node).copied().unwrap_or(peer(node).boot);
        let mut from = Peer { node, disk, boot };
        match draw.below(256) {
            0 => from.boot = Boot { counter: 0, nonce: draw.any() },
            1 => from.disk = DiskId(5),
            2 => from.node = NodeId(draw.any()),
            // The true member is not listened to after that.
            3 if self.absurd && draw.one_in(8) => {
                from.boot.counter += 1;
                self.boots.insert(node, from.boot);
            }
            _ => {}
        }
        let mut header = header(from);
        if draw.one_in(256) {
            header.to.disk = DiskId(6);
        }
        header
    }

    /// Something that the caller of the attacked replica asks for, within the rules.
    fn local_call(&mut self, draw: &mut Draw) {
        let status = self.hosts[0].raft.status(self.now);
        let node = NodeId(1 + draw.below(self.scene.members.len() as u64 + 1));
        match draw.below(16) {
            0..=3 => {
                let length = usize::try_from(draw.below(6_000)).unwrap_or_default();
                let _ = self.victim_at(|raft, now| raft.propose(now, Bytes::from(vec![1; length])));
            }
            4..=6 => {
                self.reads += 1;
                let token = self.reads;
                let _ = self.victim_at(|raft, now| raft.read_index(now, token));
            }
            7 => {
                let planned_on =
                    if draw.one_in(8) { LogPosition::default() } else { status.configuration_at };
                let changes = (0..draw.below(4)).map(|_| change(draw, node)).collect();
                let _ = self.victim_at(|raft, now| raft.propose_change(now, planned_on, changes, 0));
            }
            8..=10 => {
                let step = [1, 20, 100, 100, 100, 700, 3_000];
                let at = usize::try_from(draw.below(step.len() as u64)).unwrap_or_default();
                self.now = self.now + Duration::from_millis(step[at]);
                let now = self.now;
                self.hosts.iter_mut().for_each(|host| host.raft.tick(now));
            }
            11 => {
                let upto = LogIndex(status.applied.0.saturating_sub(draw.below(4)) + draw.below(2));
                let _ = self.victim_at(|raft, _| raft.compact(upto));
            }
            12 => self.victim_at(|raft, now| raft.campaign(now)),
            13 => {
                let _ = self.victim_at(|raft, now| raft.transfer_leadership(now, node));
            }
            14 => {
                let header = self.header(draw, usize::try_from(node.0).unwrap_or_default());
                self.victim_at(|raft, now| raft.connected(now, &header));
            }
            _ if draw.one_in(4) => self.victim_at(|raft, now| raft.clock_jumped(now)),
            _ => self.hosts[0].snapshots_wanted.extend(draw.one_in(2).then_some(node)),
        }
    }

    fn victim_at<T>(&mut self, call: impl FnOnce(&mut raft::Raft, Time) -> T) -> T {
        call(&mut self.hosts[0].raft, self.now)
    }

    // ---- what it costs ------------------------------------------------------------------------------

    /// Drops what is on its way: it belongs to the network.
    pub fn clear_network(&mut self) {
        self.transit.clear();
    }

    /// What of the heap is the pretended disks.
    pub fn disk_heap(&self) -> usize {
        self.hosts.iter().map(Host::disk_heap).sum()
    }

    pub fn replicas(&self) -> usize {
        self.hosts.len()
    }
}

fn header(from: Peer) -> Header {
    let me = NodeId(1);
    Header { cluster: CLUSTER, from, to: Target { node: me, disk: disk_of(me) } }
}

fn add(node: NodeId) -> Change {
    Change::AddLearner { node, disk: disk_of(node), boot: 0 }
}

fn change(draw: &mut Draw, node: NodeId) -> Change {
    match draw.below(6) {
        0 => Change::Reserve { abandon: None },
        1 => Change::Reserve { abandon: Some(node) },
        2 => add(node),
        3 => Change::Promote { node },
        4 => Change::Demote { node },
        _ => Change::Remove { node },
    }
}

/// The number of the campaign, round, read or snapshot that a message names.
fn counter_of(body: &Body) -> Option<u64> {
    match body {
        Body::PreVote(request) | Body::Vote(request) => Some(request.campaign.0),
        Body::Heartbeat(heartbeat) => Some(heartbeat.round.0),
        Body::ReadRequest(request) => Some(request.id.0),
        Body::SnapshotOffer(offer) => Some(offer.id.0),
        _ => None,
    }
}
