//! One peer: what waits for it, and the stream on which it goes there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use proto::peer::v1::raft_client::RaftClient;
use proto::peer::v1::{Hello, NodeAddress, RaftFrame};
use raft::{Body, Entry, Header};
use rand::Rng;
use store::store::NodeEnvelope;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::senders::TransportCounters;
use super::{AddressBook, MESSAGE_BYTES, channel, hello};

/// Envelopes that wait for one peer, and their bytes. More is dropped: Raft sends again.
const MOST_ENVELOPES: usize = 4_096;
const MOST_BYTES: usize = 32 << 20;
/// A frame holds no more; one envelope alone may be larger.
const FRAME_BYTES: usize = 2 << 20;
/// After a failure, before the next try; the least again after a stream that lasted longer than the most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Nothing was sent to it for so long: the stream is closed.
const IDLE: Duration = Duration::from_secs(60);

/// What waits for a peer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    envelopes: VecDeque<NodeEnvelope>,
    bytes: usize,
    /// Nobody takes anything out any more.
    closed: bool,
}

impl Queue {
    /// Adds envelopes; how many found no room, or the envelopes if nobody takes them out.
    pub(super) fn push(&self, envelopes: Vec<NodeEnvelope>) -> Result<u64, Vec<NodeEnvelope>> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(envelopes);
        }
        let wake = waiting.envelopes.is_empty();
        let mut dropped = 0;
        for envelope in envelopes {
            let size = size_of(&envelope);
            let full = waiting.bytes + size > MOST_BYTES && waiting.bytes > 0;
            if full || waiting.envelopes.len() >= MOST_ENVELOPES {
                dropped += 1;
                continue;
            }
            waiting.bytes += size;
            waiting.envelopes.push_back(envelope);
        }
        drop(waiting);
        if wake {
            self.filled.notify_one();
        }
        Ok(dropped)
    }

    /// All that waits; waits until there is something. None: nothing came for a long time.
    async fn take(&self) -> Option<VecDeque<NodeEnvelope>> {
        let take_all = |waiting: &mut Waiting| {
            waiting.bytes = 0;
            (!waiting.envelopes.is_empty()).then(|| std::mem::take(&mut waiting.envelopes))
        };
        self.take_with(take_all).await
    }

    /// The header of the first that waits; waits until there is one. None: nothing came for a long time.
    async fn peek(&self) -> Option<Header> {
        self.take_with(|waiting| waiting.envelopes.front().map(|first| first.envelope.header)).await
    }

    /// What `take` finds; waits until it finds something. None: nothing came for a long time, and nobody takes
    /// anything out any more.
    async fn take_with<T>(&self, take: impl Fn(&mut Waiting) -> Option<T>) -> Option<T> {
        let mut patient = true;
        loop {
            {
                let mut waiting = self.waiting();
                if let Some(taken) = take(&mut waiting) {
                    return Some(taken);
                }
                if !patient || waiting.closed {
                    waiting.closed = true;
                    return None;
                }
            }
            patient = timeout(IDLE, self.filled.notified()).await.is_ok();
        }
    }

    /// Throws away what waits: it would be too old to be of use. Says how much.
    fn clear(&self) -> u64 {
        let mut waiting = self.waiting();
        waiting.bytes = 0;
        std::mem::take(&mut waiting.envelopes).len() as u64
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About as many bytes as an envelope takes.
fn size_of(envelope: &NodeEnvelope) -> usize {
    let of_message = |message: &raft::Message| match &message.body {
        Body::Append(append) => append.entries.iter().map(Entry::size).sum::<usize>(),
        _ => 64,
    };
    64 + envelope.envelope.messages.iter().map(of_message).sum::<usize>()
}

/// Sends what comes into the queue, connection after connection, until nothing comes any more.
pub(super) async fn run(queue: Arc<Queue>, book: AddressBook, counters: Arc<TransportCounters>) {
    let mut back_off = BACK_OFF.0;
    while let Some(header) = queue.peek().await {
        let node = header.to.node;
        let address = book.peer(node);
        let begun = Instant::now();
        let moved = tokio::select! {
            biased;
            () = book.moved(node, address.as_deref()) => true,
            () = deliver(&queue, &header, address.as_deref(), &book, &counters) => false,
        };
        if moved || begun.elapsed() > BACK_OFF.1 {
            back_off = BACK_OFF.0;
        }
        // With jitter, so that nodes that failed together do not come back together. Whoever moved is tried at once.
        let pause = back_off.mul_f64(rand::rng().random_range(0.5..1.0));
        if !moved && timeout(pause, book.moved(node, address.as_deref())).await.is_err() {
            back_off = (back_off * 2).min(BACK_OFF.1);
        }
    }
}

/// Sends what comes into the queue on one stream, until that ends.
async fn deliver(
    queue: &Arc<Queue>,
    header: &Header,
    address: Option<&str>,
    book: &AddressBook,
    counters: &Arc<TransportCounters>,
) {
    let node = header.to.node;
    let Some(address) = address else {
        counters.dropped.add(queue.clear());
        if let Some(times) = counters.unknown.count() {
            tracing::warn!(%node, times, "the address of this node is not known: name it in peer_addresses");
        }
        return;
    };
    let channel = match channel::connect(address).await {
        Ok(channel) => channel,
        Err(error) => {
            counters.dropped.add(queue.clear());
            if let Some(times) = counters.unreachable.count() {
                tracing::info!(%node, address, times, %error, "a peer cannot be reached");
            }
            return;
        }
    };
    tracing::debug!(%node, address, "connected");
    let frames = Frames::new(Arc::clone(queue), *header, book, Arc::clone(counters));
    let mut client = RaftClient::new(channel).max_encoding_message_size(2 * MESSAGE_BYTES);
    let ended = client.send(frames.into_stream()).await;
    counters.reconnects.add(1);
    if let Err(status) = ended
        && let Some(times) = counters.broken.count()
    {
        tracing::info!(%node, address, times, reason = status.message(), "a stream to a peer ended");
    }
}

/// The frames of one stream.
struct Frames {
    queue: Arc<Queue>,
    header: Header,
    hello: Option<Hello>,
    book: AddressBook,
    changes: watch::Receiver<()>,
    /// What the receiver was told of where nodes are.
    told: Vec<NodeAddress>,
    /// Taken out of the queue, and not sent.
    taken: VecDeque<NodeEnvelope>,
    counters: Arc<TransportCounters>,
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.counters.dropped.add(self.taken.len() as u64);
    }
}

