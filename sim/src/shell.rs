//! The shell around the cores of a host: performs what they put out, and reports completions.

use raft::{Body, Header, LogRead, Message, Output, RangeId, RoleKind, Target};

use crate::coverage::Mark;
use crate::disk::{Intent, Item};
use crate::event::{Content, Event, Packet};
use crate::fault::CrashPoint;
use crate::host::{Condition, Fetch, Install};
use crate::world::{Violation, World};

/// Timers further away than this are not set.
const FAR: u64 = 3_600_000_000_000;

/// The stream of a message: what must be quick does not wait behind bulk.
fn lane(message: &Message) -> usize {
    match message.body {
        Body::Append(_)
        | Body::AppendAck(_)
        | Body::AppendReject(_)
        | Body::Commit(_)
        | Body::SnapshotOffer(_)
        | Body::SnapshotReply(_) => 1,
        Body::PreVote(_)
        | Body::PreVoteReply(_)
        | Body::Vote(_)
        | Body::VoteReply(_)
        | Body::Heartbeat(_)
        | Body::HeartbeatAck(_)
        | Body::TimeoutNow(_)
        | Body::ReadRequest(_)
        | Body::ReadReply(_)
        | Body::LostDisk(_) => 0,
    }
}

impl World {
    /// Performs all output of a host until there is none, then sends, and sets the timer.
    pub(crate) fn pump(&mut self, host: usize) -> Result<(), Violation> {
        let process = self.hosts[host].process;
        let mut again = true;
        while again && self.runs(host, process) {
            again = false;
            let mut last = RangeId(0);
            while let Some((range, output)) = self.next_output(host, last) {
                last = range;
                if !output.is_empty() {
                    again = true;
                    self.perform(host, range, output)?;
                    if !self.runs(host, process) {
                        return Ok(());
                    }
                }
            }
        }
        if self.runs(host, process) {
            self.flush_outbox(host, usize::MAX);
            self.observe(host)?;
            self.set_timer(host);
        }
        Ok(())
    }

    fn next_output(&mut self, host: usize, after: RangeId) -> Option<(RangeId, Output)> {
        let now = self.local(host);
        let next = RangeId(after.0 + 1);
        let (range, replica) = self.hosts[host].replicas.range_mut(next..).next()?;
        Some((*range, replica.raft.take_output(now)))
    }

    /// Does what one core wants. The process may end on the way.
    fn perform(&mut self, host: usize, range: RangeId, output: Output) -> Result<(), Violation> {
        let process = self.hosts[host].process;
        let (node, now) = (self.hosts[host].disk.node.unwrap_or_default(), self.local(host));
        for outgoing in output.messages {
            self.monitor.sent(range, node, &outgoing, now)?;
            let lane = lane(&outgoing.message);
            self.hosts[host].outbox.push((outgoing.to, lane, outgoing.message));
        }
        for ready in output.reads {
            self.serve_read(host, range, ready)?;
        }
        for (token, _) in output.failed_reads {
            self.fail_read(host, range, token);
        }
        if let Some(write) = output.write {
            if self.strikes(host, CrashPoint::BeforeSubmit)? {
                return Ok(());
            }
            self.trace.note(self.now, [1, host as u64, write.seq.0, write.entries.len() as u64], || {
                format!("h{host} {range:?} writes {write:?}")
            });
            self.monitor.submitted(range, node, &write, now)?;
            self.hosts[host].disk.submit(Item::Log(range, write));
            self.start_sync(host);
            if self.strikes(host, CrashPoint::AfterSubmit)? {
                return Ok(());
            }
        }
        if !output.apply.is_empty() {
            self.hand_to_machine(host, range, output.apply)?;
            if !self.runs(host, process) {
                return Ok(());
            }
        }
        for read in output.log_reads {
            self.start_log_read(host, range, read);
        }
        for to in output.snapshots_wanted {
            let at = self.now + self.rng.shell.below(self.plan.election / 20);
            self.queue.push(at, Event::MakeSnapshot { host, process, range, to });
        }
        if let Some(what) = output.fetch {
            let id = what.id;
            if let Some(replica) = self.hosts[host].replicas.get_mut(&range) {
                replica.fetch = Some(Fetch { what, progress: self.now });
                replica.received = None;
            }
            self.queue.push(self.now, Event::Fetch { host, process, range, id });
        }
        if let Some(meta) = output.install {
            self.start_install(host, range, meta)?;
            if !self.runs(host, process) {
                return Ok(());
            }
        }
        for change in output.changes {
            self.monitor.change_result(range, node, &change)?;
            self.change_ended(host, range, &change);
        }
        Ok(())
    }

