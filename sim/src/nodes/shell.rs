//! The shell around the store of a host: does what it wants done, and reports completions.

use raft::{Body, LogIndex, LogPosition, Message, Payload, RoleKind};
use store::engine::Engine;
use store::log_store::{LogReader, LogStore};
use store::range::state_hash;
use store::replica::{Address, ReplicaStatus, Request, Token};
use store::store::{BatchSeq, FIRST_RANGE, NodeEnvelope, Output};

use super::coverage::Mark;
use super::event::{Content, Event, Packet};
use super::world::World;
use crate::fault::CrashPoint;
use crate::host::Condition;
use crate::rng::Rng;
use crate::world::Violation;

/// Timers further away than this are not set.
const FAR: u64 = 3_600_000_000_000;
/// A slow disk takes so many times longer.
const SLOW: u64 = 40;
/// One in so many envelopes travels as bytes.
const CODED: u64 = 8;
/// After one in so many rounds the state is compared.
const COMPARED: u64 = 48;
/// The range as it is, for ever.
const WHOLE: Address = Address { range: FIRST_RANGE, epoch: 1 };

impl World {
    /// Does everything that a host's store wants done, and sets the timer.
    pub(super) fn pump(&mut self, host: usize) -> Result<(), Violation> {
        let process = self.hosts[host].process;
        while self.runs(host, process) {
            let now = self.hosts[host].now(self.now);
            let output = self.hosts[host].store.as_mut().and_then(|store| store.poll_output(now));
            let Some(output) = output else { break };
            self.perform(host, output)?;
        }
        if self.runs(host, process) {
            if self.rng.disk.per_mille(self.plan.self_flush) {
                let some = self.rng.disk.index(self.hosts[host].disk.engine.unflushed() + 1);
                self.hosts[host].disk.engine.flush_oldest(some);
            }
            self.observe(host)?;
            self.set_timer(host);
        }
        Ok(())
    }

    /// The process may end on the way.
    fn perform(&mut self, host: usize, output: Output) -> Result<(), Violation> {
        if let Some(fault) = &output.fault {
            return self.stopped(host, fault);
        }
        let process = self.hosts[host].process;
        for envelope in output.envelopes {
            self.send(host, envelope)?;
        }
        if let Some((seq, batch)) = output.log {
            if self.strikes(host, CrashPoint::BeforeSubmit)? {
                return Ok(());
            }
            self.trace.note(self.now, [1, host as u64, seq.0, batch.items.len() as u64], || {
                format!("h{host} writes {seq:?} {:?}", batch.items)
            });
            self.hosts[host].begun.push_back(seq);
            if let Err(error) = self.hosts[host].disk.log.begin(batch) {
                return self.failed(host, error);
            }
            self.start_sync(host);
            if self.strikes(host, CrashPoint::AfterSubmit)? {
                return Ok(());
            }
        }
        for (token, answer) in output.replies {
            let at = self.now + self.rng.shell.range(100_000, 1_500_000);
            self.queue.push(at, Event::Reply { token: token.0, answer: Box::new(answer) });
        }
        for (token, answer) in output.admin {
            self.operator_told(host, token.0, &answer);
        }
        if output.flush {
            let at = self.now + self.rng.disk.below(self.plan.flush + 1);
            self.queue.push(at.max(self.hosts[host].stalled_until), Event::Flushed { host, process });
        }
        for event in output.snapshots {
            self.snapshot_event(host, event)?;
        }
        Ok(())
    }

    /// Starts a sync of the log if the disk is idle.
    fn start_sync(&mut self, host: usize) {
        let slow = if self.hosts[host].slow_until > self.now { SLOW } else { 1 };
        let state = &mut self.hosts[host];
        if state.syncing == 0 && !state.begun.is_empty() {
            state.syncing = state.begun.len();
            let latency = self.plan.sync + self.rng.disk.below(self.plan.sync_jitter + 1);
            let at = self.now.max(state.stalled_until) + latency * slow;
            self.queue.push(at, Event::Synced { host, process: state.process });
        }
    }

    /// A sync ends.
    pub(super) fn synced(&mut self, host: usize, process: u64) -> Result<(), Violation> {
        if !self.runs(host, process) {
            return Ok(());
        }
        let state = &mut self.hosts[host];
        if state.stalled_until > self.now {
            self.queue.push(state.stalled_until, Event::Synced { host, process });
            return Ok(());
        }
        let writes = std::mem::take(&mut state.syncing);
        if let Err(error) = state.disk.log.complete(writes) {
            return self.failed(host, error);
        }
        let Some(seq) = state.begun.drain(..writes).next_back() else { return Ok(()) };
        self.trace.note(self.now, [2, host as u64, seq.0, 0], || format!("h{host} synced {seq:?}"));
        if self.strikes(host, CrashPoint::AfterSync)? {
            return Ok(());
        }
        let at = self.now + self.rng.shell.below(20_000);
        self.queue.push(at, Event::Notice { host, process, seq });
        self.start_sync(host);
        Ok(())
    }

