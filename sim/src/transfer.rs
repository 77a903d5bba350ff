//! Snapshots between hosts: made on demand, fetched in parts over the network, kept by both sides across
//! restarts, and installed by way of a durable intent.

use bytes::Bytes;
use raft::{NodeId, RangeId, SnapshotId, Target};

use crate::coverage::Mark;
use crate::disk::{PartialSnapshot, StoredSnapshot};
use crate::event::{Answer, Content, Event};
use crate::fault::CrashPoint;
use crate::machine::Machine;
use crate::world::{Violation, World};

/// Snapshots kept for others.
const KEPT: usize = 3;

impl World {
    /// Offers a follower a snapshot: a new one, or the last one where the log still follows it.
    pub(crate) fn make_snapshot(
        &mut self,
        host: usize,
        process: u64,
        range: RangeId,
        to: NodeId,
    ) -> Result<(), Violation> {
        if !self.runs(host, process) {
            return Ok(());
        }
        let now = self.local(host);
        let again = self.rng.shell.coin();
        let state = &mut self.hosts[host];
        let (Some(replica), Some(disk)) =
            (state.replicas.get_mut(&range), state.disk.replicas.get_mut(&range))
        else {
            return Ok(());
        };
        let applied = replica.machine.applied().index;
        let base = replica.raft.status(now).base.index;
        let reuse = disk.snapshots.last().filter(|s| again && s.meta.last.index >= base).cloned();
        self.coverage.hit_if(reuse.is_some(), Mark::SnapshotReused);
        let snapshot = match reuse {
            Some(snapshot) => snapshot,
            None => {
                // Not possible while a snapshot is being installed here: then the core asks again.
                let Ok(meta) = replica.raft.snapshot_meta(applied) else { return Ok(()) };
                let id = SnapshotId(disk.next_snapshot);
                disk.next_snapshot += 1;
                let made = StoredSnapshot { id, meta, data: replica.machine.to_snapshot() };
                disk.snapshots.push(made.clone());
                if disk.snapshots.len() > KEPT {
                    disk.snapshots.remove(0);
                }
                made
            }
        };
        replica.raft.offer_snapshot(now, to, snapshot.id, snapshot.meta);
        self.pump(host)
    }

    /// Asks for the next part, or begins a transfer where an earlier one of the same snapshot ended.
    pub(crate) fn fetch_again(
        &mut self,
        host: usize,
        process: u64,
        range: RangeId,
        id: SnapshotId,
    ) -> Result<(), Violation> {
        if !self.runs(host, process) {
            return Ok(());
        }
        let now = self.local(host);
        let state = &mut self.hosts[host];
        let (Some(replica), Some(disk)) =
            (state.replicas.get_mut(&range), state.disk.replicas.get_mut(&range))
        else {
            return Ok(());
        };
        let Some(fetch) = replica.fetch.as_ref().filter(|f| f.what.id == id) else { return Ok(()) };
        if self.now > fetch.progress + self.plan.election * 5 {
            replica.fetch = None;
            replica.raft.snapshot_failed(now, id);
            self.coverage.hit(Mark::TransferFailed);
            return self.pump(host);
        }
        let to = fetch.what.from;
        let resumes = disk.partial.as_ref().is_some_and(|p| p.from == to.node && p.id == id);
        if !resumes {
            disk.partial = Some(PartialSnapshot { from: to.node, id, data: Vec::new() });
        }
        let offset = disk.partial.as_ref().map_or(0, |p| p.data.len());
        self.coverage.hit_if(resumes && offset > 0 && fetch.progress == self.now, Mark::TransferResumed);
        self.send(host, to, 1, Content::ChunkRequest { range, to, id, offset });
        let at = self.now + self.plan.election / 4;
        self.queue.push(at, Event::Fetch { host, process, range, id });
        Ok(())
    }

    /// Answers a request for a part.
    pub(crate) fn serve_chunk(
        &mut self,
        host: usize,
        asker: usize,
        range: RangeId,
        to: Target,
        id: SnapshotId,
        offset: usize,
    ) {
        let disk = &self.hosts[host].disk;
        let Some(node) = disk.node.filter(|node| *node == to.node && disk.id == to.disk) else { return };
        let snapshot = disk.replicas.get(&range).and_then(|r| r.snapshots.iter().find(|s| s.id == id));
        let data = snapshot.map(|s| {
            let end = s.data.len().min(offset + self.plan.chunk);
            (s.data.slice(offset.min(end)..end), s.data.len())
        });
        let Some(peer) = self.hosts[asker].disk.node else { return };
        if data.is_none() {
            // It is offered and not kept any more: another one is needed.
            let process = self.hosts[host].process;
            self.queue.push(self.now, Event::MakeSnapshot { host, process, range, to: peer });
        }
        let to = Target { node: peer, disk: self.hosts[asker].disk.id };
        self.send(host, to, 1, Content::Chunk { range, from: node, id, offset, data });
    }