    fn start_log_read(&mut self, host: usize, range: RangeId, read: LogRead) {
        let disk = &self.hosts[host].disk;
        // Sometimes it reads first and answers late, sometimes the other way round.
        let entries = self
            .rng
            .shell
            .coin()
            .then(|| disk.replicas.get(&range).map(|d| d.read(read.first, read.last, read.max_bytes)))
            .flatten();
        let delay = if self.rng.shell.per_mille(50) { self.plan.election / 4 } else { 300_000 };
        let at = self.now + self.rng.shell.below(delay);
        let process = self.hosts[host].process;
        self.queue.push(at, Event::LogRead { host, process, range, read, entries });
    }

    /// A log read is done.
    pub(crate) fn log_read(
        &mut self,
        host: usize,
        process: u64,
        range: RangeId,
        read: LogRead,
        entries: Option<Vec<raft::Entry>>,
    ) -> Result<(), Violation> {
        if !self.runs(host, process) {
            return Ok(());
        }
        self.coverage.hit_if(entries.is_some(), Mark::StaleLogRead);
        let now = self.local(host);
        let host_state = &mut self.hosts[host];
        let entries = entries.unwrap_or_else(|| {
            let disk = host_state.disk.replicas.get(&range);
            disk.map(|d| d.read(read.first, read.last, read.max_bytes)).unwrap_or_default()
        });
        if let Some(replica) = host_state.replicas.get_mut(&range) {
            replica.raft.log_read(now, read, entries);
        }
        self.pump(host)
    }

    fn start_install(
        &mut self,
        host: usize,
        range: RangeId,
        meta: raft::SnapshotMeta,
    ) -> Result<(), Violation> {
        let Some(replica) = self.hosts[host].replicas.get_mut(&range) else { return Ok(()) };
        let Some((received, data)) = replica.received.take() else {
            return Err(Violation::new("install", format!("h{host} {range:?}: {meta:?} was never received")));
        };
        if received != meta {
            let detail = format!("h{host} {range:?} received {received:?} and is to install {meta:?}");
            return Err(Violation::new("install", detail));
        }
        let intent = Intent { meta, data };
        replica.install = Some(Install { intent: intent.clone(), durable: false });
        self.hosts[host].disk.submit(Item::Intent(range, intent));
        self.start_sync(host);
        self.strikes(host, CrashPoint::AfterSubmit)?;
        Ok(())
    }

    /// Starts a sync if the disk is idle.
    pub(crate) fn start_sync(&mut self, host: usize) {
        if self.hosts[host].disk.start_sync() {
            let latency = self.plan.sync + self.rng.disk.below(self.plan.sync_jitter + 1);
            let at = self.now.max(self.hosts[host].disk_stalled_until) + latency;
            self.queue.push(at, Event::Synced { host, process: self.hosts[host].process });
        }
    }

    /// A sync ends.
    pub(crate) fn synced(&mut self, host: usize, process: u64) -> Result<(), Violation> {
        if !self.runs(host, process) {
            return Ok(());
        }
        let stalled_until = self.hosts[host].disk_stalled_until;
        if stalled_until > self.now {
            self.queue.push(stalled_until, Event::Synced { host, process });
            return Ok(());
        }
        if let Some(down) = self.hosts[host].fsync_error.take() {
            self.coverage.hit(Mark::FsyncError);
            self.injected += 1;
            return self.crash(host, down);
        }
        let node = self.hosts[host].disk.node.unwrap_or_default();
        for item in self.hosts[host].disk.finish_sync() {
            match item {
                Item::Log(range, write) => {
                    self.monitor.durable(range, node, &write)?;
                    self.trace.note(self.now, [2, host as u64, range.0, write.seq.0], || {
                        format!("h{host} {range:?} synced {:?}", write.seq)
                    });
                    if let Some(replica) = self.hosts[host].replicas.get_mut(&range) {
                        replica.durable = Some(write.seq);
                    }
                }
                Item::Intent(range, _) => {
                    if let Some(install) =
                        self.hosts[host].replicas.get_mut(&range).and_then(|r| r.install.as_mut())
                    {
                        install.durable = true;
                    }
                }
            }
        }
        if self.strikes(host, CrashPoint::AfterSync)? {
            return Ok(());
        }
        let at = self.now + self.rng.shell.below(20_000);
        self.queue.push(at, Event::Notice { host, process });
        self.start_sync(host);
        Ok(())
    }