    /// The process hears that its writes are durable.
    pub(super) fn notice(&mut self, host: usize, process: u64, seq: BatchSeq) -> Result<(), Violation> {
        if !self.runs(host, process) {
            return Ok(());
        }
        let now = self.hosts[host].now(self.now);
        if let Some(store) = &mut self.hosts[host].store {
            store.log_persisted(now, seq);
        }
        self.pump(host)?;
        self.strikes(host, CrashPoint::AfterNotice)?;
        Ok(())
    }

    /// A flush of the data ends.
    pub(super) fn flushed(&mut self, host: usize, process: u64) -> Result<(), Violation> {
        if !self.runs(host, process) {
            return Ok(());
        }
        if let Err(error) = self.hosts[host].disk.engine.flush() {
            return self.failed(host, error);
        }
        if self.strikes(host, CrashPoint::AfterFlush)? {
            return Ok(());
        }
        if let Some(store) = &mut self.hosts[host].store {
            store.flushed();
        }
        self.pump(host)
    }

    /// A timer fires.
    pub(super) fn tick(&mut self, host: usize) -> Result<(), Violation> {
        let state = &mut self.hosts[host];
        if !state.up || state.tick_at == 0 || state.tick_at > self.now {
            return Ok(());
        }
        state.tick_at = 0;
        let now = state.now(self.now);
        self.look_at_tails(host);
        let state = &mut self.hosts[host];
        if let Some(store) = &mut state.store {
            store.tick(now);
            self.trace.note(self.now, [3, host as u64, 0, 0], || format!("h{host} ticks"));
        }
        self.pump(host)
    }

    fn set_timer(&mut self, host: usize) {
        let state = &self.hosts[host];
        let Some(deadline) = state.store.as_ref().and_then(|store| store.next_deadline()) else { return };
        let at = state.clock.real_time_of(deadline).max(self.now + 1);
        if at > self.now + FAR || (state.tick_at != 0 && state.tick_at <= at + self.plan.tick_late) {
            return;
        }
        let at = at + self.rng.shell.below(self.plan.tick_late + 1);
        self.hosts[host].tick_at = at;
        self.queue.push(at, Event::Tick { host });
    }

    /// Looks at a host after it did something.
    fn observe(&mut self, host: usize) -> Result<(), Violation> {
        let Some(status) = self.status(host) else { return Ok(()) };
        let more = self.note_applied(host, &status)?;
        if status.raft.role == RoleKind::LostDisk {
            self.note_lost(host)?;
        }
        if more && self.rng.shell.below(COMPARED) == 0 {
            self.compare(host)?;
        }
        Ok(())
    }

    /// Shows the monitor what a host has applied since it was last looked at; says if it is anything.
    pub(super) fn note_applied(&mut self, host: usize, status: &ReplicaStatus) -> Result<bool, Violation> {
        let LogPosition { index, term } = status.applied.position;
        let known = self.hosts[host].applied;
        if index <= known {
            return Ok(false);
        }
        let reader = self.hosts[host].disk.log.reader();
        let entries = reader.entries(FIRST_RANGE, known.next(), index, usize::MAX);
        let entries = entries.map_err(|error| Violation::new("the log can be read", error.to_string()))?;
        for entry in &entries {
            self.monitor.applied(self.now, host, entry)?;
        }
        if self.monitor.last() < index {
            let detail = format!("h{host} has applied {index}, its log does not hold it");
            return Err(Violation::new("applied is durable", detail));
        }
        self.hosts[host].applied = index;
        self.trace.note(self.now, [8, host as u64, index.0, term.0], || {
            format!("h{host} has applied {index:?}{term:?} at {:?}", status.applied.timestamp)
        });
        Ok(true)
    }

    /// Compares what a host's data show with what the log leads to.
    pub(super) fn compare(&mut self, host: usize) -> Result<(), Violation> {
        let state = &self.hosts[host];
        let Some(status) = self.status(host).filter(|_| state.condition == Condition::Fine) else {
            return Ok(());
        };
        if status.installing
            || status.raft.role == RoleKind::LostDisk
            || status.applied.position.index == LogIndex::ZERO
        {
            return Ok(());
        }
        let hash = state_hash(&state.disk.engine.view(), FIRST_RANGE);
        let hash = hash.map_err(|error| Violation::new("the data can be read", error.to_string()))?;
        self.coverage.hit(Mark::Compared);
        self.monitor.compare(host, status.applied.position, &hash)
    }

