//! Snapshots: made and offered here, fetched and installed there.

use raft::{LogIndex, NodeId, SnapshotFetch, SnapshotId, SnapshotMeta};

use super::disk::Snapshot;
use super::node::Hold;
use super::text;
use super::world::World;

impl World {
    pub(super) fn perform_snapshots(
        &mut self,
        id: NodeId,
        wanted: Vec<NodeId>,
        fetch: Option<SnapshotFetch>,
        install: Option<SnapshotMeta>,
    ) -> Result<(), String> {
        for to in wanted {
            self.happened(id, format!("has to send n{to} a snapshot"));
            self.process(id)?.wanted.push(to);
            if !self.holds(id, Hold::Offer) {
                self.offer(id, to)?;
            }
        }
        if let Some(fetch) = fetch {
            self.happened(id, format!("fetches snapshot s{} from n{}", fetch.id, fetch.from.node));
            self.process(id)?.to_fetch = Some(fetch);
            if !self.holds(id, Hold::Fetch) {
                self.fetch(id)?;
            }
        }
        if let Some(meta) = install {
            self.happened(id, format!("begins to install the snapshot up to {}", text::position(meta.last)));
            let node = self.node(id)?;
            // The intent is durable before the old state goes.
            node.disk.intent = node.process()?.fetched.take();
            node.process()?.to_install = true;
            if !self.holds(id, Hold::Install) {
                self.install(id)?;
            }
        }
        Ok(())
    }

    /// Makes a snapshot of what is applied, and offers it.
    pub(super) fn offer(&mut self, id: NodeId, to: NodeId) -> Result<(), String> {
        let now = self.now;
        let snapshot_id = SnapshotId(self.snapshots.len() as u64 + 1);
        let process = self.process(id)?;
        let applied = LogIndex(process.machine.len() as u64);
        let meta = process.raft.snapshot_meta(applied).map_err(|error| error.to_string())?;
        process.wanted.retain(|node| *node != to);
        let content = process.machine.clone();
        process.raft.offer_snapshot(now, to, snapshot_id, meta.clone());
        self.snapshots.insert((id, snapshot_id), Snapshot { meta, content });
        Ok(())
    }

    /// Fetches the snapshot that was offered.
    pub(super) fn fetch(&mut self, id: NodeId) -> Result<(), String> {
        let now = self.now;
        let fetch = self.process(id)?.to_fetch.take().ok_or(format!("n{id} fetches no snapshot"))?;
        let snapshot = self.snapshots.get(&(fetch.from.node, fetch.id)).cloned();
        let process = self.process(id)?;
        process.fetched = Some(snapshot.ok_or(format!("n{} has no such snapshot", fetch.from.node))?);
        process.raft.snapshot_received(now, fetch.id);
        Ok(())
    }

    /// Gives a fetch up.
    pub(super) fn fetch_fails(&mut self, id: NodeId) -> Result<(), String> {
        let now = self.now;
        let process = self.process(id)?;
        let fetch = process.to_fetch.take().ok_or(format!("n{id} fetches no snapshot"))?;
        process.raft.snapshot_failed(now, fetch.id);
        Ok(())
    }

    /// Replaces the state machine by what the intent names.
    pub(super) fn install(&mut self, id: NodeId) -> Result<(), String> {
        let now = self.now;
        let node = self.node(id)?;
        if !std::mem::take(&mut node.process()?.to_install) {
            return Err(format!("n{id} installs no snapshot"));
        }
        let snapshot = node.disk.intent.clone().ok_or(format!("n{id} has no intent"))?;
        node.disk.flushed.clone_from(&snapshot.content);
        let process = node.process()?;
        process.machine = snapshot.content;
        process.clients.clear();
        process.raft.snapshot_ingested(now);
        self.happened(id, format!("holds the snapshot up to {}", text::position(snapshot.meta.last)));
        Ok(())
    }
}