    /// The process hears that its writes are durable.
    pub(crate) fn notice(&mut self, host: usize, process: u64) -> Result<(), Violation> {
        if !self.runs(host, process) {
            return Ok(());
        }
        let now = self.local(host);
        let mut ingests = Vec::new();
        for (range, replica) in &mut self.hosts[host].replicas {
            if let Some(seq) = replica.durable.take() {
                replica.raft.log_persisted(now, seq);
            }
            if let Some(install) = replica.install.as_mut().filter(|i| i.durable) {
                install.durable = false;
                ingests.push(*range);
            }
        }
        for range in ingests {
            let at = self.now + self.rng.shell.below(self.plan.election / 30);
            self.queue.push(at, Event::Ingest { host, process, range });
        }
        self.pump(host)?;
        self.strikes(host, CrashPoint::AfterNotice)?;
        Ok(())
    }

    /// A timer fires.
    pub(crate) fn tick(&mut self, host: usize) -> Result<(), Violation> {
        let state = &mut self.hosts[host];
        if !state.up || state.tick_at == 0 || state.tick_at > self.now {
            return Ok(());
        }
        state.tick_at = 0;
        let now = self.local(host);
        let mut any = false;
        for replica in self.hosts[host].replicas.values_mut() {
            if replica.raft.next_deadline() <= now {
                replica.raft.tick(now);
                any = true;
            }
        }
        if any {
            self.trace.note(self.now, [3, host as u64, 0, 0], || format!("h{host} ticks"));
            return self.pump(host);
        }
        self.set_timer(host);
        Ok(())
    }

    /// Sets the timer to the earliest deadline of the cores.
    fn set_timer(&mut self, host: usize) {
        let state = &self.hosts[host];
        let Some(deadline) = state.replicas.values().map(|r| r.raft.next_deadline()).min() else { return };
        let at = state.clock.real_time_of(deadline).max(self.now + 1);
        if at > self.now + FAR || (state.tick_at != 0 && state.tick_at <= at + self.plan.tick_late) {
            return;
        }
        let at = at + self.rng.shell.below(self.plan.tick_late + 1);
        self.hosts[host].tick_at = at;
        self.queue.push(at, Event::Tick { host });
    }

    /// Shows the monitor the state of every replica of a host.
    pub(crate) fn observe(&mut self, host: usize) -> Result<(), Violation> {
        let now = self.local(host);
        let Some(node) = self.hosts[host].disk.node else { return Ok(()) };
        let (mut lost, mut leases) = (false, Vec::new());
        for (range, replica) in &mut self.hosts[host].replicas {
            let status = replica.raft.status(now);
            (replica.role, replica.term) = (status.role, status.term);
            lost |= status.role == RoleKind::LostDisk;
            if status.lease {
                leases.push(*range);
            }
            self.monitor.status(*range, node, self.now, &status)?;
        }
        for range in leases {
            self.check_leases(range)?;
        }
        if lost { self.lost_disk(host) } else { Ok(()) }
    }

    /// Shows the monitor who would serve a read by its lease at this instant.
    fn check_leases(&mut self, range: RangeId) -> Result<(), Violation> {
        let leaders = self.hosts.iter().filter_map(|host| {
            let replica = host.replicas.get(&range).filter(|replica| replica.role == RoleKind::Leader)?;
            Some((host.disk.node?, replica.raft.status(host.clock.at(self.now)).lease))
        });
        let leases: Vec<_> = leaders.collect();
        Ok(self.monitor.lease_check(range, self.now, &leases)?)
    }

    /// Sends the first `most` messages that wait, gathered into envelopes.
    pub(crate) fn flush_outbox(&mut self, host: usize, most: usize) {
        let mut outbox = std::mem::take(&mut self.hosts[host].outbox);
        outbox.truncate(most);
        if outbox.len() > 1 {
            outbox.sort_by_key(|(to, lane, _)| (*to, *lane));
        }
        let Some(from) = self.hosts[host].peer() else { return };
        let mut waiting = outbox.into_iter().peekable();
        while let Some((to, lane, message)) = waiting.next() {
            let mut messages = vec![message];
            while let Some((_, _, more)) = waiting.next_if(|(t, l, _)| *t == to && *l == lane) {
                messages.push(more);
            }
            let header = Header { cluster: self.cluster, from, to };
            self.send(host, to, lane, Content::Raft(raft::Envelope { header, messages }));
        }
    }

