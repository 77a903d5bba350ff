//! A replica and an honest caller around it: a disk, applies, reads from the log, snapshots. The caller keeps
//! every rule, but does its part when it is told to, or never.

#![allow(dead_code, reason = "not every test binary uses all of it")]
#![allow(clippy::unwrap_used, reason = "an honest preparation that fails is a failed test")]

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use raft::{
    Boot, ClusterId, Configuration, DiskId, Entry, HardState, Header, Identity, LogIndex, LogRead, LogWrite,
    Message, NodeId, Output, Payload, Peer, Raft, RangeId, ReplicaId, Restored, Settings, SnapshotFetch,
    SnapshotId, SnapshotMeta, Target, Time, bootstrap,
};

pub const CLUSTER: ClusterId = ClusterId(7);
pub const RANGE: RangeId = RangeId(1);

pub fn disk_of(node: NodeId) -> DiskId {
    DiskId(u128::from(node.0) << 70)
}

pub fn peer(node: NodeId) -> Peer {
    Peer { node, disk: disk_of(node), boot: Boot { counter: 1, nonce: node.0 } }
}

/// What is durable of the log.
#[derive(Clone, Debug, Default)]
struct Disk {
    entries: VecDeque<Entry>,
    base: LogIndex,
    bytes: usize,
}

impl Disk {
    fn last(&self) -> LogIndex {
        self.entries.back().map_or(self.base, |entry| entry.index)
    }

    fn write(&mut self, write: LogWrite) {
        if let Some(base) = write.base {
            let kept = if base.reset { LogIndex(u64::MAX) } else { base.meta.last.index };
            while self.entries.front().is_some_and(|entry| entry.index <= kept) {
                let gone = self.entries.pop_front();
                self.bytes -= gone.map_or(0, |entry| cost(&entry));
            }
            self.base = base.meta.last.index;
        }
        while let Some(from) = write.truncate_from
            && self.entries.back().is_some_and(|entry| entry.index >= from)
        {
            let gone = self.entries.pop_back();
            self.bytes -= gone.map_or(0, |entry| cost(&entry));
        }
        for entry in write.entries {
            assert_eq!(entry.index, self.last().next(), "what is written leaves no gap");
            let entry = unshared(entry);
            self.bytes += cost(&entry);
            self.entries.push_back(entry);
        }
    }

    fn read(&self, read: &LogRead) -> Vec<Entry> {
        let mut bytes = 0;
        let wanted = self.entries.iter().skip_while(|entry| entry.index < read.first).take_while(|entry| {
            let first = bytes == 0;
            bytes += entry.size();
            entry.index <= read.last && (first || bytes <= read.max_bytes)
        });
        let found: Vec<Entry> = wanted.cloned().collect();
        // A compaction may have been faster.
        if found.first().is_some_and(|entry| entry.index == read.first) { found } else { Vec::new() }
    }

    fn heap(&self) -> usize {
        self.bytes + self.entries.capacity() * size_of::<Entry>()
    }
}

/// On disk, an entry shares no memory with the replica.
fn unshared(entry: Entry) -> Entry {
    let payload = match entry.payload {
        Payload::Noop => Payload::Noop,
        Payload::Configuration(configuration) => Payload::Configuration(Arc::new((*configuration).clone())),
        Payload::Command(command) => Payload::Command(Bytes::copy_from_slice(&command)),
    };
    Entry { payload, ..entry }
}

/// The heap that it takes on the disk beside its slot, about.
fn cost(entry: &Entry) -> usize {
    match &entry.payload {
        Payload::Noop => 0,
        Payload::Configuration(configuration) => 96 + 64 * configuration.members.len(),
        Payload::Command(command) => command.len() + 24,
    }
}

/// One node.
#[derive(Clone, Debug)]
pub struct Host {
    pub node: NodeId,
    pub raft: Raft,
    disk: Disk,
    /// Handed out, not durable.
    writes: VecDeque<LogWrite>,
    /// Handed out up to here, not reported applied.
    to_apply: Option<LogIndex>,
    log_reads: VecDeque<LogRead>,
    pub snapshots_wanted: Vec<NodeId>,
    pub fetch: Option<SnapshotFetch>,
    pub install: Option<SnapshotMeta>,
    snapshots: u64,
}

