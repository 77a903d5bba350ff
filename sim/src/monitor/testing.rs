//! A stage for the tests of the rules: a group of three, led by node 1 in term 2.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use raft::{
    AppendAck, BaseWrite, Body, Boot, CampaignId, Change, Configuration, DiskId, Entry, HardState, LogIndex,
    LogPosition, LogWrite, Member, MemberRole, Message, NodeId, Outgoing, Payload, RangeId, ReplicaId,
    RoleKind, SnapshotMeta, Status, Target, Term, Time, VoteReply, VoteRequest, WriteSeq,
};

use super::group::Group;
use super::{Breach, OnDisk};

pub(super) fn breaks<T: Debug>(result: Result<T, Breach>, invariant: &str) {
    match result {
        Ok(value) => panic!("{invariant} holds: {value:?}"),
        Err(breach) => assert_eq!(breach.invariant, invariant, "{breach}"),
    }
}

pub(super) fn place(index: u64, term: u64) -> LogPosition {
    LogPosition::new(LogIndex(index), Term(term))
}

fn entry(index: u64, term: u64, payload: Payload) -> Entry {
    Entry { index: LogIndex(index), term: Term(term), payload }
}

pub(super) fn noop(index: u64, term: u64) -> Entry {
    entry(index, term, Payload::Noop)
}

pub(super) fn command(index: u64, term: u64, text: &'static str) -> Entry {
    entry(index, term, Payload::Command(Bytes::from_static(text.as_bytes())))
}

pub(super) fn configuration_entry(index: u64, term: u64, configuration: Configuration) -> Entry {
    entry(index, term, Payload::Configuration(Arc::new(configuration)))
}

/// Voters 1 to `voters`.
pub(super) fn configuration(voters: u64) -> Configuration {
    Configuration::bootstrap((1..=voters).map(|node| (NodeId(node), DiskId(u128::from(node)))))
}

/// The same and one learner.
pub(super) fn with_learner(voters: u64) -> Configuration {
    let mut next = configuration(voters);
    let (node, replica) = (next.next_node, next.next_replica);
    let member = Member { replica, disk: DiskId(u128::from(node.0)), boot: 1, role: MemberRole::Learner };
    next.members.insert(node, member);
    next.next_node = NodeId(node.0 + 1);
    next.next_replica = ReplicaId(replica.0 + 1);
    next
}

/// A snapshot up to this entry, while the bootstrap's configuration is in force.
pub(super) fn snapshot(index: u64, term: u64) -> SnapshotMeta {
    let configuration = Arc::new(configuration(3));
    SnapshotMeta { last: place(index, term), configuration, configuration_at: place(1, 1) }
}

pub(super) fn boot(counter: u64) -> Boot {
    Boot { counter, nonce: 7 }
}

/// A group, and the writes that are not synced.
#[derive(Clone, Debug, Default)]
pub(super) struct Stage {
    pub(super) group: Group,
    pending: BTreeMap<NodeId, VecDeque<LogWrite>>,
    /// What every clock shows.
    pub(super) now: Time,
}

impl Stage {
    /// Three voters that hold the bootstrap.
    pub(super) fn new() -> Self {
        let mut stage = Self::default();
        for node in 1..=3 {
            let first = [configuration_entry(1, 1, configuration(3))];
            let hard = stage.hard(1, None);
            stage.boot(node, 1, hard, &SnapshotMeta::empty(), &first).unwrap();
        }
        stage
    }

    /// Node 1 was elected in term 2, and its no-op, entry 2, is committed.
    pub(super) fn led() -> Self {
        let mut stage = Self::new();
        stage.elect(1, 2, &[2, 3]);
        for node in 1..=3 {
            stage.write(node, None, &[noop(2, 2)]);
        }
        let mut status = stage.leader_status();
        stage.show(1, &status).unwrap();
        for node in 2..=3 {
            stage.ack(node, 1, 2).unwrap();
        }
        status.commit = LogIndex(2);
        stage.show(1, &status).unwrap();
        for node in 2..=3 {
            let mut status = stage.follower_status(node);
            status.commit = LogIndex(2);
            stage.show(node, &status).unwrap();
        }
        stage
    }