    /// A request of a client arrives at a host.
    pub(super) fn request(&mut self, host: usize, token: u64, request: Request) -> Result<(), Violation> {
        let now = self.hosts[host].now(self.now);
        let Some(store) = &mut self.hosts[host].store else { return Ok(()) };
        self.trace.note(self.now, [9, host as u64, token, 0], || {
            format!("h{host} gets request {token}: {request:?}")
        });
        store.request(now, Token(token), WHOLE, request);
        self.pump(host)
    }

    /// Puts an envelope on the network.
    fn send(&mut self, host: usize, mut envelope: NodeEnvelope) -> Result<(), Violation> {
        let header = envelope.envelope.header;
        let Some(&target) = self.address.get(&header.to.node).filter(|target| **target != host) else {
            return Ok(());
        };
        if self.rng.net.below(CODED) == 0 {
            let mut bytes = Vec::new();
            envelope.encode(&mut bytes);
            if NodeEnvelope::decode(bytes.into()).as_ref() != Ok(&envelope) {
                return Err(Violation::new("an envelope survives its encoding", format!("{envelope:?}")));
            }
        }
        let bulk = envelope.envelope.messages.iter().any(|message| matches!(message.body, Body::Append(_)));
        if bulk && self.healing.is_none() && self.plan.wire_flips > 0 {
            let flips = self.rng.net.below(self.plan.wire_flips) == 0;
            if flips && damage(&mut envelope.envelope.messages, &mut self.rng.net) {
                self.coverage.hit(Mark::WireFlip);
                self.injected += 1;
            }
        }
        self.transmit(host, target, usize::from(bulk), Content::Envelope(envelope));
        Ok(())
    }

    /// Puts a packet on the network.
    pub(super) fn transmit(&mut self, host: usize, target: usize, lane: usize, content: Content) {
        let fate = self.net.send(self.now, (host, target), lane, self.plan.election, &mut self.rng.net);
        self.coverage.hit_if(fate.lost, Mark::PacketLost);
        self.coverage.hit_if(fate.second.is_some(), Mark::PacketTwice);
        self.coverage.hit_if(fate.reordered, Mark::PacketReordered);
        let packet = Packet { from: host, process: self.hosts[host].process, content };
        if let Some(at) = fate.second {
            self.queue.push(at, Event::Deliver { host: target, packet: Box::new(packet.clone()) });
        }
        if let Some(at) = fate.first {
            self.queue.push(at, Event::Deliver { host: target, packet: Box::new(packet) });
        }
    }

    /// A packet arrives.
    pub(super) fn deliver(&mut self, host: usize, packet: Packet) -> Result<(), Violation> {
        let Packet { from, process, content } = packet;
        if self.net.is_cut(from, host) {
            return Ok(());
        }
        let envelope = match content {
            Content::Envelope(envelope) => envelope,
            Content::Chunk(from, message) => return self.receive_chunk(host, from, message),
        };
        let now = self.hosts[host].now(self.now);
        let fresh = process == self.hosts[from].process;
        let state = &mut self.hosts[host];
        let Some(store) = &mut state.store else { return Ok(()) };
        let messages = envelope.envelope.messages.len() as u64;
        let number = (from as u64) << 8 | messages;
        let term = envelope.envelope.messages.first().map_or(0, |message| message.term.0);
        self.trace.note(self.now, [4, host as u64, number, term], || {
            format!("h{host} gets from h{from} {:?}", envelope.envelope)
        });
        self.coverage.hit_if(!fresh, Mark::PacketOld);
        if fresh && state.heard[from] != process {
            state.heard[from] = process;
            store.connected(now, &envelope.envelope.header);
        }
        store.receive(now, envelope);
        self.pump(host)
    }
}

/// Flips a bit of a command, if there is one.
fn damage(messages: &mut [Message], rng: &mut Rng) -> bool {
    for message in messages {
        let Body::Append(append) = &mut message.body else { continue };
        for entry in &mut append.entries {
            if let Payload::Command(command) = &mut entry.payload {
                let mut bytes = command.to_vec();
                let at = rng.index(bytes.len());
                bytes[at] ^= 1 << rng.below(8);
                *command = bytes.into();
                return true;
            }
        }
    }
    false
}
