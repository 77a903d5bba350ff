//! One range on one node: the consensus core, the range's state machine, and the clients that wait for them.
//!
//! ```text
//! request ─► evaluate ─► Raft::propose ─► (log, network) ─► apply ─► answer
//! read    ─► Raft::read_index ─────────► (leader) ───────► read at the applied timestamp
//! ```
//!
//! Deterministic and synchronous: time comes with each input, and what is to be done is gathered. What is
//! applied is in the engine before anybody is told of it.

mod awaited;
mod error;
mod host;
mod leadership;
mod log_size;
mod peers;
mod read;
mod request;
mod settings;
mod snapshot;
mod status;
mod transfers;
mod upkeep;
mod write;

pub use error::{ExitCode, StoreFault};
pub use host::{Gathered, Host, SnapshotEvent};
pub(crate) use peers::Report;
pub use peers::{MAX_SKEW, Now, Peers};
pub use request::{Address, Consistency, Query, Read, Reply, Request, Token};
pub use settings::{Compaction, Settings};
pub use status::ReplicaStatus;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use raft::{
    Change, ChangeError, Configuration, Entry, Header, LogIndex, LogPosition, Message, NodeId, Output, Raft,
    Time, TransferError, WriteSeq,
};

use self::awaited::Awaited;
use self::leadership::Leadership;
use self::log_size::LogSize;
use self::read::Reads;
use self::transfers::Transfers;
use self::upkeep::Sweeping;
use crate::canary;
use crate::engine::Engine;
use crate::log_store::{LogItem, LogReader};
use crate::range::gc::{Ages, LEAST_RETENTION};
use crate::range::{self, RangeState};
use crate::request::RequestError;

/// One range on one node.
#[derive(Debug)]
pub struct Replica {
    raft: Raft,
    state: RangeState,
    /// The core may have changed its role since it was last looked at.
    role_may_differ: bool,
    leadership: Option<Leadership>,
    awaited: Awaited,
    reads: Reads,
    /// Membership calls by the core's token.
    changes: BTreeMap<u64, Token>,
    last_change: u64,
    /// The leader, if known; and whether this disk lost data: as of the last look at the core's role.
    leader: Option<NodeId>,
    lost_disk: bool,
    configuration: Arc<Configuration>,
    /// The data are being replaced by a snapshot: nothing is read.
    installing: bool,
    /// Installs that the core has completed, as far as was told.
    installed: u64,
    /// To followers.
    transfers: Transfers,
    log_size: LogSize,
    /// Which timestamps are how old: for what versions are kept,
    versions: Ages,
    /// and for what sessions live.
    activity: Ages,
    sweeping: Sweeping,
    upkeep_due: Time,
    /// How long clients wait for the outcome of a write after the leadership ended.
    patience: Duration,
}

impl Replica {
    /// A replica whose core and state were restored. `log` is what its log holds up to the applied position:
    /// what it begins after, and the sizes of the entries.
    #[must_use]
    pub fn new(
        raft: Raft,
        state: RangeState,
        settings: &Settings,
        now: Now,
        log: (LogIndex, Vec<(LogIndex, usize)>),
    ) -> Self {
        let status = raft.status(now.time);
        let mut log_size = LogSize::new(settings.compaction, log.0);
        for (index, bytes) in log.1 {
            log_size.add(index, bytes);
        }
        Self {
            raft,
            state,
            role_may_differ: true,
            leadership: None,
            awaited: Awaited::default(),
            reads: Reads::default(),
            changes: BTreeMap::new(),
            last_change: 0,
            leader: status.leader,
            lost_disk: status.role == raft::RoleKind::LostDisk,
            configuration: status.configuration,
            installing: false,
            installed: 0,
            transfers: Transfers::default(),
            log_size,
            versions: Ages::new(settings.retention.max(LEAST_RETENTION)),
            activity: Ages::new(settings.session_expiry),
            sweeping: Sweeping::default(),
            upkeep_due: now.time + settings.upkeep,
            patience: settings.raft.election_timeout,
        }
    }

    /// The state machine.
    #[must_use]
    pub fn state(&self) -> &RangeState {
        &self.state
    }

    /// Fetches what the next message or tick will use into the processor's cache.
    pub fn warm(&self) {
        self.raft.warm();
    }

    /// Takes a message.
    pub fn step(&mut self, now: Now, header: &Header, message: Message) {
        self.role_may_differ = true;
        self.raft.step(now.time, header, message);
    }

    /// A fresh connection from a peer was accepted.
    pub fn connected(&mut self, now: Now, header: &Header) {
        self.role_may_differ = true;
        self.raft.connected(now.time, header);
    }

