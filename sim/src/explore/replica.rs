//! One node: its core, its disk and the writes between them. An input is one atomic step: everything that the
//! core wants done at once is done, except that messages travel and writes wait.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use raft::canary::Canary;
use raft::{
    Body, Boot, Change, ClusterId, Entry, HardState, Header, Identity, LogIndex, LogWrite, Message, NodeId,
    Output, Peer, Raft, RangeId, ReadId, ReadMode, ReadReply, ReplicaId, RestoreError, Restored, RoleKind,
    Settings, SnapshotMeta, Target, Term, Time, TimeoutNow, WriteSeq,
};

use super::model::{Model, disk_of};

const CLUSTER: ClusterId = ClusterId(7);
const RANGE: RangeId = RangeId(1);
/// Who tells a node that counts as pre-elected to campaign: no member, so that it is nobody's leader.
const STRANGER: NodeId = NodeId(99);
const HEARTBEAT: Duration = Duration::from_nanos(1);
const ELECTION_TIMEOUT: Duration = Duration::from_nanos(1000);

/// What happens to one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Input {
    /// Its oldest write is durable, and it is told.
    WriteDone,
    /// It campaigns.
    Campaign,
    /// A leader's heartbeat is due.
    Heartbeat,
    /// An election timeout passes in silence.
    Silence,
    /// It restarts with so many of its unsynced writes.
    Crash(usize),
    /// A client proposes its command of this number.
    Propose(u8),
    /// A membership change.
    Change(Change),
    /// Leadership is to go to this node.
    Transfer(NodeId),
    /// A read that must see this many committed entries.
    Read(u64),
    /// A message arrives.
    Deliver(Letter),
}

/// A message in its envelope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Letter {
    pub(super) header: Header,
    pub(super) message: Message,
}

/// What is durable.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) hard_state: HardState,
    pub(super) log: Vec<Entry>,
}

impl Disk {
    pub(super) fn apply(&mut self, write: &LogWrite) {
        self.hard_state = write.hard_state.unwrap_or(self.hard_state);
        if let Some(from) = write.truncate_from {
            self.log.retain(|entry| entry.index < from);
        }
        self.log.extend(write.entries.iter().cloned());
    }
}

/// What a step did beside changing the node.
#[derive(Default, Debug)]
pub(super) struct Effects {
    pub(super) sent: Vec<Letter>,
    pub(super) applied: Vec<Entry>,
    /// Reads served: how much each had to see, and what it saw.
    pub(super) reads: Vec<(u64, LogIndex)>,
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pub(super) raft: Raft,
    pub(super) disk: Disk,
    /// Writes under way, oldest first.
    pub(super) queue: VecDeque<LogWrite>,
    pub(super) boot: u64,
    /// The number of the latest campaign of this boot that asked others.
    pub(super) campaign: u64,
    clock: Time,
}

impl Replica {
    /// Node `n` as it starts for the first time.
    pub(super) fn start(model: &Model, n: u8, canary: Option<Canary>) -> Result<Self, RestoreError> {
        let (hard_state, log) = model.disk(n);
        let disk = Disk { hard_state, log };
        let (boot, clock) = (1, Time::ZERO + ELECTION_TIMEOUT);
        let raft = restart(model, n, boot, clock, &disk, canary)?;
        let mut replica = Self { raft, disk, queue: VecDeque::new(), boot, campaign: 0, clock };
        replica.forget_history();
        Ok(replica)
    }

    /// The log as the core has it in memory: what is durable, and what will be.
    pub(super) fn log(&self) -> Vec<Entry> {
        let mut disk = self.disk.clone();
        self.queue.iter().for_each(|write| disk.apply(write));
        disk.log
    }

    /// The node after `input`.
    pub(super) fn after(
        &self,
        model: &Model,
        canary: Option<Canary>,
        n: u8,
        input: &Input,
    ) -> Result<(Self, Effects), RestoreError> {
        let mut next = self.clone();
        let mut effects = Effects::default();
        next.take(model, canary, n, input, &mut effects)?;
        next.drain(n, &mut effects);
        while next.queue.len() > model.writes_under_way {
            next.write_done();
            next.drain(n, &mut effects);
        }
        next.forget_history();
        if !model.heartbeats {
            effects.sent.retain(|letter| !matches!(letter.message.body, Body::Heartbeat(_)));
        }
        Ok((next, effects))
    }

    /// Refusals of local calls are not looked at: nothing was done.
    fn take(
        &mut self,
        model: &Model,
        canary: Option<Canary>,
        n: u8,
        input: &Input,
        effects: &mut Effects,
    ) -> Result<(), RestoreError> {
        let now = self.clock;
        match input {
            Input::WriteDone => self.write_done(),
            Input::Campaign => {
                self.raft.campaign(now);
                if !model.pre_vote {
                    self.pre_elect(n, effects);
                }
            }
            Input::Heartbeat => {
                self.clock = now + HEARTBEAT;
                self.raft.tick(self.clock);
            }
            Input::Silence => self.clock = now + ELECTION_TIMEOUT,
            Input::Crash(surviving) => {
                self.queue.iter().take(*surviving).for_each(|write| self.disk.apply(write));
                self.queue.clear();
                self.boot += 1;
                self.campaign = 0;
                self.raft = restart(model, n, self.boot, now, &self.disk, canary)?;
            }
            Input::Propose(number) => {
                let _ = self.raft.propose(now, Bytes::copy_from_slice(&[*number]));
            }
            Input::Change(change) => {
                let planned_on = self.raft.status(now).configuration_at;
                let _ = self.raft.propose_change(now, planned_on, vec![*change], 0);
            }
            Input::Transfer(to) => {
                let _ = self.raft.transfer_leadership(now, *to);
            }
            Input::Read(must_see) => {
                let _ = self.raft.read_index(now, *must_see);
            }
            Input::Deliver(letter) => self.raft.step(now, &letter.header, letter.message.clone()),
        }
        Ok(())
    }