impl Host {
    /// A voter among `voters`, or without any a blank replica to be added.
    pub fn new(node: NodeId, voters: &[NodeId], settings: Settings) -> Self {
        let (hard_state, entries) = if voters.is_empty() {
            (HardState::default(), Vec::new())
        } else {
            let members = voters.iter().map(|node| (*node, disk_of(*node)));
            let (hard_state, first) = bootstrap(Configuration::bootstrap(members));
            (hard_state, vec![first])
        };
        let mut disk = Disk::default();
        disk.entries.extend(entries.iter().cloned().map(unshared));
        disk.bytes = disk.entries.iter().map(cost).sum();
        let restored = Restored::scan(hard_state, SnapshotMeta::empty(), entries, LogIndex::ZERO).unwrap();
        let (peer, replica) = (peer(node), ReplicaId(node.0));
        let identity = Identity { cluster: CLUSTER, peer, range: RANGE, replica };
        Self {
            node,
            raft: Raft::restore(Time::ZERO, node.0, identity, settings, restored).unwrap(),
            disk,
            writes: VecDeque::new(),
            to_apply: None,
            log_reads: VecDeque::new(),
            snapshots_wanted: Vec::new(),
            fetch: None,
            install: None,
            snapshots: 0,
        }
    }

    /// Takes the output and gives what is to be sent; the rest waits to be done.
    pub fn take_output(&mut self, now: Time) -> Vec<(Header, Message)> {
        let output: Output = self.raft.take_output(now);
        self.writes.extend(output.write);
        self.to_apply = output.apply.last().map(|entry| entry.index).or(self.to_apply);
        self.log_reads.extend(output.log_reads);
        self.snapshots_wanted.extend(output.snapshots_wanted);
        self.fetch = output.fetch.or(self.fetch.take());
        self.install = output.install.or(self.install.take());
        let from = peer(self.node);
        let header = |to: Target| Header { cluster: CLUSTER, from, to };
        output.messages.into_iter().map(|outgoing| (header(outgoing.to), outgoing.message)).collect()
    }

    /// The oldest write becomes durable.
    pub fn persist_one(&mut self, now: Time) {
        if let Some(write) = self.writes.pop_front() {
            let seq = write.seq;
            self.disk.write(write);
            self.raft.log_persisted(now, seq);
        }
    }

    /// Everything handed out becomes durable with one sync.
    pub fn persist_all(&mut self, now: Time) {
        let Some(seq) = self.writes.back().map(|write| write.seq) else { return };
        for write in self.writes.drain(..) {
            self.disk.write(write);
        }
        self.raft.log_persisted(now, seq);
    }

    pub fn apply(&mut self, now: Time) {
        // The state machine is not touched while it is being replaced.
        if self.install.is_none()
            && let Some(index) = self.to_apply.take()
        {
            self.raft.applied(now, index);
        }
    }

    pub fn read_log(&mut self, now: Time) {
        if let Some(read) = self.log_reads.pop_front() {
            let entries = self.disk.read(&read);
            self.raft.log_read(now, read, entries);
        }
    }

    /// Offers a snapshot of what is applied to whoever needs one.
    pub fn offer(&mut self, now: Time) {
        let Some(to) = self.snapshots_wanted.pop() else { return };
        let applied = self.raft.status(now).applied;
        if let Ok(meta) = self.raft.snapshot_meta(applied) {
            self.snapshots += 1;
            self.raft.offer_snapshot(now, to, SnapshotId(self.snapshots), meta);
        }
    }

    pub fn finish_fetch(&mut self, now: Time, complete: bool) {
        let Some(fetch) = self.fetch.take() else { return };
        if complete {
            self.raft.snapshot_received(now, fetch.id);
        } else {
            self.raft.snapshot_failed(now, fetch.id);
        }
    }

    pub fn finish_install(&mut self, now: Time) {
        if self.install.take().is_some() {
            self.to_apply = None;
            self.raft.snapshot_ingested(now);
        }
    }

    pub fn is_idle(&self) -> bool {
        self.writes.is_empty() && self.to_apply.is_none()
    }

    /// Does everything that waits, at once.
    pub fn do_all(&mut self, now: Time) {
        self.persist_all(now);
        self.apply(now);
        while !self.log_reads.is_empty() {
            self.read_log(now);
        }
        while !self.snapshots_wanted.is_empty() {
            self.offer(now);
        }
        self.finish_fetch(now, true);
        self.finish_install(now);
    }

    /// What of the heap is the pretended disk.
    pub fn disk_heap(&self) -> usize {
        self.disk.heap()
    }
}
