//! What is slow and must not hold up the loop: snapshots on their way, and how much space is free.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use raft::NodeId;
use store::carrier::{self, Carrier, ChunkMessage, RangeStatus};
use store::directory::Directory;
use store::engine::Engine;
use store::replica::SnapshotEvent;
use store::snapshot::{ChunkContent, ChunkReply, ChunkRequest};
use tokio::sync::{oneshot, watch};

use super::clock::monotonic_nanos;
use super::fault::Fault;
use super::inbox::{Errand, Input};
use super::queue::Queue;
use super::start::Shared;

/// Bytes read or written for snapshots before the queue is looked at again.
const BUDGET: u64 = 1 << 20;
/// Between two looks at the free space.
const FREE_SPACE_PERIOD: Duration = Duration::from_secs(1);
/// Peers' requests for pieces that wait for the carrier.
const MOST_WAITING: usize = 256;

/// What the thread is told.
pub(crate) enum Task {
    /// By the store.
    Event(SnapshotEvent),
    /// A peer asks for a piece of a snapshot.
    Serve(NodeId, ChunkRequest, oneshot::Sender<ChunkContent>),
    /// A peer sent one.
    Reply(NodeId, ChunkReply),
}

/// What becomes of snapshots.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotSummary {
    /// Events since the start.
    pub counters: carrier::Counters,
    /// What is under way.
    pub ranges: Vec<RangeStatus>,
}

/// Everything that the upkeep thread owns.
pub(super) struct Upkeep<E: Engine, D> {
    pub(super) carrier: Carrier<E, D>,
    /// How often the carrier looks at what is late.
    pub(super) tick: Duration,
    pub(super) tasks: Arc<Queue<Task>>,
    /// A folder on the disk whose space counts.
    pub(super) data: PathBuf,
    /// Peers that wait for pieces.
    pub(super) waiting: Vec<(NodeId, ChunkRequest, oneshot::Sender<ChunkContent>)>,
    pub(super) summary: watch::Sender<SnapshotSummary>,
    pub(super) shared: Shared,
}

impl<E: Engine, D: Directory> Upkeep<E, D> {
    /// Until the queue is closed, or something fails.
    pub(super) fn run(mut self) {
        if let Err(fault) = self.work() {
            self.shared.faults.raise(fault);
        }
    }

    fn work(&mut self) -> Result<(), Fault> {
        let mut tasks = Vec::new();
        let mut last = monotonic_nanos();
        let mut since_look = Duration::ZERO;
        loop {
            let more = self.carrier.work(BUDGET)?;
            self.pass_on();
            let patience = if more { Duration::ZERO } else { self.tick };
            if !self.tasks.take(&mut tasks, Some(patience)) {
                return Ok(());
            }
            for task in tasks.drain(..) {
                self.task(task)?;
            }
            let now = monotonic_nanos();
            let elapsed = Duration::from_nanos(now.saturating_sub(std::mem::replace(&mut last, now)));
            self.carrier.tick(elapsed)?;
            since_look += elapsed;
            if since_look >= FREE_SPACE_PERIOD {
                since_look = Duration::ZERO;
                self.look()?;
            }
        }
    }

    fn task(&mut self, task: Task) -> Result<(), Fault> {
        match task {
            Task::Event(event) => self.carrier.event(event)?,
            Task::Serve(from, request, answered) => {
                if self.waiting.len() < MOST_WAITING {
                    self.waiting.push((from, request, answered));
                    self.carrier.receive(from, ChunkMessage::Request(request))?;
                }
            }
            Task::Reply(from, reply) => self.carrier.receive(from, ChunkMessage::Reply(reply))?,
        }
        Ok(())
    }

    /// Brings what the carrier wants to the store and to peers.
    fn pass_on(&mut self) {
        let output = self.carrier.take_output();
        if output.is_empty() {
            return;
        }
        let mut errands: Vec<Errand> = output.calls.into_iter().map(Errand::Call).collect();
        for (node, message) in output.messages {
            match message {
                ChunkMessage::Request(request) => errands.push(Errand::Fetch(node, request)),
                ChunkMessage::Reply(reply) => self.answer(node, reply),
            }
        }
        if !errands.is_empty() {
            self.shared.inbox.run_errands(errands);
        }
    }

    fn answer(&mut self, to: NodeId, reply: ChunkReply) {
        let ChunkReply { range, id, piece, content } = reply;
        let request = ChunkRequest { range, id, piece };
        let waited = self.waiting.extract_if(.., |(node, waits_for, _)| (*node, *waits_for) == (to, request));
        for (_, _, answered) in waited {
            // A peer that gave up asks again.
            let _ = answered.send(content.clone());
        }
    }

    /// Once a second.
    fn look(&mut self) -> Result<(), Fault> {
        self.waiting.retain(|(_, _, answered)| !answered.is_closed());
        let free_bytes = free_bytes(&self.data)?;
        self.carrier.set_free_bytes(free_bytes);
        self.shared.inbox.send_now(Input::FreeBytes(free_bytes));
        let summary = SnapshotSummary { counters: *self.carrier.counters(), ranges: self.carrier.status() };
        self.summary.send_if_modified(|published| {
            let changed = *published != summary;
            *published = summary;
            changed
        });
        Ok(())
    }
}

/// Bytes that a user without privileges may still fill.
pub(super) fn free_bytes(folder: &std::path::Path) -> Result<u64, Fault> {
    match rustix::fs::statvfs(folder) {
        Ok(found) => Ok(found.f_bavail.saturating_mul(found.f_frsize)),
        Err(error) => Err(Fault::NoFreeSpace { detail: error.to_string() }),
    }
}
