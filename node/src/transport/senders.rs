//! Envelopes on their way to all peers, and requests for pieces of snapshots.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use raft::{NodeId, Target};
use store::snapshot::ChunkRequest;
use store::store::NodeEnvelope;
use tokio::runtime::Handle as Runtime;
use tokio::sync::mpsc;

use super::AddressBook;
use super::fetch::{self, Fetch};
use super::peer::{self, Queue};
use super::seldom::Seldom;
use crate::handle::Handle;
use crate::store_loop::Outbound;

/// Pieces that wait to be asked for. More is dropped: they are asked for again.
const MOST_FETCHES: usize = 64;

/// A number that never falls.
#[derive(Debug, Default)]
pub struct Total(AtomicU64);

impl Total {
    /// Its value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// Events of the transport.
#[derive(Debug, Default)]
pub struct TransportCounters {
    /// Envelopes that went out on a stream,
    pub sent: Total,
    /// and their bytes.
    pub sent_bytes: Total,
    /// Envelopes that came in,
    pub received: Total,
    /// and their bytes.
    pub received_bytes: Total,
    /// Envelopes dropped because their peer did not take them.
    pub dropped: Total,
    /// Streams to peers that ended.
    pub reconnects: Total,
    /// Pieces of snapshots that were asked for in vain.
    pub failed_fetches: Total,
    /// Streams and calls of peers that were refused.
    pub refused: Total,
    pub(super) unknown: Seldom,
    pub(super) unreachable: Seldom,
    pub(super) broken: Seldom,
    pub(super) strangers: Seldom,
}

/// Sends what the store loop wants sent.
pub struct Senders {
    runtime: Runtime,
    book: AddressBook,
    counters: Arc<TransportCounters>,
    peers: BTreeMap<Target, Arc<Queue>>,
    fetches: mpsc::Sender<Fetch>,
    receiver: Option<mpsc::Receiver<Fetch>>,
}

impl Senders {
    /// Sends from tasks on `runtime`.
    #[must_use]
    pub fn new(runtime: Runtime, book: AddressBook, counters: Arc<TransportCounters>) -> Self {
        let (fetches, receiver) = mpsc::channel(MOST_FETCHES);
        Self { runtime, book, counters, peers: BTreeMap::new(), fetches, receiver: Some(receiver) }
    }

    /// What asks for pieces of snapshots, and brings them to the store: to be spawned once there is one.
    pub fn fetching(&mut self) -> impl FnOnce(Handle) + Send + 'static {
        let receiver = self.receiver.take();
        let (runtime, book, counters) = (self.runtime.clone(), self.book.clone(), Arc::clone(&self.counters));
        move |handle| {
            if let Some(receiver) = receiver {
                runtime.spawn(fetch::run(receiver, handle, book, counters));
            }
        }
    }

    /// To one peer, in order.
    fn send_to(&mut self, to: Target, envelopes: Vec<NodeEnvelope>) {
        let queue = self.peers.entry(to).or_default();
        let dropped = match queue.push(envelopes) {
            Ok(dropped) if Arc::strong_count(queue) > 1 => dropped,
            Ok(dropped) => {
                self.runtime.spawn(peer::run(
                    Arc::clone(queue),
                    self.book.clone(),
                    Arc::clone(&self.counters),
                ));
                dropped
            }
            Err(envelopes) => {
                // Its task ended, because nothing came for a long time.
                self.peers.retain(|_, queue| Arc::strong_count(queue) > 1);
                self.peers.remove(&to);
                return self.send_to(to, envelopes);
            }
        };
        if dropped > 0 {
            self.counters.dropped.add(dropped);
        }
    }
}

impl Outbound for Senders {
    fn send(&mut self, envelopes: Vec<NodeEnvelope>) {
        // They come grouped by receiver.
        let mut envelopes = envelopes.into_iter().peekable();
        while let Some(first) = envelopes.next() {
            let to = first.envelope.header.to;
            let mut group = vec![first];
            while let Some(next) = envelopes.next_if(|next| next.envelope.header.to == to) {
                group.push(next);
            }
            self.send_to(to, group);
        }
    }

    fn fetch(&mut self, from: NodeId, request: ChunkRequest) {
        if self.fetches.try_send(Fetch { from, request }).is_err() {
            self.counters.failed_fetches.add(1);
        }
    }
}