    /// Puts a packet on the network.
    pub(crate) fn send(&mut self, host: usize, to: Target, lane: usize, content: Content) {
        let Some(&target) = self.address.get(&to.node) else { return };
        if target == host {
            return;
        }
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
    pub(crate) fn deliver(&mut self, host: usize, packet: Packet) -> Result<(), Violation> {
        if !self.hosts[host].up
            || self.hosts[host].condition != Condition::Fine
            || self.net.is_cut(packet.from, host)
        {
            return Ok(());
        }
        self.coverage.hit_if(packet.process != self.hosts[packet.from].process, Mark::PacketOld);
        match packet.content {
            Content::Raft(envelope) => self.receive(host, packet.from, packet.process, envelope),
            Content::ChunkRequest { range, to, id, offset } => {
                self.serve_chunk(host, packet.from, range, to, id, offset);
                Ok(())
            }
            Content::Chunk { range, from, id, offset, data } => {
                self.chunk(host, range, from, id, offset, data)
            }
        }
    }

    fn receive(
        &mut self,
        host: usize,
        from: usize,
        process: u64,
        envelope: raft::Envelope,
    ) -> Result<(), Violation> {
        let header = envelope.header;
        let now = self.local(host);
        self.note_envelope(host, from, &envelope);
        for message in &envelope.messages {
            self.admit(host, &header, message)?;
        }
        let fresh = process == self.hosts[from].process && self.hosts[host].heard[from] != process;
        if fresh {
            self.hosts[host].heard[from] = process;
            for replica in self.hosts[host].replicas.values_mut() {
                replica.raft.connected(now, &header);
            }
        }
        let node = self.hosts[host].disk.node.unwrap_or_default();
        for message in envelope.messages {
            if let Body::Heartbeat(heartbeat) = &message.body {
                self.monitor.heard(message.range, node, header.from.node, heartbeat.round, now);
            }
            if let Some(replica) = self.hosts[host].replicas.get_mut(&message.range) {
                replica.raft.step(now, &header, message);
            }
        }
        self.pump(host)
    }

    fn note_envelope(&mut self, host: usize, from: usize, envelope: &raft::Envelope) {
        let header = envelope.header;
        for message in &envelope.messages {
            let (kind, number) = summary(&message.body);
            let ends = kind << 32 | (from as u64) << 16 | host as u64;
            self.trace.note(self.now, [4 | ends << 8, message.range.0, message.term.0, number], || {
                format!(
                    "h{host} gets from h{from} ({:?}{:?} to {:?}) {:?} {:?} {:?}",
                    header.from.node,
                    header.from.boot,
                    header.to.node,
                    message.range,
                    message.term,
                    message.body
                )
            });
        }
    }
}

/// A message in two numbers, for the hash of the trace.
fn summary(body: &Body) -> (u64, u64) {
    match body {
        Body::PreVote(m) => (1, m.last.index.0 ^ m.campaign.0 << 32),
        Body::PreVoteReply(m) => (2, u64::from(m.granted) ^ m.campaign.0 << 32),
        Body::Vote(m) => (3, m.last.index.0 ^ m.campaign.0 << 32),
        Body::VoteReply(m) => (4, u64::from(m.granted) ^ m.campaign.0 << 32),
        Body::Append(m) => (5, m.prev.index.0 ^ (m.entries.len() as u64) << 32 ^ m.commit.0 << 40),
        Body::AppendAck(m) => (6, m.matched.0),
        Body::AppendReject(m) => (7, m.rejected.0 ^ m.hint.index.0 << 32),
        Body::Heartbeat(m) => (8, m.round.0 ^ m.commit.0 << 32),
        Body::HeartbeatAck(m) => (9, m.round.0 ^ (m.promised.as_nanos() as u64) << 20),
        Body::Commit(m) => (10, m.commit.0),
        Body::TimeoutNow(_) => (11, 0),
        Body::SnapshotOffer(m) => (12, m.id.0 ^ m.meta.last.index.0 << 32),
        Body::SnapshotReply(m) => (13, m.index.0 ^ u64::from(m.installed) << 63),
        Body::ReadRequest(m) => (14, m.id.0),
        Body::ReadReply(m) => (15, m.id.0 ^ m.index.map_or(0, |i| i.0) << 32),
        Body::LostDisk(m) => (16, m.boot.counter),
    }
}
