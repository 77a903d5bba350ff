//! To the store loop, from every other part of a node.

use std::sync::Arc;

use raft::{Header, NodeId};
use store::snapshot::{ChunkContent, ChunkReply, ChunkRequest};
use store::store::{AdminError, AdminReply, AdminRequest, NodeEnvelope, NodeStatus};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use crate::rocks::Gauge;
use crate::store_loop::{
    Asker, Counters, Inbox, Input, Mailbox, Queue, SnapshotSummary, Summary, Task, distribute,
};

/// Pieces of snapshots that wait in the upkeep thread's queue, asked for or received.
const MOST_CHUNKS: usize = 64;

/// To the store loop; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) summary: watch::Receiver<Summary>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) upkeep: Arc<Queue<Task>>,
    pub(crate) snapshots: watch::Receiver<SnapshotSummary>,
    pub(crate) databases: Arc<[(&'static str, Gauge)]>,
}

/// Why a call of an administrator did nothing, or why what it did is not known.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AdminCallError {
    /// Nothing was done.
    #[error(transparent)]
    Refused(#[from] AdminError),
    /// The answer was lost.
    #[error("this node stops: ask another node for the status, the call may have been done or not")]
    Stopping,
}

impl Handle {
    /// For one runtime: requests go out with its asker; the future delivers the answers, and is to be spawned on that
    /// runtime. It ends when the loop has ended. An asker is for the life of a runtime: the loop keeps its place.
    pub fn asker(&self) -> (Asker, impl Future<Output = ()> + Send + 'static) {
        let mailbox = Arc::new(Mailbox::default());
        let number = self.inbox.add_asker(&mailbox);
        (Asker { inbox: Arc::clone(&self.inbox), number }, distribute(mailbox))
    }

    /// An envelope of a peer; waits while too many bytes of them wait. Never refused; dropped when the process stops.
    pub async fn receive(&self, envelope: NodeEnvelope) {
        self.inbox.send(Input::Envelope(envelope)).await;
    }

    /// A fresh connection from a peer was accepted; waits as [`Handle::receive`] does.
    pub async fn connected(&self, header: Header) {
        self.inbox.send(Input::Connected(header)).await;
    }

    /// Asks for something on behalf of an administrator.
    ///
    /// # Errors
    /// As the store answers, or the process stops.
    pub async fn admin(&self, request: AdminRequest) -> Result<AdminReply, AdminCallError> {
        let (answered, answer) = oneshot::channel();
        self.inbox.send(Input::Admin(request, answered)).await;
        answer.await.unwrap_or(Err(AdminCallError::Stopping))
    }

    /// The visible state, as of now; none when the process stops.
    pub async fn status(&self) -> Option<NodeStatus> {
        let (answered, answer) = oneshot::channel();
        self.inbox.send(Input::Status(answered)).await;
        answer.await.ok()
    }

    /// The node as it was a moment ago: a change shows within some tens of milliseconds.
    #[must_use]
    pub fn summary(&self) -> watch::Receiver<Summary> {
        self.summary.clone()
    }

    /// A piece of a snapshot that this node offers, for the peer `from`. None: too much waits, or the process stops;
    /// the peer asks again. It takes as long as the disk: give up by dropping the future.
    pub async fn chunk(&self, from: NodeId, request: ChunkRequest) -> Option<ChunkContent> {
        let (answered, answer) = oneshot::channel();
        self.upkeep.push(Task::Serve(from, request, answered), MOST_CHUNKS)?;
        answer.await.ok()
    }

    /// A piece of a snapshot that the peer `from` sent, as [`Outbound::fetch`](crate::store_loop::Outbound::fetch)
    /// asked for. Dropped if too much waits: it is asked for again.
    pub fn chunk_reply(&self, from: NodeId, reply: ChunkReply) {
        self.upkeep.push(Task::Reply(from, reply), MOST_CHUNKS);
    }

    /// What becomes of snapshots, as of the last second.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<SnapshotSummary> {
        self.snapshots.clone()
    }

    /// The databases, by name. Whoever holds one keeps it open: for a moment only.
    #[must_use]
    pub fn databases(&self) -> &[(&'static str, Gauge)] {
        &self.databases
    }

    /// What the threads of the node count.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
