//! Brings requests of clients to the leader: once, one hop, on one stream for each leader.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream;
use prost::Message;
use proto::peer::v1::forward_client::ForwardClient;
use proto::v1::batch_item::Request;
use proto::v1::batch_result::Result as Outcome;
use proto::v1::error_detail::Kind;
use proto::v1::{
    BatchItem, BatchRequest, BatchResult, Busy, DeadlineExceeded, ErrorDetail, NoLeader, OutcomeUnknown,
};
use raft::{ClusterId, NodeId};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{AddressBook, MESSAGE_BYTES, channel};

/// Requests under way to one leader.
const MOST_UNDER_WAY: usize = 8_192;
/// Bytes of those that are not sent yet; one fits always.
const MOST_BYTES: usize = 32 << 20;
/// A batch holds no more; one request alone may be larger.
const BATCH_BYTES: usize = 4 << 20;
/// A leader that cannot be reached so soon is of no use to a client.
const CONNECT: Duration = Duration::from_millis(500);
/// Between two looks at deadlines.
const LOOK: Duration = Duration::from_millis(100);
/// Nothing was forwarded for so long: the stream is closed.
const IDLE: Duration = Duration::from_secs(60);
/// When to try again after a refusal, in milliseconds.
const RETRY_MILLIS: u64 = 50;

/// What is done with an answer.
type Then = Box<dyn FnOnce(BatchResult) + Send>;

/// Forwards requests; cheap to clone. Its answers come on the runtime that asks.
#[derive(Clone)]
pub struct Forwarder {
    book: AddressBook,
    cluster: Arc<dyn Fn() -> ClusterId + Send + Sync>,
    default_deadline: Duration,
    links: Arc<Mutex<HashMap<NodeId, Arc<Link>>>>,
}

/// The stream to one leader.
#[derive(Default)]
struct Link {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    /// Not sent yet, each with its size.
    queue: VecDeque<(BatchItem, usize)>,
    queue_bytes: usize,
    waiting: HashMap<u64, Waiting>,
    last: u64,
    closed: bool,
}

struct Waiting {
    /// The number that the asker gave it.
    id: u64,
    then: Then,
    deadline: Instant,
    /// It may have been executed.
    sent: bool,
    /// It changes something.
    changes: bool,
}

impl Waiting {
    fn end(self, kind: Kind, message: &str) {
        let error = ErrorDetail { message: message.into(), kind: Some(kind) };
        (self.then)(BatchResult { id: self.id, result: Some(Outcome::Error(error)) });
    }

    /// There will be no answer.
    fn lose(self) {
        if self.sent && self.changes {
            let message = "the leader was lost while it had the write: it may still take effect, ask again in the \
                           same session";
            self.end(Kind::OutcomeUnknown(OutcomeUnknown {}), message);
        } else {
            self.end(Kind::NoLeader(NoLeader {}), "the leader cannot be reached: try again");
        }
    }
}

impl Forwarder {
    /// Finds leaders by `book`, in the cluster that `cluster` names. A request without a deadline has the default one.
    #[must_use]
    pub fn new(
        book: AddressBook,
        cluster: impl Fn() -> ClusterId + Send + Sync + 'static,
        default_deadline: Duration,
    ) -> Self {
        Self { book, cluster: Arc::new(cluster), default_deadline, links: Arc::default() }
    }

    /// Brings `item` to `leader`, never twice; `then` gets the answer, with the id of the item. To be called on the
    /// runtime that asks.
    pub fn forward(&self, leader: NodeId, item: BatchItem, then: impl FnOnce(BatchResult) + Send + 'static) {
        let changes = !matches!(item.request, Some(Request::Get(_) | Request::Scan(_)));
        let patience = match item.deadline_millis {
            0 => self.default_deadline,
            millis => Duration::from_millis(millis.into()),
        };
        let deadline = Instant::now() + patience;
        let waiting = Waiting { id: item.id, then: Box::new(then), deadline, sent: false, changes };
        self.link(leader).push(item, waiting);
    }

    /// The stream to a leader; it is opened if need be.
    fn link(&self, leader: NodeId) -> Arc<Link> {
        let mut links = lock(&self.links);
        links.retain(|_, link| !lock(&link.state).closed);
        let link = links.entry(leader).or_insert_with(|| {
            let link = Arc::new(Link::default());
            let receiver = receiver((self.cluster)(), leader);
            tokio::spawn(run(Arc::clone(&link), self.book.clone(), leader, receiver));
            link
        });
        Arc::clone(link)
    }
}

/// Who a forwarded stream is meant for, in its metadata: an address may lead to another node, or another cluster.
pub(crate) const RECEIVER: &str = "kvcluster-receiver";