    /// The wall clock jumped against the monotonic one.
    pub fn clock_jumped(&mut self, now: Now) {
        self.raft.clock_jumped(now.time);
    }

    /// A write of the core is durable.
    pub fn log_persisted(&mut self, now: Now, seq: WriteSeq) {
        self.role_may_differ = true;
        self.raft.log_persisted(now.time, seq);
    }

    /// Changes the members; the outcome comes in [`Gathered::changes`].
    ///
    /// # Errors
    /// Nothing was done.
    pub fn change(
        &mut self,
        now: Now,
        token: Token,
        planned_on: LogPosition,
        changes: Vec<Change>,
    ) -> Result<(), ChangeError> {
        self.role_may_differ = true;
        self.last_change += 1;
        self.changes.insert(self.last_change, token);
        let proposed = self.raft.propose_change(now.time, planned_on, changes, self.last_change);
        if proposed.is_err() {
            self.changes.remove(&self.last_change);
        }
        proposed
    }

    /// Hands the leadership over; watch the status for the outcome.
    ///
    /// # Errors
    /// Nothing was done.
    pub fn transfer_leadership(&mut self, now: Now, to: NodeId) -> Result<(), TransferError> {
        self.role_may_differ = true;
        self.raft.transfer_leadership(now.time, to)
    }

    /// Does what the core wants done, as far as it is this replica's; gathers the rest. Says whether that was
    /// all: what is to be applied goes in steps, so that a long log keeps nobody else waiting.
    ///
    /// # Errors
    /// The process must stop.
    pub fn serve<L: LogReader, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        out: &mut Gathered,
    ) -> Result<bool, StoreFault> {
        self.serve_late_reads(host, out)?;
        let before = out.applied_bytes;
        while out.applied_bytes - before < host.settings.raft.apply_bytes {
            self.follow_role(host, out);
            self.tell_installed(out);
            let Some(output) = self.raft.poll_output(host.now.time) else {
                return Ok(!self.reads.are_late());
            };
            self.perform(host, *output, out)?;
        }
        Ok(false)
    }

    fn perform<L: LogReader, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        output: Output,
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        let (now, range) = (host.now.time, self.state.range());
        out.messages.extend(output.messages);
        if let Some(write) = output.write {
            out.writes.push((range, write.seq));
            out.items.push(LogItem::Write(range, write));
        }
        if !output.apply.is_empty() {
            self.apply(host, &output.apply, out)?;
        }
        for read in output.log_reads {
            let entries = host.log.entries(range, read.first, read.last, read.max_bytes)?;
            self.raft.log_read(now, read, entries);
        }
        for read in output.reads {
            self.read_ready(host, read.token, out)?;
        }
        for (id, error) in output.failed_reads {
            self.read_failed(id, error, out);
        }
        for result in output.changes {
            if let Some(token) = self.changes.remove(&result.token) {
                out.changes.push((token, result));
            }
        }
        if !output.snapshots_wanted.is_empty() {
            let wanted = self.answering(now, output.snapshots_wanted);
            self.transfers.wanted(&wanted, self.raft.counters().snapshots_overtaken);
            let base = self.log_size.begins_after();
            let wanted = wanted.into_iter();
            out.snapshots.extend(wanted.map(|to| SnapshotEvent::Wanted { range, to, base }));
        }
        out.snapshots.extend(output.fetch.map(|fetch| SnapshotEvent::Fetch { range, fetch }));
        if let Some(meta) = output.install {
            self.installing = true;
            out.snapshots.push(SnapshotEvent::Install { range, meta });
        }
        Ok(())
    }

    /// One batch with the applied position in it; then everybody who waits is told.
    fn apply<L, E: Engine>(
        &mut self,
        host: &Host<'_, L, E>,
        entries: &[Entry],
        out: &mut Gathered,
    ) -> Result<(), StoreFault> {
        let applied = range::apply(&mut self.state, entries)?;
        let (torn, batch) = canary::tear(applied.batch);
        torn.map(|torn| host.engine.write(torn)).transpose()?;
        host.engine.write(batch)?;
        for entry in entries {
            self.log_size.add(entry.index, entry.size());
            out.applied_bytes += entry.size();
        }
        out.applied_entries += entries.len();
        let index = self.state.applied().position.index;
        self.raft.applied(host.now.time, index);
        self.overlay_applied(index);
        self.awaited.settle(index, &applied.replies, self.leader, out);
        self.reads_applied(host, out)
    }
}