    /// A part arrives.
    pub(crate) fn chunk(
        &mut self,
        host: usize,
        range: RangeId,
        from: NodeId,
        id: SnapshotId,
        offset: usize,
        data: Option<(Bytes, usize)>,
    ) -> Result<(), Violation> {
        let now = self.local(host);
        let process = self.hosts[host].process;
        let state = &mut self.hosts[host];
        let (Some(replica), Some(disk)) =
            (state.replicas.get_mut(&range), state.disk.replicas.get_mut(&range))
        else {
            return Ok(());
        };
        let wanted = |f: &&mut crate::host::Fetch| f.what.id == id && f.what.from.node == from;
        let Some(fetch) = replica.fetch.as_mut().filter(wanted) else { return Ok(()) };
        let Some((bytes, total)) = data else {
            replica.fetch = None;
            disk.partial = None;
            replica.raft.snapshot_failed(now, id);
            self.coverage.hit(Mark::TransferFailed);
            return self.pump(host);
        };
        let Some(partial) = disk.partial.as_mut().filter(|p| p.id == id && p.from == from) else {
            return Ok(());
        };
        if partial.data.len() != offset {
            return Ok(());
        }
        partial.data.extend_from_slice(&bytes);
        fetch.progress = self.now;
        if partial.data.len() < total {
            let (to, offset) = (fetch.what.from, partial.data.len());
            if !self.strikes(host, CrashPoint::MidTransfer)? {
                self.send(host, to, 1, Content::ChunkRequest { range, to, id, offset });
            }
            return Ok(());
        }
        let whole = Bytes::from(std::mem::take(&mut partial.data));
        disk.partial = None;
        let meta = fetch.what.meta.clone();
        replica.fetch = None;
        if Machine::from_snapshot(&whole).is_some_and(|m| m.applied() == meta.last) {
            replica.received = Some((meta, whole));
            replica.raft.snapshot_received(now, id);
        } else {
            let detail = format!("h{host} {range:?}: {id:?} of {from:?} is not what was offered: {meta:?}");
            return Err(Violation::new("snapshot content", detail));
        }
        debug_assert!(self.runs(host, process));
        self.pump(host)
    }

    /// A snapshot whose intent is durable goes into the state machine.
    pub(crate) fn ingest(&mut self, host: usize, process: u64, range: RangeId) -> Result<(), Violation> {
        if !self.runs(host, process) || self.strikes(host, CrashPoint::BeforeIngest)? {
            return Ok(());
        }
        let now = self.local(host);
        let state = &mut self.hosts[host];
        let node = state.disk.node.unwrap_or_default();
        let (Some(replica), Some(disk)) =
            (state.replicas.get_mut(&range), state.disk.replicas.get_mut(&range))
        else {
            return Ok(());
        };
        let Some(install) = replica.install.take() else { return Ok(()) };
        let Some(machine) = Machine::from_snapshot(&install.intent.data) else { return Ok(()) };
        let meta = install.intent.meta;
        replica.machine = machine;
        disk.machine = machine;
        replica.to_apply.clear();
        let overtaken: Vec<_> = {
            let later = replica.writes.split_off(&(meta.last.index.next(), raft::Term(0)));
            std::mem::replace(&mut replica.writes, later).into_values().collect()
        };
        for waiter in overtaken {
            self.answer(waiter, Answer::Unknown);
        }
        self.trace.note(self.now, [10, host as u64, meta.last.index.0, machine.hash()], || {
            format!("h{host} {range:?} holds the snapshot of {:?}", meta.last)
        });
        self.monitor.installed(range, node, &meta)?;
        self.monitor.state_hash(range, node, meta.last.index, machine.hash())?;
        if self.strikes(host, CrashPoint::AfterIngest)? {
            return Ok(());
        }
        if let Some(replica) = self.hosts[host].replicas.get_mut(&range) {
            replica.raft.snapshot_ingested(now);
        }
        self.pump(host)
    }

    /// A crash loses the last part of what was received and not synced.
    pub(crate) fn lose_partial_snapshots(&mut self, host: usize) {
        for disk in self.hosts[host].disk.replicas.values_mut() {
            if let Some(partial) = &mut disk.partial {
                let kept = if self.rng.disk.coin() {
                    partial.data.len()
                } else {
                    self.rng.disk.index(partial.data.len() + 1)
                };
                partial.data.truncate(kept);
            }
        }
    }
}