/// A node as [`RECEIVER`] names it.
pub(crate) fn receiver(cluster: ClusterId, node: NodeId) -> String {
    format!("{:032x}/{node}", cluster.0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    fn push(&self, mut item: BatchItem, waiting: Waiting) {
        let size = item.encoded_len();
        let mut state = lock(&self.state);
        if state.closed {
            drop(state);
            return waiting.lose();
        }
        let fits = state.queue.is_empty() || state.queue_bytes + size <= MOST_BYTES;
        if !fits || state.waiting.len() >= MOST_UNDER_WAY {
            drop(state);
            let busy = Busy { retry_after_millis: RETRY_MILLIS };
            return waiting.end(Kind::Busy(busy), "too many requests are on their way to the leader");
        }
        state.last += 1;
        item.id = state.last;
        state.waiting.insert(item.id, waiting);
        let wake = state.queue.is_empty();
        state.queue_bytes += size;
        state.queue.push_back((item, size));
        drop(state);
        if wake {
            self.filled.notify_one();
        }
    }

    /// What is to be sent; waits until there is something. From here on it may be executed.
    async fn take(&self) -> BatchRequest {
        loop {
            let items = lock(&self.state).take();
            if !items.is_empty() {
                return BatchRequest { items };
            }
            self.filled.notified().await;
        }
    }

    fn answered(&self, mut result: BatchResult) {
        let waiting = lock(&self.state).waiting.remove(&result.id);
        // One whose deadline is over is not waited for any more.
        if let Some(waiting) = waiting {
            result.id = waiting.id;
            (waiting.then)(result);
        }
    }

    /// Ends what waited too long. How much was ever asked for, if nothing waits now.
    fn expire(&self) -> Option<u64> {
        let now = Instant::now();
        let (late, idle) = {
            let mut state = lock(&self.state);
            let late: Vec<Waiting> = state
                .waiting
                .extract_if(|_, waiting| waiting.deadline <= now)
                .map(|(_, waiting)| waiting)
                .collect();
            if late.iter().any(|waiting| !waiting.sent) {
                state.forget_unsent();
            }
            (late, state.waiting.is_empty().then_some(state.last))
        };
        for waiting in late {
            let message = match waiting.sent {
                true => "the time for this request is over; a write may still take effect",
                false => "the time for this request is over; it was not sent to the leader",
            };
            waiting.end(Kind::DeadlineExceeded(DeadlineExceeded {}), message);
        }
        idle
    }

    /// Nothing more goes out or comes in.
    fn close(&self) {
        let waiting = {
            let mut state = lock(&self.state);
            state.closed = true;
            state.queue.clear();
            std::mem::take(&mut state.waiting)
        };
        waiting.into_values().for_each(Waiting::lose);
    }
}

impl State {
    /// As many items as a message takes, one at least if there is one.
    fn take(&mut self) -> Vec<BatchItem> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while let Some((_, size)) = self.queue.front()
            && (items.is_empty() || bytes + size <= BATCH_BYTES)
            && let Some((item, size)) = self.queue.pop_front()
        {
            bytes += size;
            if let Some(waiting) = self.waiting.get_mut(&item.id) {
                waiting.sent = true;
            }
            items.push(item);
        }
        self.queue_bytes -= bytes;
        items
    }

    /// Takes out of the queue what nobody waits for: a leader that does not read must not make it grow.
    fn forget_unsent(&mut self) {
        let Self { queue, waiting, .. } = self;
        queue.retain(|(item, _)| waiting.contains_key(&item.id));
        self.queue_bytes = queue.iter().map(|(_, size)| size).sum();
    }
}

/// Closes the link whatever ends its task.
struct Closing(Arc<Link>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Until the stream ends, or nothing was forwarded for a long time.
async fn run(link: Arc<Link>, book: AddressBook, leader: NodeId, receiver: String) {
    let link = Closing(link);
    let streaming = stream_to(&link.0, &book, leader, &receiver);
    tokio::pin!(streaming);
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut used) = (None, Instant::now());
    loop {
        tokio::select! {
            biased;
            () = &mut streaming => return,
            _ = look.tick() => {
                let idle = link.0.expire();
                if idle.is_none() || idle != seen {
                    (seen, used) = (idle, Instant::now());
                } else if used.elapsed() > IDLE {
                    return;
                }
            }
        }
    }
}

async fn stream_to(link: &Arc<Link>, book: &AddressBook, leader: NodeId, receiver: &str) {
    let Some(address) = book.peer(leader) else { return };
    let Ok(Ok(channel)) = timeout(CONNECT, channel::connect(&address)).await else { return };
    let requests = stream::unfold(Arc::clone(link), async |link| {
        let batch = link.take().await;
        Some((batch, link))
    });
    let mut client = ForwardClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES);
    let mut requests = tonic::Request::new(requests);
    let Ok(receiver) = receiver.parse() else { return };
    requests.metadata_mut().insert(RECEIVER, receiver);
    let Ok(opened) = client.batch(requests).await else { return };
    let mut responses = opened.into_inner();
    while let Ok(Some(response)) = responses.message().await {
        response.results.into_iter().for_each(|result| link.answered(result));
    }
}