    /// A candidate asks, and these grant it their vote.
    pub(super) fn elect(&mut self, node: u64, term: u64, voters: &[u64]) {
        let own = self.hard(term, Some(node));
        self.submit(node, Some(own), None, &[]).unwrap();
        self.sync(node);
        for voter in voters {
            self.ask(node, *voter, term, false).unwrap();
            let hard = self.hard(term, Some(node));
            self.submit(*voter, Some(hard), None, &[]).unwrap();
            self.sync(*voter);
            self.grant(*voter, node, term).unwrap();
        }
    }

    pub(super) fn ask(&mut self, node: u64, voter: u64, term: u64, forced: bool) -> Result<(), Breach> {
        let last = self.group.replicas[&NodeId(node)].accepted.last();
        let request = VoteRequest { campaign: CampaignId(1), last, forced };
        self.send(node, voter, term, Body::Vote(request))
    }

    pub(super) fn grant(&mut self, voter: u64, to: u64, term: u64) -> Result<(), Breach> {
        let reply = VoteReply { to_boot: boot(1), campaign: CampaignId(1), granted: true };
        self.send(voter, to, term, Body::VoteReply(reply))
    }

    /// Node 1 appends entries, these hold them, and it shows that they are committed.
    pub(super) fn commit(&mut self, followers: &[u64], entries: &[Entry]) -> Result<(), Breach> {
        self.write(1, None, entries);
        for node in followers {
            self.write(*node, None, entries);
        }
        let mut status = self.leader_status();
        status.commit = status.last.index;
        self.show(1, &status)
    }

    /// The bootstrap.
    pub(super) fn first_entry() -> Entry {
        configuration_entry(1, 1, configuration(3))
    }

    /// The one in force at node 1 after a change.
    pub(super) fn changed(&self, change: Change) -> Configuration {
        let before = &self.group.replicas[&NodeId(1)].accepted.configuration().1;
        before.after(change).unwrap().unwrap()
    }

    /// As `led`, with a learner, node 4, that holds everything.
    pub(super) fn led_with_learner() -> Self {
        let mut stage = Self::led();
        let reserved = configuration_entry(3, 2, stage.changed(Change::Reserve { abandon: None }));
        stage.commit(&[2, 3], std::slice::from_ref(&reserved)).unwrap();
        let learner = Change::AddLearner { node: NodeId(4), disk: DiskId(4), boot: 1 };
        let added = configuration_entry(4, 2, stage.changed(learner));
        stage.commit(&[2, 3], std::slice::from_ref(&added)).unwrap();
        let empty = HardState::default();
        stage.boot(4, 1, empty, &SnapshotMeta::empty(), &[]).unwrap();
        let hard = stage.hard(2, None);
        let log = [configuration_entry(1, 1, configuration(3)), noop(2, 2), reserved, added];
        stage.submit(4, Some(hard), None, &log).unwrap();
        stage.sync(4);
        stage
    }

    /// Acks to the leader of the durable term.
    pub(super) fn ack(&mut self, node: u64, leader: u64, matched: u64) -> Result<(), Breach> {
        let term = self.group.replicas[&NodeId(node)].hard.term;
        let ack = AppendAck { to_boot: boot(1), matched: LogIndex(matched) };
        self.send(node, leader, term.0, Body::AppendAck(ack))
    }

    pub(super) fn boot(
        &mut self,
        node: u64,
        counter: u64,
        hard: HardState,
        base: &SnapshotMeta,
        entries: &[Entry],
    ) -> Result<(), Breach> {
        let disk = OnDisk { hard: &hard, base, entries };
        self.group.booted(NodeId(node), boot(counter), Time::ZERO, &disk)
    }