    /// Turns a pre-candidate into a candidate, as if all had granted the pre-vote. Pre-votes only hold back
    /// campaigns that would fail or disturb; safety may not need them.
    fn pre_elect(&mut self, n: u8, effects: &mut Effects) {
        if self.raft.status(self.clock).role != RoleKind::PreCandidate {
            return;
        }
        self.drain(n, effects);
        effects.sent.clear();
        let from = Peer { node: STRANGER, ..Peer::default() };
        let header = Header { cluster: CLUSTER, from, to: target(n) };
        let term = self.raft.status(self.clock).term;
        let from = ReplicaId(STRANGER.0);
        let message = Message { from, ..message(n, n, term, Body::TimeoutNow(TimeoutNow)) };
        self.raft.step(self.clock, &header, message);
    }

    fn write_done(&mut self) {
        if let Some(write) = self.queue.pop_front() {
            self.disk.apply(&write);
            self.raft.log_persisted(self.clock, write.seq);
        }
    }

    /// Brings equal states to the same form. The core counts its writes under way from 1, and so do we.
    fn forget_history(&mut self) {
        self.raft.forget_history();
        for (seq, write) in (1..).zip(&mut self.queue) {
            write.seq = WriteSeq(seq);
        }
    }

    /// Takes outputs, and does what is done at once, until there is nothing more.
    fn drain(&mut self, n: u8, effects: &mut Effects) {
        loop {
            let Output { messages, write, apply, reads, log_reads, .. } = self.raft.take_output(self.clock);
            self.queue.extend(write);
            for out in &messages {
                if let Body::PreVote(request) | Body::Vote(request) = &out.message.body {
                    self.campaign = self.campaign.max(request.campaign.0);
                }
            }
            let header = |to| Header { cluster: CLUSTER, from: peer(n, self.boot), to };
            effects.sent.extend(
                messages.into_iter().map(|out| Letter { header: header(out.to), message: out.message }),
            );
            effects.reads.extend(reads.iter().map(|read| (read.token, read.index)));
            if apply.is_empty() && log_reads.is_empty() {
                return;
            }
            if let Some(last) = apply.last() {
                self.raft.applied(self.clock, last.index);
            }
            effects.applied.extend(apply);
            for read in log_reads {
                let wanted = |entry: &Entry| (read.first..=read.last).contains(&entry.index);
                let entries = self.log().into_iter().filter(wanted).collect();
                self.raft.log_read(self.clock, read, entries);
            }
        }
    }
}

fn peer(n: u8, boot: u64) -> Peer {
    Peer { node: NodeId(u64::from(n)), disk: disk_of(n), boot: Boot { counter: boot, nonce: boot } }
}

/// The core from what is durable; the state machine begins empty and is applied to again.
fn restart(
    model: &Model,
    n: u8,
    boot: u64,
    now: Time,
    disk: &Disk,
    canary: Option<Canary>,
) -> Result<Raft, RestoreError> {
    let identity =
        Identity { cluster: CLUSTER, peer: peer(n, boot), range: RANGE, replica: ReplicaId(u64::from(n)) };
    let settings = Settings {
        heartbeat: HEARTBEAT,
        election_timeout: ELECTION_TIMEOUT,
        read_mode: ReadMode::ReadIndex,
        append_bytes: if model.short_appends { 1 } else { 1 << 20 },
        ..Settings::default()
    };
    let log = disk.log.iter().cloned();
    let restored = Restored::scan(disk.hard_state, SnapshotMeta::empty(), log, LogIndex::ZERO)?;
    let mut raft = Raft::restore(now, 0, identity, settings, restored)?;
    canary.into_iter().for_each(|canary| raft.plant(canary));
    for other in (1..=model.voters + model.learners).filter(|other| *other != n) {
        introduce(&mut raft, now, other, n);
    }
    Ok(raft)
}

/// Lets node `n` know of the first boot of `other`. No rule tells that from not knowing, and states that differ
/// only in it become one. It is done by a reply that every boot drops.
fn introduce(raft: &mut Raft, now: Time, other: u8, n: u8) {
    let nobody = Boot::default();
    let header = Header { cluster: CLUSTER, from: peer(other, 1), to: target(n) };
    let body = Body::ReadReply(ReadReply { to_boot: nobody, id: ReadId(0), index: None });
    raft.step(now, &header, message(other, n, Term(0), body));
}

fn target(n: u8) -> Target {
    Target { node: NodeId(u64::from(n)), disk: disk_of(n) }
}

fn message(from: u8, to: u8, term: Term, body: Body) -> Message {
    let replica = |n: u8| ReplicaId(u64::from(n));
    Message { range: RANGE, from: replica(from), to: replica(to), term, body }
}