impl Frames {
    fn new(queue: Arc<Queue>, header: Header, book: &AddressBook, counters: Arc<TransportCounters>) -> Self {
        // Before the book is read: no change is missed.
        let (changes, hello) = (book.changes(), hello::write(&header, book));
        let (told, taken) = (hello.addresses.clone(), VecDeque::new());
        Self { queue, header, hello: Some(hello), book: book.clone(), changes, told, taken, counters }
    }

    fn into_stream(self) -> impl Stream<Item = RaftFrame> + Send + 'static {
        stream::unfold(self, async |mut frames| {
            if let Some(hello) = frames.hello.take() {
                return Some((RaftFrame { hello: Some(hello), ..RaftFrame::default() }, frames));
            }
            if frames.taken.is_empty() {
                let queue = Arc::clone(&frames.queue);
                tokio::select! {
                    biased;
                    addresses = frames.news() => {
                        return Some((RaftFrame { addresses, ..RaftFrame::default() }, frames));
                    }
                    taken = queue.take() => frames.taken = taken?,
                }
            }
            let envelopes = frames.next();
            // None is left for this stream: this node is another one now, and says so with another hello.
            (!envelopes.is_empty()).then_some((RaftFrame { envelopes, ..RaftFrame::default() }, frames))
        })
    }

    /// What the receiver was not told yet of where nodes are; waits until there is something.
    async fn news(&mut self) -> Vec<NodeAddress> {
        loop {
            // The sender is in the book.
            let _ = self.changes.changed().await;
            let all = hello::addresses(&self.header, &self.book);
            // The receiver knows best where it is itself.
            let to = self.header.to.node.0;
            let is_news = |address: &&NodeAddress| address.node != to && !self.told.contains(address);
            let news: Vec<_> = all.iter().filter(is_news).cloned().collect();
            self.told = all;
            if !news.is_empty() {
                return news;
            }
        }
    }

    /// As many as a frame takes, one at least if it is of this stream.
    fn next(&mut self) -> Vec<Bytes> {
        let (mut envelopes, mut bytes) = (Vec::new(), 0);
        while let Some(next) = self.taken.front()
            && next.envelope.header == self.header
            && (envelopes.is_empty() || bytes + size_of(next) <= FRAME_BYTES)
            && let Some(envelope) = self.taken.pop_front()
        {
            let mut encoded = Vec::with_capacity(size_of(&envelope) + 64);
            envelope.encode(&mut encoded);
            bytes += encoded.len();
            envelopes.push(encoded.into());
        }
        self.counters.sent.add(envelopes.len() as u64);
        self.counters.sent_bytes.add(bytes as u64);
        envelopes
    }
}