    /// A crash that loses all writes under way.
    pub(super) fn stop(&mut self, node: u64) {
        self.pending.remove(&NodeId(node));
        self.group.stopped(NodeId(node)).unwrap();
    }

    #[expect(clippy::unused_self, reason = "reads as the rest of a scene")]
    pub(super) fn hard(&self, term: u64, vote: Option<u64>) -> HardState {
        HardState { term: Term(term), vote: vote.map(NodeId), ..HardState::default() }
    }

    pub(super) fn submit(
        &mut self,
        node: u64,
        hard_state: Option<HardState>,
        truncate_from: Option<u64>,
        entries: &[Entry],
    ) -> Result<(), Breach> {
        let truncate_from = truncate_from.map(LogIndex);
        let write =
            LogWrite { seq: WriteSeq(0), hard_state, base: None, truncate_from, entries: entries.to_vec() };
        self.submit_write(node, write)
    }

    /// Compacts, or resets after an install.
    pub(super) fn move_base(&mut self, node: u64, meta: SnapshotMeta, reset: bool) -> Result<(), Breach> {
        let base = Some(BaseWrite { meta, reset });
        let seq = WriteSeq(0);
        let write = LogWrite { seq, hard_state: None, base, truncate_from: None, entries: Vec::new() };
        self.submit_write(node, write)
    }

    /// Hands over a write with the next number.
    pub(super) fn submit_write(&mut self, node: u64, mut write: LogWrite) -> Result<(), Breach> {
        let node = NodeId(node);
        write.seq = WriteSeq(self.group.replicas[&node].last_seq.0 + 1);
        self.pending.entry(node).or_default().push_back(write.clone());
        self.group.submitted(node, &write, self.now)
    }

    /// Makes durable what was handed over.
    pub(super) fn sync(&mut self, node: u64) {
        for write in self.pending.remove(&NodeId(node)).unwrap_or_default() {
            self.group.durable(NodeId(node), &write).unwrap();
        }
    }

    pub(super) fn write(&mut self, node: u64, truncate_from: Option<u64>, entries: &[Entry]) {
        self.submit(node, None, truncate_from, entries).unwrap();
        self.sync(node);
    }

    pub(super) fn send(&mut self, node: u64, to: u64, term: u64, body: Body) -> Result<(), Breach> {
        let message =
            Message { range: RangeId(1), from: ReplicaId(node), to: ReplicaId(to), term: Term(term), body };
        let to = Target { node: NodeId(to), disk: DiskId(u128::from(to)) };
        self.group.sent(NodeId(node), &Outgoing { to, message }, self.now)
    }

    pub(super) fn show(&mut self, node: u64, status: &Status) -> Result<(), Breach> {
        self.group.status(NodeId(node), 0, status)
    }

    /// Node 1 as the leader.
    pub(super) fn leader_status(&self) -> Status {
        self.status(1, RoleKind::Leader)
    }

    pub(super) fn follower_status(&self, node: u64) -> Status {
        self.status(node, RoleKind::Follower)
    }

    /// What a replica shows if all is well.
    pub(super) fn status(&self, node: u64, role: RoleKind) -> Status {
        let replica = &self.group.replicas[&NodeId(node)];
        let (configuration_at, configuration) = replica.accepted.configuration().clone();
        Status {
            node: NodeId(node),
            role,
            term: replica.hard_submitted.term,
            vote: replica.hard_submitted.vote,
            leader: None,
            commit: replica.commit,
            applied: replica.applied.unwrap_or_default(),
            persisted: replica.durable.last_index(),
            base: replica.accepted.base(),
            last: replica.accepted.last(),
            configuration,
            configuration_at,
            followers: Vec::new(),
            lease: false,
            uncommitted_bytes: 0,
            transfer_to: None,
            receiving_snapshot: false,
            behind: None,
        }
    }
}
